"""The launch scripts: sound shell; 75 and nothing else puts a SLURM job back into the queue."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def test_scripts_pass_shellcheck():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    scripts = [*map(str, sorted((ROOT / "launch").glob("*.sh"))), str(ROOT / ".ci/run")]
    found = subprocess.run(["shellcheck", "-x", *scripts], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stdout


def submit(tmp_path, status: int, *words: str, **more: str) -> tuple[int, str, str]:
    """launch/slurm.sh as SLURM runs it, with an srun that ends with `status`."""
    for name, body in {"srun": f'echo "$@" >{tmp_path}/srun.said; exit {status}',
                       "scontrol": f'echo "$@" >{tmp_path}/scontrol.said'}.items():  # fmt: skip
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "launch/slurm.sh", tmp_path / "spooled")  # SLURM runs a copy
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
           "PYTHON": sys.executable, "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "7",
           "SLURM_JOB_NODELIST": "n[1-2]", **more}  # fmt: skip
    done = subprocess.run(["bash", str(tmp_path / "spooled"), *words], env=env,
                          capture_output=True, text=True)  # fmt: skip

    def said(name):
        path = tmp_path / f"{name}.said"
        return path.read_text().strip() if path.exists() else ""

    return done.returncode, said("srun"), said("scontrol")


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_job_that_ends_stays_ended(tmp_path, status):
    code, srun, scontrol = submit(tmp_path, status, "--config=a b.py", "--workdir=w")
    assert (code, scontrol) == (status, "")
    assert srun.endswith("-m affectjax.main --cluster --config=a b.py --workdir=w")


def test_a_job_that_was_stopped_goes_back_into_the_queue(tmp_path):
    code, _, scontrol = submit(tmp_path, 75)
    assert (code, scontrol) == (75, "requeue 7")


def test_the_wrong_folder_is_said_before_anything_starts(tmp_path):
    code, srun, scontrol = submit(tmp_path, 0, PYTHON="/bin/false")
    assert (code, srun, scontrol) == (2, "", "")
