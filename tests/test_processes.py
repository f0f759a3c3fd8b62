"""Real processes and real signals: any topology gives the same run, and no kill changes it."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

import affectjax
from affectjax.data import sample

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent
TINY = (
    f"--config={ROOT}/configs/tam_pretrain.py:small",
    "--config.model.width=16", "--config.model.layers=1", "--config.model.ffn=16",
    "--config.model.decoder_layers=1", "--config.model.decoder_heads=2",
    "--config.examples.tokens=96", "--config.examples.comments=12", "--config.examples.masked=24",
    "--config.train.batch=8", "--config.train.log_every=1", "--config.train.tensorboard=False",
    "--config.optim.warmup=5",
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    return pathlib.Path(sample.prepare(tmp_path_factory.mktemp("sample"), "quick", 0))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, **more}


def start(folder, workdir, *words: str, processes: int = 1, devices: int = 1) -> subprocess.Popen:
    """A job of some processes with some simulated devices each, in a session of its own."""
    command = ["bash", str(ROOT / "launch/processes.sh"), str(processes), *TINY,
               f"--config.data.dir={folder}", f"--workdir={workdir}", *words]  # fmt: skip
    out = open(f"{workdir}.log", "a")
    return subprocess.Popen(
        command, env=environment(DEVICES=str(devices), GRACE="3"), stdout=out, stderr=out,
        start_new_session=True,
    )  # fmt: skip


def finish(job: subprocess.Popen, workdir, seconds: int = 300) -> int:
    try:
        return job.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        raise AssertionError(pathlib.Path(f"{workdir}.log").read_text()[-3000:]) from None


def run(folder, workdir, *words: str, **topology) -> list[dict]:
    """A job from start to end; gives the lines of its log without the times."""
    code = finish(start(folder, workdir, *words, **topology), workdir)
    assert code == 0, pathlib.Path(f"{workdir}.log").read_text()[-3000:]
    return lines(workdir)


def lines(workdir) -> list[dict]:
    path = pathlib.Path(workdir) / "metrics.jsonl"
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # being written
            break
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def losses(rows: list[dict]) -> list[float]:
    return [row["loss"] for row in rows if row["split"] == "train"]


def wait_for_step(job, workdir, step: int, seconds: int = 240) -> None:
    limit = time.time() + seconds
    while time.time() < limit and job.poll() is None:
        if any(row["step"] >= step for row in lines(workdir)):
            return
        time.sleep(0.02)
    raise AssertionError(pathlib.Path(f"{workdir}.log").read_text()[-3000:])


def state_of(workdir, step: int) -> dict:
    """{leaf: [shape, dtype, digest]} of a checkpoint, as its own table has it."""
    sealed = json.loads((pathlib.Path(workdir) / f"checkpoints/{step}/host/host.json").read_text())
    return json.loads(sealed["content"])["leaves"]


def members(job: subprocess.Popen) -> list[int]:
    """The Python processes of a job."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "-g", str(job.pid)], capture_output=True,
                           text=True).stdout  # fmt: skip
    return [int(row.split()[0]) for row in found.splitlines() if "affectjax.main" in row
            and "processes.sh" not in row]  # fmt: skip


TOPOLOGIES = {
    "one process, 8 devices": dict(processes=1, devices=8),
    "two processes, 4 devices": dict(processes=2, devices=4),
    "fsdp 4 x tensor 2": dict(processes=1, devices=8, mesh=(1, 4, 2)),
    "data 2 x fsdp 2 x tensor 2, two processes": dict(processes=2, devices=4, mesh=(2, 2, 2)),
}


def mesh_flags(mesh=None) -> list[str]:
    return [f"--config.mesh.{axis}={n}" for axis, n in zip(("data", "fsdp", "tensor"), mesh or ())]


def test_every_topology_gives_the_same_losses(folder):
    found = {}
    for number, (name, topology) in enumerate(TOPOLOGIES.items()):
        words = ["--config.train.steps=20", *mesh_flags(topology.pop("mesh", None))]
        found[name] = losses(run(folder, f"run{number}", *words, **topology))
    first = found.pop("one process, 8 devices")
    assert len(first) == 20
    for name, others in found.items():
        worst = max(abs(a - b) / abs(a) for a, b in zip(first, others, strict=True))
        print(f"{name}: largest relative difference {worst:.1e}")
        assert worst < 1e-5, name


def test_a_run_goes_on_with_other_hosts_and_another_mesh(folder):
    words = ["--config.train.steps=12", "--config.train.checkpoint_every=4"]
    whole = losses(run(folder, "whole", *words, devices=8))
    job = start(folder, "moved", *words, processes=2, devices=4)
    wait_for_step(job, "moved", 5)
    os.kill(members(job)[0], signal.SIGTERM)
    assert finish(job, "moved") == 75
    moved = losses(run(folder, "moved", *words, *mesh_flags((1, 2, 2)), devices=4))
    assert max(abs(a - b) / abs(a) for a, b in zip(whole, moved, strict=True)) < 1e-5


def test_ctrl_c_on_two_processes_saves_and_exits_75(folder):
    words = ["--config.train.steps=4000", "--config.train.checkpoint_every=1000"]
    job = start(folder, "run", *words, processes=2, devices=1)
    wait_for_step(job, "run", 3)
    os.killpg(job.pid, signal.SIGINT)  # as a terminal does: everybody hears it
    assert finish(job, "run", 60) == 75
    (step,) = [int(p.name) for p in pathlib.Path("run/checkpoints").iterdir() if p.name.isdigit()]
    assert lines("run")[-1]["step"] == step


@pytest.mark.parametrize("which", [0, 1])
def test_sigterm_to_one_process_saves_the_same_step_everywhere_and_exits_75(folder, which):
    words = ["--config.train.steps=4000", "--config.train.checkpoint_every=1000"]
    job = start(folder, "run", *words, processes=2, devices=1)
    wait_for_step(job, "run", 3)
    began = time.time()
    os.kill(members(job)[which], signal.SIGTERM)
    assert finish(job, "run", 60) == 75
    assert time.time() - began < 60
    (step,) = [int(p.name) for p in pathlib.Path("run/checkpoints").iterdir() if p.name.isdigit()]
    said = re.findall(r"stopped at step (\d+) of", pathlib.Path("run.log").read_text())
    assert said == [str(step)]
    assert lines("run")[-1]["step"] == step


def test_three_kills_one_during_a_save_change_nothing(folder):
    words = ["--config.train.steps=24", "--config.train.checkpoint_every=4",
             "--config.train.evaluate_every=8", "--config.data.validation=0.2",
             "--config.model.dropout=0.2", "--config.checkpoint.keep=10"]  # fmt: skip
    whole = run(folder, "whole", *words)
    rng = random.Random(0)
    kills = [rng.randint(2, 7), rng.randint(9, 14), None]
    for kill in kills:
        job = start(folder, "killed", *words)
        if kill is None:
            _wait_for_save(job, "killed")
        else:
            wait_for_step(job, "killed", kill)
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        assert not pathlib.Path("killed/result.json").exists()
    assert run(folder, "killed", *words) == whole
    assert state_of("killed", 24) == state_of("whole", 24)
    ours, theirs = affectjax.load("killed/export"), affectjax.load("whole/export")
    assert ours.about["metrics"] == theirs.about["metrics"]


def _wait_for_save(job, workdir, seconds: int = 120) -> None:
    """Until a checkpoint is half written: its temporary folder is there."""
    limit = time.time() + seconds
    folder = pathlib.Path(workdir) / "checkpoints"
    while time.time() < limit and job.poll() is None:
        if any("tmp" in path.name for path in folder.iterdir()):
            return
    raise AssertionError("no save was seen")


def test_sigterm_to_a_single_process_saves_and_goes_on(folder):
    words = ["--config.train.steps=60", "--config.train.checkpoint_every=100"]
    whole = run(folder, "whole", *words)
    job = start(folder, "stopped", *words)
    wait_for_step(job, "stopped", 2)
    os.kill(members(job)[0], signal.SIGTERM)
    assert finish(job, "stopped") == 75
    assert run(folder, "stopped", *words) == whole


def test_sigterm_before_training_begins_exits_75(folder):
    job = start(folder, "run", "--config.train.steps=5")
    limit = time.time() + 60
    while not members(job) and time.time() < limit:
        time.sleep(0.05)
    time.sleep(2)  # importing, or starting jax
    os.kill(members(job)[0], signal.SIGTERM)
    assert finish(job, "run", 60) == 75
    assert len(losses(run(folder, "run", "--config.train.steps=5"))) == 5


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_in_the_final_scoring_exits_75_and_the_next_start_finishes(folder, processes):
    words = ["--config.train.steps=3"]
    job = start(folder, "run", *words, processes=processes)
    wait_for_step(job, "run", 3)
    os.kill(members(job)[-1], signal.SIGTERM)
    assert finish(job, "run", 120) == 75
    assert "stopped while scoring test" in pathlib.Path("run.log").read_text()
    assert run(folder, "run", *words, processes=processes)[-1]["split"] == "test"
