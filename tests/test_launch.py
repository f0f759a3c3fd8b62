"""The launch scripts: sound shell; 75 and nothing else starts a job again, wherever it runs."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml

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


def locally(tmp_path, statuses: str, **more: str) -> tuple[int, list[str]]:
    """launch/processes.sh with one process, whose python ends with one status a start."""
    (tmp_path / "statuses").write_text(statuses)
    (tmp_path / "python").write_text(
        f'#!/bin/sh\ncd {tmp_path}\necho "$@" >>said\nset -- $(cat statuses)\nfirst=$1\nshift\n'
        'echo "$@" >statuses\nexit $first\n'
    )
    (tmp_path / "python").chmod(0o755)
    env = {**os.environ, "PYTHON": str(tmp_path / "python"), "PORT": "1", **more}
    command = [str(ROOT / "launch/processes.sh"), "1", "--config=a b.py"]
    code = subprocess.run(command, env=env, capture_output=True).returncode
    return code, (tmp_path / "said").read_text().splitlines()


def test_local_processes_start_again_on_75_when_asked(tmp_path):
    code, said = locally(tmp_path, "75 75 1", REQUEUE="1")
    assert code == 1 and len(said) == 3 and len(set(said)) == 1
    assert said[0].endswith("--cpu_devices=1 --config=a b.py")


def test_local_processes_give_75_back_otherwise(tmp_path):
    assert locally(tmp_path, "75 0")[0] == 75


def jobset(*words: str, status: int = 0) -> dict:
    command = ["bash", str(ROOT / "launch/kubernetes.sh"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return yaml.safe_load(done.stdout) if status == 0 else done.stderr


FOUR = ("--image=r.example/affectjax:1", "--hosts=4", "--gpus=8", "--claim=work", "--name=tam")
WORDS = (
    "--config=configs/tam_pretrain.py:small",
    "--config.words={'a b': \"it's\"}",
    "--x=$(HOME)",
)

# The part of the JobSet schema (v1alpha2) that the script uses, beside the Job's own: for each
# place its fields, those that must be there, and the values that a field may have.
JOBSET = {
    "": ({"apiVersion", "kind", "metadata", "spec"}, {"apiVersion", "kind", "spec"}),
    "spec": ({"network", "failurePolicy", "replicatedJobs", "suspend", "successPolicy"}, set()),
    "spec.network": ({"enableDNSHostnames", "subdomain", "publishNotReadyAddresses"}, set()),
    "spec.failurePolicy": ({"maxRestarts", "restartStrategy", "rules"}, set()),
    "spec.failurePolicy.rules": (
        {"name", "action", "onJobFailureReasons", "targetReplicatedJobs"},
        {"name", "action"},
    ),
    "spec.replicatedJobs": ({"name", "groupName", "replicas", "template"}, {"name", "template"}),
    "spec.replicatedJobs.template": ({"metadata", "spec"}, set()),
}
ACTIONS = ("FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts")


def unfit(node, place: str = "") -> list[str]:
    """What in a JobSet does not fit the schema, down to the Job's own specification."""
    if isinstance(node, list):
        return [found for one in node for found in unfit(one, place)]
    if not isinstance(node, dict) or place not in JOBSET:
        return []
    known, needed = JOBSET[place]
    found = [f"{place}.{name}" for name in (set(node) - known) | (needed - set(node))]
    for name, value in node.items():
        found += unfit(value, f"{place}.{name}".lstrip("."))
    return found


def test_the_jobset_fits_its_schema_and_carries_every_argument():
    found = jobset(*FOUR, "--select=pool=big", "--", *WORDS)
    assert unfit(found) == []
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (job,) = found["spec"]["replicatedJobs"]
    assert job["template"]["spec"]["completions"] == job["template"]["spec"]["parallelism"] == 4
    pod = job["template"]["spec"]["template"]["spec"]
    (main,) = pod["containers"]
    assert pod["nodeSelector"] == {"pool": "big"} and pod["restartPolicy"] == "Never"
    assert main["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert main["args"][:3] == ["--coordinator=tam-hosts-0-0.tam:8476", "--processes=4",
                                "--process=$(PROCESS)"]  # fmt: skip
    assert main["args"][-3:] == [*WORDS[:2], "--x=$$(HOME)"]  # Kubernetes makes one dollar of two


def test_the_jobset_starts_anew_on_75_and_on_a_lost_node():
    found = jobset(*FOUR)
    policy = found["spec"]["failurePolicy"]
    (rule,) = policy["rules"]
    assert rule["action"] in ACTIONS and rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"] and policy["maxRestarts"] == 3
    rules = found["spec"]["replicatedJobs"][0]["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"]["values"] == [75] and rules[0]["action"] == "FailJob"
    assert rules[1]["onPodConditions"][0]["type"] == "DisruptionTarget"


def test_the_job_within_the_jobset_fits_the_schema_of_kubernetes():
    validate = pytest.importorskip("kubernetes_validate", reason="it brings Kubernetes's schemas")
    template = jobset(*FOUR, "--", *WORDS)["spec"]["replicatedJobs"][0]["template"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "tam"}, **template}
    validate.validate(job, "1.31", strict=True)
    job["spec"]["template"]["spec"]["containers"][0]["args"] = "no list"
    with pytest.raises(validate.ValidationError):
        validate.validate(job, "1.31", strict=True)


@pytest.mark.parametrize(
    "words",
    [("--claim=w",), ("--image=i",), (*FOUR, "--config=x"), (*FOUR, "--hosts=0"),
     (*FOUR, "--gpus=two"), (*FOUR, "--name=Tam Tam")],
)  # fmt: skip
def test_a_jobset_that_would_not_run_is_not_written(words):
    assert jobset(*words, status=2).startswith("error: ")


def on_tpu(tmp_path, statuses: str, *words: str) -> tuple[int, list[str], str]:
    """launch/tpu.sh with a gcloud that is one host, whose python ends with one status a start."""
    host = tmp_path / "host" / "affectjax"
    (host / ".venv/bin").mkdir(parents=True)
    (host / ".venv/bin/python").write_text(
        '#!/bin/sh\necho "$@" >>said\nset -- $(cat statuses)\nfirst=$1\nshift\n'
        'echo "$@" >statuses\nexit $first\n'
    )
    (host / ".venv/bin/python").chmod(0o755)
    (host / "statuses").write_text(statuses)
    (tmp_path / "gcloud").write_text(
        f'#!/bin/bash\necho "$@" >>{tmp_path}/asked\nfor word; do case $word in --command=*) '
        f'cd {tmp_path}/host && eval "${{word#--command=}}";; esac; done\n'
    )
    (tmp_path / "gcloud").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", str(ROOT / "launch/tpu.sh"), *words], env=env,
                          capture_output=True, text=True)  # fmt: skip
    said = (host / "said").read_text().splitlines() if (host / "said").exists() else []
    asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else done.stderr
    return done.returncode, said, asked


def test_the_hosts_of_a_tpu_start_again_on_75_alone(tmp_path):
    words = ("tam", "us-west4-a", "--config=a.py:small", "--config.words={'a': 'b c'}")
    code, said, asked = on_tpu(tmp_path, "75 75 2", *words)
    assert code == 2 and len(said) == 3
    assert said[0] == ("-m affectjax.main --cluster --start_timeout=900 --config=a.py:small "
                       "--config.words={'a': 'b c'}")  # fmt: skip
    assert "tpu-vm ssh tam --zone=us-west4-a --worker=all" in asked


def test_a_tpu_needs_a_name_and_a_zone(tmp_path):
    code, said, told = on_tpu(tmp_path, "0", "tam", "--config=a.py")
    assert (code, said) == (2, []) and told.startswith("usage:")


@pytest.mark.parametrize("broken", ["-m venv", "-m pip install"])
def test_an_installation_that_failed_is_not_taken_for_one(broken, tmp_path):
    """Also where the caller's shell goes on after a failure, as on the hosts of a TPU."""
    python = tmp_path / "python"
    python.write_text(f"""#!/bin/sh
case "$*" in
  *"{broken}"*) exit 1 ;;
  *"-m venv"*) mkdir -p made/bin; cp "$0" made/bin/python ;;
esac
""")
    python.chmod(0o755)
    (tmp_path / "pyproject.toml").write_text("")
    script = f". {ROOT}/launch/environment.sh && make_environment tpu && echo installed"
    env = os.environ | {"PYTHON": str(python), "VENV": "made"}
    for _ in range(2):  # nor the second time
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True,
                              cwd=tmp_path)  # fmt: skip
        assert done.returncode != 0 and "installed" not in done.stdout.splitlines()
