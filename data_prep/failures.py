"""Which failures are a source's own, so that the same files would fail again."""

import builtins

from affectjax.media.workers import Failure

# By these a worker dies of what it reads; by others somebody or something outside ends it.
FAULTS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
# Errors of the machine and of what is installed, by name.
OUTSIDE = {
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, (OSError, ImportError))
}


def lasting(failure: Failure) -> bool:
    """Whether the same files would fail again; else something outside stood in the way."""
    if failure.kind == "crash":
        return failure.reason.endswith(FAULTS)
    return failure.kind != "error" or failure.reason.partition(":")[0] not in OUTSIDE
