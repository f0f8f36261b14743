"""Which tier this machine offers, found by trying.

Whether a kernel has a feature says little: a container or a security module may refuse it still.
So a fresh Python builds the real walls for a small program that tries to get through them.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from autograder.sandbox import kernel
from autograder.sandbox.launch import start
from autograder.sandbox.terms import Limits
from autograder.sandbox.wire import ProtocolError, Wire

Row = tuple[str, str, str]
_TRY_S = 30.0


def best_tier() -> str:
    """Return "full", "restricted" or "none": the best of which every wall was seen to stand."""
    found = _probe()
    return next((tier for tier in ("full", "restricted") if found[tier].startswith("ok")), "none")


def describe_machine() -> list[Row]:
    """Return rows for `autograder doctor`: what, "yes", "no" or "limited", and a sentence."""
    if not kernel.supported():
        here = f"{platform.system()} on {platform.machine()}"
        return [
            ("sandbox", "no", f"It needs Linux on x86_64 or aarch64; this is {here}. Use a Linux machine.")
        ]
    found, tier = _probe(), best_tier()
    return [
        _landlock_row(),
        _row("namespaces", found["full"], _NAMESPACES),
        _row("system call filter", found["restricted"], _FILTER),
        _proc_row(found["full"]),
        ("sandbox", *_TIERS[tier]),
    ]


_NAMESPACES = (
    "Network, processes, files and IPC of a session are its own.",
    "Allow unprivileged user namespaces (Ubuntu: an AppArmor profile with userns; Docker: seccomp).",
)
_FILTER = (
    "New processes and sockets can be refused.",
    "The kernel needs Landlock, and CONFIG_SECCOMP_FILTER.",
)
_TIERS = {
    "full": (
        "yes",
        "Tier full: student code sees no network, no other process, no file but Python's and its own.",
    ),
    "restricted": (
        "limited",
        "Tier restricted: Landlock and a filter of system calls stand in for namespaces.",
    ),
    "none": (
        "no",
        "Tier none: nothing keeps student code from your files. Grading stops unless --no-sandbox.",
    ),
}


def _landlock_row() -> Row:
    version = kernel.landlock_version()
    if version == 0:
        return (
            "landlock",
            "no",
            "Use a kernel from 5.13 on that starts it: lsm=… in its command line names landlock.",
        )
    state = "yes" if version >= 6 else "limited"
    return "landlock", state, f"Version {version}; before 6 it leaves signals to the filter of system calls."


def _row(what: str, found: str, says: tuple[str, str]) -> Row:
    if found.startswith("ok"):
        return what, "yes", says[0]
    return what, "no", f"{says[1]} The trial said: {found}."


def _proc_row(found: str) -> Row:
    if found == "ok, with /proc":
        return "own /proc", "yes", "Memory is limited over all processes of a session."
    return "own /proc", "limited", "Memory is limited for each process, not for all of a session together."


@functools.cache
def _probe() -> dict[str, str]:
    """Return for each tier "ok…", or what stood in the way."""
    if not kernel.supported():
        return dict.fromkeys(("full", "restricted"), "not Linux")
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        os.chmod(folder, 0o711)
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = start("probe", Path(folder), **streams)
        try:
            said, complaint = process.communicate(timeout=3 * _TRY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = b"", b"the trial did not end"
    try:
        found = json.loads(said)
    except ValueError:
        complaint = complaint or b"the trial failed"
        return dict.fromkeys(("full", "restricted"), complaint.decode(errors="replace")[-300:])
    return {tier: str(found[tier]) for tier in ("full", "restricted")}


def main() -> None:
    """Try both tiers; write to standard output what came of it."""
    kernel.adopt_orphans()
    canary = Path("canary")
    canary.write_text("not to be read")
    canary.chmod(0o666)
    found = {tier: _try_tier(tier, canary.resolve()) for tier in ("full", "restricted")}
    json.dump(found, sys.stdout)


def _try_tier(tier: str, canary: Path) -> str:
    from autograder.sandbox.keeper import fork_keeper

    base = Path(tempfile.mkdtemp())
    channel, their_channel = socket.socketpair()
    wire, their_wire = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, wire:
        port = listener.getsockname()[1]
        look = functools.partial(_look_for_holes, tier=tier, canary=canary, port=port)
        ours = [channel.fileno(), wire.fileno()]
        fork_keeper(tier, their_channel.fileno(), their_wire.fileno(), look, without=ours)
        their_channel.close()
        their_wire.close()
        return _hear(Wire(channel), Wire(wire), {"tier": tier, "base": str(base), "limits": asdict(Limits())})


def _hear(keeper: Wire, wire: Wire, order: dict[str, object]) -> str:
    deadline = time.monotonic() + _TRY_S
    try:
        keeper.send(order, deadline)
        said = keeper.receive(deadline)
        return str(wire.receive(deadline)) if "ready" in said else str(said["failed"])
    except (OSError, EOFError, ProtocolError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        keeper.close()


def _look_for_holes(wire_fd: int, _: Limits, *, tier: str, canary: Path, port: int) -> None:
    """Inside the walls: try what must fail, and tell the first thing that doesn't."""
    wire = Wire(socket.socket(fileno=wire_fd))
    attempts: dict[str, Callable[[], object]] = {
        "a file could be read": canary.read_text,
        "a file could be written": lambda: canary.write_text("changed"),
        "a folder could be listed": lambda: os.listdir(canary.parent),
        "the network could be reached": lambda: socket.create_connection(("127.0.0.1", port), timeout=2),
    }
    if tier == "restricted":
        attempts["a process could be started"] = _fork
    Path("scratch").write_text("may be written")
    holes = [hole for hole, attempt in attempts.items() if _succeeds(attempt)]
    good = "ok, with /proc" if os.path.exists("/proc/self/stat") else "ok"
    wire.send("; ".join(holes) or good)


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
