"""What a worker process does: item after item, until its line is closed or its parent is gone."""

import dataclasses
import errno
import functools
import multiprocessing.connection
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from affectjax.errors import UserError

# What a disk or a network says when it is they that fail, and not what is read.
PASSING = {errno.EIO, errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EBUSY, errno.EMFILE,
           errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH,
           errno.EHOSTDOWN, errno.EHOSTUNREACH}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why an item gave no result, or no more of it."""

    kind: str  # "refused": a UserError | "error" | "crash" | "timeout" | "memory"
    reason: str
    trace: str = ""  # of an unexpected error

    def __str__(self) -> str:
        return self.reason


def serve(descriptor: int, parent: int) -> None:
    """What a worker does: item after item until the line is closed."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    line = multiprocessing.connection.Connection(descriptor)
    try:
        function, memory = line.recv()
    except EOFError:
        return
    except Exception as error:  # said for each item, or it would look like a crash
        function, memory = functools.partial(_refuse, _told(error)), None
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        try:
            item, work = line.recv(), function
        except EOFError:
            return
        except Exception as error:  # the item cannot be unpacked here
            item, work = None, functools.partial(_refuse, _told(error))
        try:
            for piece in _pieces(work, item):
                _say(line, piece)
            line.send(("done", None))
        except OSError:  # nobody listens any more
            return


def _pieces(function: Callable, item: Any) -> Iterator[Any]:
    try:
        yield from function(item)
    except Exception as error:
        yield _told(error)


def _say(line, piece: Any) -> None:
    try:
        line.send(("piece", piece))
    except (pickle.PicklingError, TypeError, AttributeError) as error:  # before a byte was sent
        line.send(("piece", _told(error)))


def _refuse(why: Failure, item: Any) -> Iterator[Failure]:
    yield why


def _told(error: Exception) -> Failure:
    cause = error.__cause__
    if isinstance(error, UserError) and isinstance(cause, OSError) and cause.errno in PASSING:
        return Failure("error", f"{type(cause).__name__}: {error}")  # of the disk, not of the file
    if isinstance(error, UserError):
        return Failure("refused", str(error))
    if isinstance(error, MemoryError):
        return Failure("memory", "the worker ran out of memory")
    trace = "".join(traceback.format_exception(error))
    return Failure("error", f"{type(error).__name__}: {error}", trace)


def _end_with(parent: int) -> None:
    """A worker that hangs would outlive a killed parent."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
