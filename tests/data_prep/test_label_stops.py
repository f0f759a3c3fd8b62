"""A round of labelling that is told to stop in its training goes on there, and decides the same."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from affectjax.errors import COMPLETE, REQUEUE
from data_prep import label
from tests.data_prep.test_label_chain import QUICK, answer, comments

ROOT = pathlib.Path(__file__).parents[2]


def begun(place: pathlib.Path) -> pathlib.Path:
    """A project of which people have answered half."""
    truth = dict(comments(120))
    table = place / "c.csv"
    table.write_text("text\n" + "\n".join(truth), encoding="utf-8")
    words = [f"--project={place / 'p'}"]
    assert label.main(["start", *words, f"--comments={table}", "--emotions=joy,fear"]) == COMPLETE
    assert label.main(["ask", *words, "--count=60"]) == COMPLETE
    answer(place / "p/queue-00.csv", truth)
    assert label.main(["read", *words, f"--answers={place}/p/queue-00.csv"]) == COMPLETE
    return place / "p"


def start(project: pathlib.Path, log: pathlib.Path) -> subprocess.Popen:
    command = [
        sys.executable, "-m", "data_prep.label", "round", f"--project={project}", *QUICK,
        "--config.train.log_every=1", "--config.train.steps=600",
        "--config.train.evaluate_every=200",
    ]  # fmt: skip
    with open(log, "a") as out:
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu"},
                                stdout=out, stderr=out)  # fmt: skip


@pytest.mark.slow
def test_stopped_and_killed_rounds_decide_the_same(tmp_path):
    ledgers = []
    for kind in ("stopped", "undisturbed"):
        place = tmp_path / kind
        place.mkdir()
        project, log = begun(place), place / "log"
        for number in (signal.SIGTERM, signal.SIGKILL) if kind == "stopped" else ():
            before = log.read_text().count("train step ") if log.exists() else 0
            job, until = start(project, log), time.monotonic() + 120
            while log.read_text().count("train step ") <= before:
                assert job.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.002)
            job.send_signal(number)
            assert job.wait(60) == (REQUEUE if number == signal.SIGTERM else -signal.SIGKILL)
            assert not (project / "queue-01.csv").exists()
        assert start(project, log).wait(300) == COMPLETE, log.read_text()[-3000:]
        ledgers.append(hashlib.sha256((project / "ledger.jsonl").read_bytes()).hexdigest())
    assert ledgers[0] == ledgers[1]
