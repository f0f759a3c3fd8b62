"""What every test shares: eight simulated devices and a compile cache that outlives the run."""

import os
import pathlib
import signal

import jax
import pytest
from absl import flags
from hypothesis import settings

from tests.browser import Browser

CACHE = pathlib.Path(
    os.environ.get("AFFECTJAX_CACHE", pathlib.Path.home() / ".cache" / "affectjax")
)

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_compilation_cache_dir", str(CACHE / "compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
flags.FLAGS.mark_as_parsed()  # absl refuses to answer before main ran, and grain asks

# Jobs in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A failure in continuous integration must be one that can be run again.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.load_profile("steady" if os.environ.get("CI") else "searching")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Relative paths of a test land in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def chromium():
    """A headless browser without a network; skips where there is none."""
    with Browser() as browser:
        yield browser
