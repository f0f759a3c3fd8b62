"""How a command ends: whatever stops it is one line on stderr and the exit status that fits."""

import contextlib
import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable

from affectjax.errors import BAD_INPUT, FAULT, REQUEUE, BadRecord, UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
AGAIN = "start the same command again"


def of(command: Callable[..., int], *given, again: str = AGAIN) -> int:
    """The exit status of a command that a person runs; SIGTERM stops it as Ctrl-C does."""
    with _like_ctrl_c():
        return told(command, *given, again=again)


def told(command: Callable[..., int], *given, again: str = AGAIN) -> int:
    """The exit status of `command(*given)`. What is unexpected, a fault of ours, is raised."""
    try:
        status = command(*given)
        sys.stdout.flush()
        return status
    except SystemExit as left:  # of argparse, and of a command inside
        _unheard()
        if isinstance(left.code, int):
            return left.code
        raise
    except (UserError, BadRecord) as error:
        return _say(f"error: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _say(f"\nstopped; {again}", REQUEUE)
    except BrokenPipeError:
        if _unheard():
            return FAULT
        raise
    except OSError as error:
        if error.errno not in FULL + FORBIDDEN:
            raise
        where = f" ({error.filename})" if error.filename else ""
        mend = "Free some space" if error.errno in FULL else "Make it readable and writable"
        return _say(f"error: {error.strerror}{where}. {mend}; {again}.", BAD_INPUT)


def _say(line: str, status: int) -> int:
    print(line, file=sys.stderr, flush=True)
    return status


def _unheard() -> bool:
    """Whether nobody reads our output any more; then the interpreter's own end must not fail of it.

    A flush does not tell: what a failed one could not write is forgotten, the next one succeeds.
    """
    with contextlib.suppress(OSError, ValueError):  # a stdout that is no file
        out, pipe = sys.stdout.fileno(), select.poll()
        pipe.register(out, 0)
        if pipe.poll(0):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, out)
            os.close(nowhere)
            return True
    return False


@contextlib.contextmanager
def _like_ctrl_c():
    before, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    try:
        signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # not the main thread: the caller stops us
        yield
        return

    waiting: list[threading.Timer] = []

    def swallowed(found) -> None:
        """An interrupt in the middle of a finaliser is lost there: it comes once more."""
        if not issubclass(found.exc_type, KeyboardInterrupt):
            hook(found)
            return
        again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))  # when this is over
        again.daemon = True
        again.start()
        waiting.append(again)

    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        for again in waiting:
            again.cancel()
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


def _interrupt(number, frame):
    raise KeyboardInterrupt
