"""Every command of README.md is run: here, made small and one after the other, or by a named test.

A new command of the README needs a row in one of the two tables below; a row that the README no
longer has must go. The walk is one story in one folder: what a command leaves, those after it find.
"""

import ast
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from typing import NamedTuple

import pytest

from tests import readme

ROOT = readme.ROOT


class Step(NamedTuple):
    """A command of the README and how it is made small: words put for others, words added."""

    command: str
    instead: dict[str, str] = {}
    more: str = ""
    leaves: tuple[str, ...] = ()  # what stands afterwards
    needs: str = ""  # a module or a program without which it is skipped


QUICK = "--config.data.sample_size=quick --config.train.tensorboard=False"
SHORT = "--config.train.steps=2 --config.train.tensorboard=False"
FEW = f"{QUICK} --config.train.steps=2"
TINY = (
    "--config.model.width=16 --config.model.layers=1 --config.model.ffn=16"
    " --config.model.decoder_layers=1 --config.model.decoder_heads=2 --config.train.batch=4"
)
PRETRAIN = "python -m affectjax.main --config=configs/tam_pretrain.py"
FINETUNE = "python -m affectjax.main --config=configs/tam_finetune.py"
BUILD = "python -m data_prep.build video_tsc --videos=VIDEOS --out=my_dataset"
RUN = ".runs/tam_pretrain"
CLASSES = "('joy','surprise','tenderness','fear','sadness','anger')"

WALK = (
    Step("bash launch/local.sh", more=f"{FEW} {TINY}", leaves=(f"{RUN}/export/README.md",)),
    Step("bash launch/test.sh", more="-n 0 --collect-only -q tests/test_losses.py"),
    Step(PRETRAIN, more=f"{FEW} {TINY}", leaves=(f"{RUN}/result.json",)),
    Step(
        "python -m data_prep.sample --out=VIDEOS --size=study --splits=train,test --sources=180",
        {"--size=study": "--size=quick", "--sources=180": "--sources=2"},
        leaves=("VIDEOS/clips.csv",),
    ),
    Step(
        f"{BUILD} --tokeniser=whitespace",
        more='--options=\'{"select": 0}\'',
        leaves=("my_dataset/report.html",),
    ),
    Step("python -m data_prep.verify my_dataset"),
    Step(f"{PRETRAIN}:small --config.data.dir=my_dataset",
         more=f"{FEW} {TINY} --config.words.min_count=1 --workdir=on_mine"),  # fmt: skip
    Step(f"{FINETUNE}:scratch", more=f"{FEW} --config.data.train=train --config.train.batch=4",
         leaves=(".runs/tam_finetune-scratch/predictions_test.csv",)),  # fmt: skip
    Step("python -m affectjax.main --config=configs/cten.py", more=FEW),
    Step("python -m affectjax.main --config=configs/vaanet.py", more=FEW),
    Step("python -m affectjax.main --config=configs/lstc.py:valence",
         more=f"{SHORT} --config.train.evaluate_every=2"),
    Step("python -m affectjax.main --config=configs/danmaku.py", more=SHORT),
    Step("python -m affectjax.main --config=configs/danmaku_comments.py", more=SHORT),
    Step(
        "python -m affectjax.predict .runs/tam_finetune/export VIDEOS --out=pages --window=8",
        {"tam_finetune/": "tam_finetune-scratch/"},
        leaves=("pages/index.html",),
    ),
    Step("python -m affectjax.stablehlo EXPORT", {"EXPORT": ".runs/cten/export"},
         leaves=(".runs/cten/export/serving.stablehlo",), needs="flatbuffers"),
    Step("python -m affectjax.report --paper=tam .runs --out=tables/tam",
         leaves=("tables/tam/tables.md",)),
    Step("python -m affectjax.report .runs", leaves=(".runs/report/report.html",)),
    Step("python -m data_prep.sample --out=FRAMES --sources=8", {"=8": "=2"}),
    Step(
        "python -m data_prep.build labelled --videos=FRAMES --out=my_frames "
        "--extractors=frames,mfcc "
        """--options='{"classes": "joy,surprise,tenderness,fear,sadness,anger"}'""",
        leaves=("my_frames/report.html",),
    ),
    Step("python -m affectjax.main --config=configs/vaanet.py:tiny --config.data.dir=my_frames",
         more=SHORT),
    Step("python -m affectjax.main --config=configs/cten.py:tiny --config.data.dir=my_frames",
         more=SHORT),
    Step("python -m data_prep.label --help"),
    Step("python -m data_prep.build labelled --videos=MINE --out=my_labels", {"MINE": "VIDEOS"},
         """--options='{"classes": "joy,surprise,tenderness,fear,sadness,anger"}'"""),
    Step(f"{FINETUNE}:scratch,small --config.data.dir=my_labels --config.data.train=train "
         "\"--config.model.outputs=('joy','sadness')\"",
         {"('joy','sadness')": CLASSES},
         more=f"{SHORT} --config.data.validation=0 --config.checkpoint.best="),
    Step("python -m affectjax.checkpoint list RUN", {"RUN": RUN}),
    Step("python -m tests.benchmarks.cleaning", more="--comments=200 --rounds=1"),
    Step("python -m tests.benchmarks.decoding", more="--seconds=2 --rounds=1", needs="ffmpeg"),
    Step("python -m tests.benchmarks.fusion", needs="torch",
         more="--width=16 --segments=8 --batch=2 --layers=1 --rounds=1 --no-compile"),  # fmt: skip
    Step("python -m tests.benchmarks.backbones", more="--networks vggish --rounds=1 --ours-alone"),
    Step("python -m tests.benchmarks.pretraining_step", needs="torch",
         more="--width=16 --layers=1 --decoder_layers=1 --batch=2 --rounds=1 --no-compile"),
    Step("python -m tests.benchmarks.paper_size", more=f"--steps=1 {TINY}"),
)  # fmt: skip

# Commands that are too long for the walk, or say what another test says better.
TESTED = {
    'pip install -e ".[prep]"': "tests/test_readme.py::test_the_extras_that_it_names_exist",
    ". .venv/bin/activate": "tests/test_readme.py::test_an_environment_is_entered",
    f"{BUILD} --lexicon=DUTIR.csv": "tests/data_prep/test_build.py::"
    "test_comments_of_another_lexicon_are_cleaned_anew_and_videos_are_not_decoded_again",
    f"{BUILD} --extractors=clip --weights=weights": "tests/data_prep/test_build.py::"
    "test_random_weights_are_marked",
    "python -m affectjax.convert clip DOWNLOADED_FOLDER --out=weights/clip": "tests/test_convert.py"
    "::test_the_command_as_a_process_gives_its_status_and_help",
    f"{PRETRAIN}:small --config.data.dir=my_features "
    "\"--config.model.modalities={'image': 512}\" --config.words.min_count=1 "
    "--config.train.steps=20 --workdir=.runs/my_features": ""
    "tests/test_readme.py::test_the_records_that_python_writes_train",
    FINETUNE: "tests/test_finetune.py::"
    "test_fine_tuning_starts_from_the_export_and_predicts_alike_elsewhere",
    "python -m data_prep.build": "tests/data_prep/test_builders.py",
    "python -m data_prep.build comment_corpus --comments=LABELLED.csv --out=corpus": ""
    "tests/data_prep/test_label_corpus.py::test_the_command_from_lines_to_records",
    "python -m affectjax.main --config=configs/danmaku_comments.py --config.data.dir=corpus "
    "--workdir=.runs/corpus": ""
    "tests/data_prep/test_label_chain.py::test_from_comments_to_distributions",
    "python -m data_prep.build danmaku_ldl --videos=VIDEOS --out=windows --classifiers=EXPORT": ""
    "tests/data_prep/test_label_chain.py::test_from_comments_to_distributions",
    "python -m affectjax.main --config=FILE": "tests/test_main.py",
    "launch/processes.sh 2 --config=configs/tam_pretrain.py": "tests/test_processes.py::"
    "test_every_topology_gives_the_same_losses",
    "python -m affectjax.main --coordinator=HOST:PORT --processes=N --process=I --config=...": ""
    "tests/test_processes.py::test_every_topology_gives_the_same_losses",
    "sbatch --nodes=4 launch/slurm.sh --config=... --workdir=DIR": "tests/test_launch.py::"
    "test_a_job_that_was_stopped_goes_back_into_the_queue",
    "python -m affectjax.main --cluster --config=...": "tests/test_launch.py::"
    "test_a_job_that_ends_stays_ended",
    "launch/kubernetes.sh": "tests/test_launch.py::"
    "test_the_jobset_fits_its_schema_and_carries_every_argument",
    "launch/tpu.sh": "tests/test_launch.py::test_the_hosts_of_a_tpu_start_again_on_75_alone",
    "python -m tests.studies.pretraining": "tests/studies/test_pretraining.py::"
    "test_both_tasks_beat_every_floor_and_the_permuted_comments",
    "python -m tests.studies.comments --file=FILE": "tests/studies/test_comments.py::"
    "test_both_tables_of_the_sample",
    "python -m tests.benchmarks.recurrent": "tests/benchmarks/test_recurrent.py::"
    "test_recurrent_twins_compute_the_same",
    "python -m tests.benchmarks.danmaku": "tests/benchmarks/test_recurrent.py::"
    "test_the_danmaku_twin_computes_the_same",
    "python -m tests.benchmarks.video": "tests/benchmarks/test_video.py::"
    "test_the_whole_twin_computes_the_same_loss",
    "python -m tests.studies.mmmo --features=DIR": "tests/test_readme.py::"
    "test_the_study_of_given_features",
}


def exists(test: str) -> bool:
    """Whether a test file, or a test in it, is there."""
    file, _, name = test.partition("::")
    if not (ROOT / file).is_file():
        return False
    tree = ast.parse((ROOT / file).read_text())
    return not name or name in {getattr(node, "name", "") for node in tree.body}


def test_every_command_has_its_row_and_every_row_its_command():
    told = readme.commands(readme.read())
    rows = [step.command for step in WALK] + list(TESTED)
    assert sorted(set(told) - set(rows)) == []  # new in the README: give them a row
    assert sorted(set(rows) - set(told)) == []  # gone from the README: take the row away
    assert [row for row in rows if rows.count(row) > 1] == []


def test_the_tests_that_are_named_exist():
    assert [test for test in TESTED.values() if not exists(test)] == []


def test_commands_are_found_in_blocks_fences_and_backticks():
    text = (
        "Say `python -m a b` or `word`.\n\n    bash x.sh     # what it does\n    python -m c \\\n"
        "      --d='e f'\n\n        more\n\ntext\n```\npip install z\n```\n\n"
        "    import a\n\n    python = 1\n"
    )
    assert readme.commands(text) == [
        "bash x.sh", "python -m c --d='e f'", "pip install z", "python -m a b"
    ]  # fmt: skip
    assert readme.pythons(text) == ["import a\n\npython = 1"]


def test_the_extras_that_it_names_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {extra for command in readme.commands(readme.read())
             for extra in re.findall(r"[\w.]\[(\w+)\]", command)}  # fmt: skip
    assert named and named <= set(project["optional-dependencies"])


def test_an_environment_is_entered(tmp_path):
    """One made as launch/environment.sh makes it."""
    (command,) = (c for c in readme.commands(readme.read()) if "activate" in c)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    words = f"{command} && python -c 'import sys; print(sys.prefix)'"
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / ".venv")


# --- the walk


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A folder that looks like a fresh clone, with an environment that is installed already."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("affectjax", "configs", "data_prep", "launch", "tests", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    binary = folder / ".venv" / "bin"
    binary.mkdir(parents=True)
    (binary / "python").write_text(
        '#!/bin/sh\n[ "$2" = pip ] && exit 0\n' + f'exec {shlex.quote(sys.executable)} "$@"\n'
    )
    (binary / "python").chmod(0o755)
    return folder


def run(words: str, place: pathlib.Path) -> subprocess.CompletedProcess:
    """A command as a shell takes it, with this environment's Python first on the path."""
    env = {**os.environ, "PATH": f"{place / '.venv/bin'}:{os.environ['PATH']}",
           "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}  # fmt: skip
    return subprocess.run(
        ["bash", "-c", words], cwd=place, env=env, capture_output=True, text=True, timeout=600
    )


def lacks(needs: str) -> bool:
    """Whether neither a program nor a module of this name is here."""
    return bool(needs) and not shutil.which(needs) and not importlib.util.find_spec(needs)


@pytest.mark.slow
@pytest.mark.parametrize("step", WALK, ids=[step.command for step in WALK])
def test_the_walk(step, place):
    if lacks(step.needs):
        pytest.skip(f"{step.needs} is not installed")
    words = step.command
    for word, other in step.instead.items():
        assert word in words
        words = words.replace(word, other)
    done = run(f"{words} {step.more}", place)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert [name for name in step.leaves if not (place / name).exists()] == []


@pytest.mark.slow
def test_the_records_that_python_writes_train(tmp_path, place):
    """The first block of Python, and the command under it."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    block, *_ = (text for text in readme.pythons(readme.read()) if "records.write" in text)
    (tmp_path / "write.py").write_text(block)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = next(each for each in TESTED if "{'image': 512}" in each)
    words = [*shlex.split(command.replace("steps=20", "steps=2"))[1:], *shlex.split(TINY)]
    for given in (["write.py"], words):
        done = subprocess.run([sys.executable, *given], cwd=tmp_path, env=env,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_study_of_given_features(tmp_path):
    import numpy as np

    random, folder = np.random.default_rng(0), tmp_path / "features"
    folder.mkdir()
    for split, clips in (("train", 24), ("valid", 8), ("test", 8)):
        for name, width in (("audio", 3), ("video", 2), ("y", 1)):
            rows = random.normal(3.5, 1, size=(clips, 20, width))
            np.save(folder / f"{name}_{split}.npy", rows[:, 0] if name == "y" else rows)
    words = ["-m", "tests.studies.mmmo", f"--features={folder}", f"--out={tmp_path / 'study'}",
             "--fusions=ctm", "--seeds=1", "--config.train.steps=2"]  # fmt: skip
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "JAX_PLATFORMS": "cpu"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ctm" in done.stdout
