"""Faults of real processes, signals and disks: each ends as stated, and costs the run nothing.

fault: what happens, within what time
- a process does not start: all who came name it, exit 2, after --start_timeout (test_rollcall.py)
- SIGTERM to any process: all save one step, exit 75, in a minute (test_processes.py)
- a process dies: the others name it and exit 1; where none hears of it, after --heartbeat
- a process is stopped, asleep, or starved of data: stacks, its name, exit 1, train.stuck_after
- a worker of the input dies: exit 1 at once, with its exit code
- a disk is full or read-only: exit 2 at the next save, with the place; older checkpoints stay
- the workdir is gone: exit 2 at the next line of the log or the next save, with the place
- the newest checkpoint is damaged: a warning at the start, and the one before is taken
- a record is damaged: exit 2 at its step, with file and record; train.bad_records=skip goes on
- other hosts, another mesh: the same global batches

After each, the same command on the same topology ends with the weights of an undisturbed run, bit
for bit.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from affectjax import checkpoint
from affectjax.data import records
from tests import injected
from tests.test_checkpoint import flip
from tests.test_processes import finish, mesh_flags, run, start, state_of
from tests.test_processes import folder as folder  # the dataset

pytestmark = pytest.mark.slow

STEPS = 12
WORDS = (
    f"--config.train.steps={STEPS}", "--config.train.checkpoint_every=3",
    "--config.checkpoint.keep=10", "--config.model.dropout=0.1",
)  # fmt: skip


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    return injected.interpreter(tmp_path_factory.mktemp("python"))


@pytest.fixture
def job(folder, python, monkeypatch):
    """Runs a job to its end, with a fault; gives (exit status, what it printed)."""
    monkeypatch.setattr("tests.test_processes.environment", _environment(python))

    def run_job(workdir, *words, fault="- 0 pass", stuck=0, notes="", **topology):
        monkeypatch.setenv("AFFECTJAX_STUCK", str(stuck))
        monkeypatch.setenv("AFFECTJAX_FAULT", fault)
        monkeypatch.setenv("AFFECTJAX_BATCHES", str(notes))
        log = pathlib.Path(f"{workdir}.log")
        before = len(log.read_text()) if log.exists() else 0
        process = start(folder, workdir, *WORDS, *words, **topology)
        code = finish(process, workdir, 600)
        with contextlib.suppress(ProcessLookupError):  # a stopped worker stays
            os.killpg(process.pid, signal.SIGKILL)
        return code, log.read_text()[before:]

    return run_job


def _environment(python):
    def environment(**more):
        more |= {"PYTHON": python, "GRACE": "40", "PYTHONPATH": str(injected.ROOT)}
        return {**os.environ, **more}

    return environment


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory) -> pathlib.Path:
    """One process; the batches that it saw stand in `batches`."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        (place / "batches").mkdir()
        patch.setenv("AFFECTJAX_BATCHES", str(place / "batches"))
        python = injected.interpreter(place)
        patch.setattr("tests.test_processes.environment", _environment(python))
        run(folder, place / "run", *WORDS)
    return place


def batches(place: pathlib.Path) -> dict[int, dict[int, list]]:
    """{step: {row of the stream: [id, digest]}} of all processes; disagreement is an error."""
    found: dict[int, dict[int, list]] = {}
    for file in place.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            row, *what = json.loads(line)
            assert found.setdefault(row // 8, {}).setdefault(row, what) == what, (file, row)
    return found


def test_peers_that_die_stop_or_sleep_are_named_and_change_nothing(folder, job, tmp_path):
    two = {"processes": 2}
    where = rf"Process 1 on {socket.gethostname()} \(pid \d+\)"
    code, said = job("whole", **two)
    assert code == 0, said[-3000:]

    code, said = job("run", fault="1 5 os.kill(os.getpid(), 9)", **two)
    assert code == 137, said[-3000:]
    assert re.search(rf"error: {where} is gone: no sign of life for \d+ s", said), said[-3000:]
    assert re.search(r"process 1 \(pid \d+\) ended with status 137", said)
    # By itself: the launcher would have killed it after GRACE.
    assert re.search(r"process 0 \(pid \d+\) ended with status 1$", said, re.M), said[-3000:]

    code, said = job("run", fault="1 4 os.kill(os.getpid(), 19)", stuck=8, **two)
    assert code == 1, said[-3000:]
    assert "process 0 has not moved for 8 s" in said
    assert re.search(rf"{where} gave its last sign of life", said), said[-3000:]

    code, said = job("run", fault="1 4 time.sleep(3600)", stuck=8, **two)
    assert code == 1, said[-3000:]
    # Whichever of the two finds it first; the other may be ended before it can speak.
    asleep = rf"({where} is the furthest behind|process 1 has not moved for 8 s: waiting for input)"
    assert re.search(asleep, said), said[-3000:]
    assert "Current thread" in said and "watchdog.py" in said  # the stacks

    code, said = job("run", **two)
    assert code == 0 and "resumed at step" in said, said[-3000:]
    assert state_of("run", STEPS) == state_of("whole", STEPS)


def test_input_that_dies_or_stalls_damage_and_a_lost_folder_change_nothing(
    folder, job, undisturbed, tmp_path
):
    workers = "--config.train.workers=1"
    child = "import multiprocessing as m; os.kill(m.active_children()[0].pid, 9)"
    code, said = job("run", workers, fault=f"0 4 {child}")
    assert code == 1, said[-3000:]
    assert "exit code -9" in said

    # Stopped as soon as it is there: later it would have made the whole run's batches ahead.
    code, said = job("run", workers, fault="0 0 stop_first_child()", stuck=8)
    assert code == 1, said[-3000:]
    assert "process 0 has not moved for 8 s" in said and "pipeline.py" in said, said[-3000:]

    # Of a record that is first read in step 7, damaged on disk, in a copy of the dataset.
    seen = batches(undisturbed / "batches")
    early = {what[0] for step in range(7) for what in seen[step].values()}
    bad = next(what[0] for what in seen[7].values() if what[0] not in early)
    shutil.copytree(folder, "copy")
    source = records.open_dataset("copy").split("train")
    number = source.ids.index(bad)
    flip(pathlib.Path(source.paths[0]), 8 * int((source.index.bytes[:number] + 16).sum() + 500))
    code, said = job("run", "--config.data.dir=copy")
    assert code == 2, said[-3000:]
    assert re.search(rf"error: \S+train\S+, record {number}: ", said), said[-3000:]
    assert checkpoint.steps("run/checkpoints")[-1] == 6

    code, said = job("run", fault="0 2 os.rename('run', 'elsewhere')")
    assert code == 2 and "error: the workdir is gone (run)" in said, said[-3000:]
    os.rename("elsewhere", "run")

    newest = checkpoint.steps("run/checkpoints")[-1]
    files = [p for p in pathlib.Path(f"run/checkpoints/{newest}/state").rglob("*") if p.is_file()]
    flip(max(files, key=lambda p: p.stat().st_size), 8 * 2000)
    code, said = job("run")
    assert code == 0, said[-3000:]
    assert f"step {newest} is bad and was passed over" in said
    assert f"resumed at step {newest - 3} of {STEPS}" in said
    assert state_of("run", STEPS) == state_of(undisturbed / "run", STEPS)


def mounted(*words: str) -> bool:
    return not subprocess.run(["mount", *words], capture_output=True).returncode


def test_a_disk_that_is_full_or_read_only_changes_nothing(job, undisturbed, tmp_path):
    place = tmp_path / "run" / "checkpoints"
    place.mkdir(parents=True)
    if not mounted("-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(place)):
        pytest.skip(
            "a small disk needs the right to mount; test_checkpoint.py limits files instead"
        )
    try:
        code, said = job(tmp_path / "run")
        assert code == 2, said[-3000:]
        told = re.search(r"error: The checkpoint of step (\d+) was not saved: .*", said)
        assert told and "Free some space" in told[0] and str(place) in told[0], said[-3000:]
        left = checkpoint.steps(place)
        assert left and left[-1] == int(told[1]) - 3
        assert all(name.isdecimal() for name in os.listdir(place))

        assert mounted("-o", "remount,size=64m", str(place))
        remount = f"os.system('mount -o remount,ro {place}')"
        code, said = job(tmp_path / "run", fault=f"0 1 {remount}")
        assert code == 2 and "Read-only file system" in said.split("error:")[1], said[-3000:]
        assert checkpoint.steps(place) == left

        assert mounted("-o", "remount,rw", str(place))
        code, said = job(tmp_path / "run")
        assert code == 0 and f"resumed at step {left[-1]}" in said, said[-3000:]
        assert state_of(tmp_path / "run", STEPS) == state_of(undisturbed / "run", STEPS)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_four_processes_go_on_as_two_and_as_one_with_the_same_batches(job, undisturbed, tmp_path):
    notes = tmp_path / "batches"
    notes.mkdir()
    term = "0 {} os.kill(os.getpid(), 15); time.sleep(1)"
    code, said = job("run", fault=term.format(4), notes=notes, processes=4)
    assert code == 75, said[-3000:]
    first = checkpoint.steps("run/checkpoints")[-1]
    code, said = job("run", *mesh_flags((1, 2, 1)), fault=term.format(2), notes=notes, processes=2)
    assert code == 75, said[-3000:]
    assert first < checkpoint.steps("run/checkpoints")[-1] < STEPS
    code, said = job("run", notes=notes)
    assert code == 0, said[-3000:]
    seen, expected = batches(notes), batches(undisturbed / "batches")
    assert all(seen[step] == expected[step] for step in range(STEPS))
    assert losses("run") == pytest.approx(losses(undisturbed / "run"), rel=1e-5)


def losses(workdir) -> list[float]:
    rows = (pathlib.Path(workdir) / "metrics.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, rows) if row["split"] == "train"]
