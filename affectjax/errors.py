"""Errors a person can act on: what is wrong, where, and how to mend it."""

import difflib
from collections.abc import Iterable

COMPLETE = 0  # the run did everything it was asked for
FAULT = 1  # an unexpected fault, with its traceback
BAD_INPUT = 2  # something the user gave is wrong; one line says what
REQUEUE = 75  # stopped early in good order; start the same command again


class UserError(Exception):
    """Wrong input. `main` prints it as one line and exits with BAD_INPUT."""

    def __init__(self, what: str, where: str = "", mend: str = ""):
        self.what, self.where, self.mend = what, where, mend
        place = f" ({where})" if where else ""
        cure = f" {mend}" if mend else ""
        super().__init__(f"{what.rstrip('.')}{place}.{cure}".replace("\n", " "))


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The sentence that mends a misspelt name: the one that was meant, else what there is."""
    known = [str(name) for name in known]
    close = difflib.get_close_matches(word, known, 1, 0.5)
    return (
        f"Did you mean {close[0]!r}?" if close else otherwise or f"There are: {', '.join(known)}."
    )


class BadRecord(Exception):
    """One record of a dataset that cannot be read or decoded; names its file and its place."""

    def __init__(self, file: str, record: int, why: str):
        self.file, self.record, self.why = str(file), int(record), why
        super().__init__(f"{file}, record {record}: {why}")

    def __reduce__(self):  # survives the way back from a worker process
        return BadRecord, (self.file, self.record, self.why)
