"""Processes as one job: they start together, agree on when to stop, and stop together."""

import contextlib
import fcntl
import hashlib
import itertools
import os
import pathlib
import re
import secrets
import signal
import socket
import sys

import jax
from jax.experimental import multihost_utils

from affectjax import rollcall
from affectjax.errors import UserError

START = 300.0  # seconds in which all processes of a job have to come
HEARTBEAT = 100.0  # seconds without a sign from a process after which jax ends the others
LATER = 1800.0  # seconds that processes wait for one another once they have met


def start(
    coordinator: str | None = None,
    processes: int = 1,
    process: int = 0,
    cpu_devices: int = 0,
    detect: bool = False,
    cache: str | None = None,
    seconds: float = START,
    heartbeat: float = HEARTBEAT,
) -> None:
    """Configure jax and join the job's other processes, if there are any.

    The job ends when not all have come after `seconds`; those who are missing are named. With
    `detect`, jax finds coordinator and rank itself (SLURM, Kubernetes, TPU VMs), and jax's own
    message names nobody.
    """
    if processes < 1 or cpu_devices < 0:
        raise UserError(f"--processes={processes} --cpu_devices={cpu_devices} is no job")
    if seconds <= 0 or heartbeat < 1:
        raise UserError(f"--start_timeout={seconds:g} --heartbeat={heartbeat:g} are no times")
    if cpu_devices:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    if cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    times = {
        "initialization_timeout": round(seconds),
        "heartbeat_timeout_seconds": round(heartbeat),
    }
    if detect:
        jax.distributed.initialize(**times)
        _all_devices()
        _meet(seconds)
    elif processes > 1:
        if not re.fullmatch(r"\S+:\d+", coordinator or ""):
            raise UserError(
                "several processes need a coordinator", mend="Say --coordinator=HOST:PORT."
            )
        if not 0 <= process < processes:
            raise UserError(f"process {process} is not one of 0 to {processes - 1}", "--process")
        print(f"process {process} of {processes} joins {coordinator}", flush=True)
        # jax would end the job after this time as well, but without saying who is missing.
        rollcall.call(coordinator, processes, process, seconds)
        jax.distributed.initialize(coordinator, processes, process, **times)
        _all_devices()
        _meet(seconds)


def is_first() -> bool:
    """True on the one process that writes for all."""
    return jax.process_index() == 0


def say(*words) -> None:
    """Print on the first process alone."""
    if is_first():
        print(*words, flush=True)


def barrier(name: str, seconds: float = LATER) -> None:
    """Wait until every process has come here; those who have not after `seconds` are named."""
    service = _service()
    if service is None:
        return
    place, me = f"affectjax/at/{name}", jax.process_index()
    service.key_value_set(f"{place}/{me}", "", allow_overwrite=True)
    try:
        service.wait_at_barrier(f"affectjax: {name}", round(seconds * 1000))
    except jax.errors.JaxRuntimeError as error:
        if "DEADLINE_EXCEEDED" not in str(error):
            raise
        missing = sorted(set(range(jax.process_count())) - set(_told(service, place)))
        who = ", ".join(_named(service, missing)) or "a process that came too late"
        raise UserError(
            f"waited {seconds:g} s at '{name}' for {who}",
            mend="Look at what it printed last; the same command goes on.",
        ) from error
    service.key_value_delete(f"{place}/{me}")


def agree(value: str, what: str, mend: str = "") -> None:
    """Every process must hold the same text, or all of them stop with an error."""
    service = _service()
    if service is None:
        return
    place = f"affectjax/agree/{what}"
    own = hashlib.sha256(value.encode()).hexdigest()
    service.key_value_set(f"{place}/{jax.process_index()}", own, allow_overwrite=True)
    barrier(f"comparing {what}")
    told = _told(service, place)
    apart = sorted(process for process, value in told.items() if value != told[0])
    barrier(f"compared {what}")  # the first to stop takes the answers with it
    if apart:
        who = ", ".join(_named(service, apart))
        raise UserError(f"{what} differs between the processes: {who} from process 0", mend=mend)


def _all_devices() -> None:
    """Under SLURM jax gives each process one GPU; one that is alone on its node drives them all."""
    alone = re.fullmatch(r"1(\(x\d+\))?", os.environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
    if alone and "JAX_LOCAL_DEVICE_IDS" not in os.environ:
        for maker in ("cuda", "rocm"):
            jax.config.update(f"jax_{maker}_visible_devices", "all")


def _meet(seconds: float) -> None:
    """Tell the others the host, for their messages, and exchange something for the first time."""
    if (service := _service()) is not None:
        own = f"{socket.gethostname()} (pid {os.getpid()})"
        service.key_value_set(f"affectjax/host/{jax.process_index()}", own)
        barrier("start", seconds)
        _share_compiled(service)
        # On CPUs whoever comes to the first exchange half a minute before another gives up, so it
        # is made here, where all are in step.
        multihost_utils.sync_global_devices("affectjax: start")


def _share_compiled(service) -> None:
    """Keep compiled programs only where all processes see the same folder.

    Process 0 alone writes them. One that then finds its program there does not compile, and on GPUs
    the others, who do, wait for what it would have measured for them.
    """
    if not jax.config.jax_compilation_cache_dir:
        return
    folder, place = pathlib.Path(jax.config.jax_compilation_cache_dir), "affectjax/compiled"
    if is_first():
        service.key_value_set("affectjax/mark/0", f".job-{secrets.token_hex(8)}")
    barrier("a mark is chosen")
    mark = folder / _told(service, "affectjax/mark")[0]
    if is_first():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            mark.touch()
    barrier("a mark is left")
    if mark.exists():
        service.key_value_set(f"{place}/{jax.process_index()}", "")
    barrier("the mark is looked for")
    if is_first():
        mark.unlink(missing_ok=True)
    if len(_told(service, place)) < jax.process_count():
        jax.config.update("jax_compilation_cache_dir", None)
        say(f"compiled programs are not kept: not every process sees those in {folder}")


def _service():
    """jax's service for the processes of a job, or None where there is one process."""
    if jax.process_count() == 1:
        return None
    from orbax.checkpoint import multihost

    return multihost.get_jax_distributed_client()


def _told(service, place: str) -> dict[int, str]:
    """What each process has left at a place."""
    found = service.key_value_dir_get(place)
    return {int(key.rsplit("/", 1)[1]): value for key, value in found}


def _named(service, processes: list[int]) -> list[str]:
    names = _told(service, "affectjax/host")
    return [f"process {i} on {names.get(i, 'an unknown host')}" for i in processes]


class Stop:
    """Turns SIGTERM (and one Ctrl-C) into a moment at which all processes stop together.

    One serves all runs of a command: what is asked at the end of one is heard before the next.
    """

    def __init__(self):
        self._asked = False
        self._several = jax.process_count() > 1
        self._moments = itertools.count()

    @contextlib.contextmanager
    def listening(self):
        """Hear the signals inside; those who had them before have them again after."""
        before = {}
        # With several processes jax's own service hears SIGTERM and finds the common moment.
        for number in [signal.SIGINT] if self._several else [signal.SIGTERM, signal.SIGINT]:
            with contextlib.suppress(ValueError):  # not the main thread: the caller stops us
                before[number] = signal.signal(number, self._ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number, _frame) -> None:
        if number == signal.SIGINT and self._asked:
            raise KeyboardInterrupt  # the second Ctrl-C means it
        self._asked = True
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
        print("stopping: the state is saved first", file=sys.stderr, flush=True)

    def agreed(self) -> bool:
        """True when all processes are to stop here; all call it at the same places."""
        moment = next(self._moments)
        if self._several:
            return multihost_utils.reached_preemption_sync_point(moment)
        return self._asked


@contextlib.contextmanager
def sole_use(workdir: pathlib.Path):
    """Hold the working directory; a second job in it is refused."""
    if not is_first():
        yield
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        handle = os.open(workdir / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"the workdir cannot be written: {error.strerror}", str(workdir), "Say --workdir=DIR."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                "another run is using the workdir",
                str(workdir),
                "Wait for it or say --workdir=DIR.",
            ) from error
        except OSError:  # some network file systems know no locks
            pass
        yield
    finally:
        os.close(handle)
