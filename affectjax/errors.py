"""Errors a person can act on: what is wrong, where, and how to mend it."""

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


class BadRecord(Exception):
    """One record of a dataset that cannot be read or decoded; names its file and its place."""

    def __init__(self, file: str, record: int, why: str):
        self.file, self.record, self.why = str(file), int(record), why
        super().__init__(f"{file}, record {record}: {why}")

    def __reduce__(self):  # survives the way back from a worker process
        return BadRecord, (self.file, self.record, self.why)
