"""What the workers of the tests are asked to do; of a module of its own, as workers import it."""

import ctypes
import os
import signal
import sys
import time

from affectjax.errors import UserError


def act(item: str):
    """The item says what happens."""
    kind, _, rest = str(item).partition(" ")
    if kind == "abort":
        os.abort()
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(3)
    if kind == "hang":
        time.sleep(600)
    if kind == "raise":
        raise ValueError(rest)
    if kind == "end":
        raise EOFError(rest)
    if kind == "refuse":
        raise UserError(rest, item)
    if kind == "memory":
        return len(bytes(1 << 40))
    if kind == "strange":
        return lambda: None
    if kind == "slow":
        time.sleep(float(rest))
    if kind == "modules":
        return [name for name in ("jax", "flax", "tensorflow") if name in sys.modules]
    if kind == "process":
        return os.getpid()
    return item


def pieces(item: str):
    """`N [what happens then]`: N megabytes, one by one."""
    count, _, then = item.partition(" ")
    for place in range(int(count)):
        yield place, bytes(1 << 20)
    if then:
        act(then)


class Closed:
    """An item that cannot be unpacked."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise ValueError("cannot be unpacked")
