"""`import affectjax` costs next to nothing, and `load` says what it takes and gives."""

import inspect
import pathlib
import subprocess
import sys

import affectjax

ROOT = pathlib.Path(__file__).parent.parent
MEASURE = "import time; t = time.process_time(); import affectjax; print(time.process_time() - t)"


def test_importing_takes_under_a_second_of_a_processor():
    command = [sys.executable, "-c", MEASURE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert float(said.stdout) < 1.0, said.stderr


def test_load_is_typed_and_documented():
    signature = inspect.signature(affectjax.load)
    assert signature.return_annotation == "Export" and "predict" in affectjax.load.__doc__
    assert all(p.annotation is not p.empty for p in signature.parameters.values())
