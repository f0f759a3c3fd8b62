"""How a command ends: whatever stops it is one line on stderr and the exit status that fits."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable

from affectjax.errors import BAD_INPUT, FAULT, REQUEUE, BadRecord, UserError

STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
AGAIN = "the same command goes on from there"


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
        if isinstance(left.code, int):
            return left.code
        raise
    except (UserError, BadRecord) as error:
        return _say(f"error: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _say(f"\nstopped; {again}", REQUEUE)
    except BrokenPipeError:  # whoever read our output has gone
        _mute()
        return FAULT
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        if error.filename is None:
            _mute()
        where = f" ({error.filename})" if error.filename else ""
        mend = "Free some space or make the place writable"
        return _say(f"error: {error.strerror}{where}. {mend}; {again}.", BAD_INPUT)


def _say(line: str, status: int) -> int:
    print(line, file=sys.stderr, flush=True)
    return status


def _mute() -> None:
    """What is still to be printed has nowhere to go; the interpreter's own end must not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _like_ctrl_c():
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # not the main thread: the caller stops us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number, frame):
    raise KeyboardInterrupt
