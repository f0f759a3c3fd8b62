"""A roll call before jax's own start: every process comes, or all who came hear who is missing.

Process 0 listens at the coordinator's address until the others have said who they are, answers all
of them, and leaves the address to jax.
"""

import contextlib
import json
import os
import socket
import time

from affectjax.errors import UserError

PAUSE = 0.2  # seconds between two attempts to reach process 0
LONGEST = 4096  # bytes of a message
SHOWN = 20  # processes named in a message


def call(coordinator: str, processes: int, process: int, seconds: float) -> None:
    """Returns when all processes are there; UserError names those who are not after `seconds`."""
    host, _, port = coordinator.rpartition(":")
    own = {"process": process, "processes": processes, "host": socket.gethostname(),
           "pid": os.getpid()}  # fmt: skip
    until = time.monotonic() + seconds
    if process == 0:
        _hear(int(port), own, until, seconds)
    else:
        _answer(host.strip("[]"), int(port), own, until, seconds)


def _hear(port: int, own: dict, until: float, seconds: float) -> None:
    """Process 0: wait for all others, tell each what came of it."""
    try:
        door = _open(port)
    except OSError as error:
        raise UserError(
            f"process 0 cannot listen at port {port}: {error.strerror}",
            "--coordinator",
            "Another job may be using it: choose another port.",
        ) from error
    here: dict[int, tuple[socket.socket, dict]] = {}
    lines, wrong = [], ""
    with door, contextlib.ExitStack() as stack:
        while not wrong:
            if len(here) == own["processes"] - 1:
                here = {n: one for n, one in here.items() if not _gone(one[0])}
                if len(here) == own["processes"] - 1:
                    break
            door.settimeout(max(0.01, until - time.monotonic()))
            try:
                line, _ = door.accept()
            except TimeoutError:
                break
            stack.enter_context(line)
            said = _read(line, 5.0, "processes")
            if said is None:  # a stranger
                line.close()
                continue
            wrong = _objection(said, own, here)
            here[said["process"]] = (line, said)
            lines.append(line)
        wrong = wrong or _missing(own, here, seconds)
        for line in lines:
            with contextlib.suppress(OSError):
                line.settimeout(2.0)
                line.sendall(json.dumps({"wrong": wrong}).encode() + b"\n")
                line.recv(1)  # until they close: who closes first keeps the address busy
    if wrong:
        raise UserError(wrong, "start", "Look whether they were started, and with which flags.")


def _objection(said: dict, own: dict, here: dict) -> str:
    """What speaks against one who has come, or nothing."""
    number = said["process"]
    if said["processes"] != own["processes"]:
        return (
            f"process {number} on {said['host']} was told that the job has {said['processes']} "
            f"processes, process 0 that it has {own['processes']}"
        )
    if number in here and not _gone(here[number][0]):
        places = [f"{one['host']} (pid {one['pid']})" for one in (here[number][1], said)]
        return f"two say that they are process {number}: on {places[0]} and on {places[1]}"
    return ""


def _missing(own: dict, here: dict, seconds: float) -> str:
    """Who has not come, or nothing."""
    missing = [str(n) for n in range(1, own["processes"]) if n not in here]
    if not missing:
        return ""
    names = ", ".join(missing[:SHOWN]) + (", ..." if missing[SHOWN:] else "")
    came = [f"0 on {own['host']}", *(f"{n} on {here[n][1]['host']}" for n in sorted(here))]
    return (
        f"after {seconds:g} s there is no sign of process {names} of {own['processes']}; here is "
        f"process {', '.join(came[:SHOWN])}" + (", ..." if came[SHOWN:] else "")
    )


def _answer(host: str, port: int, own: dict, until: float, seconds: float) -> None:
    """Another process: reach process 0, say who we are, hear what came of it."""
    why = "nothing was tried"
    while time.monotonic() < until:
        try:
            with socket.create_connection((host, port), max(0.1, until - time.monotonic())) as line:
                line.sendall(json.dumps(own).encode() + b"\n")
                # Process 0 may have begun to count a little later than we.
                heard = _read(line, until - time.monotonic() + seconds, "wrong")
        except OSError as error:
            why, heard = error.strerror or str(error), None
        if heard is not None:
            if heard["wrong"]:
                raise UserError(heard["wrong"], "start", "Process 0 has said the same.")
            return
        time.sleep(PAUSE)
    raise UserError(
        f"process {own['process']} has not reached process 0 at {host}:{port} for {seconds:g} s: "
        f"{why}",
        "--coordinator",
        "Look whether it was started, and whether this is its address.",
    )


def _open(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # where the kernel has it switched off
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
    return socket.create_server(("", port), backlog=1024)


def _read(line: socket.socket, seconds: float, key: str) -> dict | None:
    """One line of JSON that has the key, or None."""
    until, text = time.monotonic() + seconds, b""
    try:
        while not text.endswith(b"\n") and len(text) < LONGEST:
            line.settimeout(max(0.01, until - time.monotonic()))
            more = line.recv(LONGEST)
            if not more:
                return None
            text += more
        found = json.loads(text)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and key in found else None


def _gone(line: socket.socket) -> bool:
    """Whether the other end has closed: a process that was started again comes twice."""
    line.settimeout(0.0)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
