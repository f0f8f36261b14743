"""The keeper: builds a session's walls, starts the foreign code within, watches it, and ends it.

Theory of operation
-------------------
The warm parent forks a keeper for each session; in the tier "full" into new namespaces, in
which it is the first process, so that when it ends the kernel ends every other there.
The keeper forks once more; that child locks itself in and runs the foreign code.  The keeper
itself never touches the wire over which answers come.  It hears from the grader on a channel of
its own, and its last word there, sent once, says what the session used and how it ended.  For a
call whose memory is to be checked the grader has it lower the limits on memory, and raise them
again: foreign code may not set its own limits, so a soft limit is enough.  It
ends when the grader says so, when the grader is gone, when the foreign code's first process has
ended, or when all its processes together pass a limit.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.sandbox import confine, kernel
from autograder.sandbox.scratch import lay_files, settle
from autograder.sandbox.terms import Limits
from autograder.sandbox.wire import ProtocolError, Wire

LOOK_EVERY_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Order:
    """What a session shall be; the grader sends it as a tree."""

    tier: str
    base: str
    limits: dict[str, Any]
    files: dict[str, Any] = field(default_factory=dict)


def fork_keeper(
    tier: str, channel_fd: int, wire_fd: int, run: Callable[[int, Limits], None], without: Sequence[int]
) -> None:
    """Fork the keeper of one session; the channel tells where that cannot be done.

    without : open files that the keeper shall not have.
    run : what the foreign side does, with the wire and the limits, once it is locked in.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        pid = kernel.fork(confine.namespaces(tier))
    except OSError as error:
        Wire(socket.socket(fileno=os.dup(channel_fd))).send({"failed": str(error)})
        return
    if pid == 0:
        try:
            for fd in without:
                os.close(fd)
            keep(Wire(socket.socket(fileno=channel_fd)), wire_fd, (uid, gid), run)
        finally:
            os._exit(0)


def keep(channel: Wire, wire_fd: int, ids: tuple[int, int], run: Callable[[int, Limits], None]) -> None:
    """Be the keeper of one session, from its order to its last word; call in a fresh fork.

    ids : the user and the group from before the fork.
    """
    order = Order(**channel.receive())
    try:
        student, uid = _raise_walls(order, wire_fd, ids, run)
    except OSError as error:
        channel.send({"failed": str(error)})
        return
    os.close(wire_fd)
    with contextlib.suppress(OSError):
        channel.send({"ready": True})
    last_word = _Watch(order, student, uid).until_the_end(channel)
    with contextlib.suppress(OSError):
        channel.send(last_word)


def _raise_walls(
    order: Order, wire_fd: int, ids: tuple[int, int], run: Callable[[int, Limits], None]
) -> tuple[int, int | None]:
    """Return the foreign code's process, and its own user id where it has one.

    Raises OSError where a wall won't stand.
    """
    limits, readable = Limits(**order.limits), confine.readable_paths()
    scratch = order.base
    if order.tier == "full":
        confine.settle_in(*ids)
    uid = confine.spare_uid(order.tier, readable)
    if order.tier == "full":
        owner = uid if uid is not None else os.geteuid()
        confine.build_view(order.base, readable, limits, owner)
        scratch = confine.SCRATCH
    kernel.hide_from_others()
    lay_files({name: bytes(content) for name, content in order.files.items()}, Path(scratch), uid)
    ready, tell = os.pipe()
    student = os.fork()
    if student == 0:
        _be_the_student(order.tier, scratch, readable, limits, uid, wire_fd, tell, run)
    os.close(tell)
    said = os.read(ready, 500).decode()
    os.close(ready)
    if said != "locked in":
        raise OSError(said or "the process ended before it was locked in")
    return student, uid


def _be_the_student(
    tier: str,
    scratch: str,
    readable: list[str],
    limits: Limits,
    uid: int | None,
    wire_fd: int,
    tell: int,
    run: Callable[[int, Limits], None],
) -> None:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()
        wire_fd, tell = _keep_only(wire_fd, tell)
        settle(scratch)
        confine.lock_in(tier, scratch, readable, limits, uid)
        os.write(tell, b"locked in")
    except BaseException as error:
        os.write(tell, f"{type(error).__name__}: {error}".encode()[:500])
        os._exit(1)
    os.close(tell)
    try:
        run(wire_fd, limits)
    finally:
        os._exit(0)


def _keep_only(wire_fd: int, tell: int) -> tuple[int, int]:
    """Close every file but two, and move the wire to a number that isn't the first to be guessed."""
    wire_fd = fcntl.fcntl(wire_fd, fcntl.F_DUPFD_CLOEXEC, random.SystemRandom().randrange(64, 200))
    tell = fcntl.fcntl(tell, fcntl.F_DUPFD_CLOEXEC, wire_fd + 1)
    os.closerange(3, wire_fd)
    os.closerange(wire_fd + 1, tell)
    os.closerange(tell + 1, 4096)
    return wire_fd, tell


class _Watch:
    """What the keeper knows of the processes in its care."""

    def __init__(self, order: Order, student: int, uid: int | None) -> None:
        self._limits = Limits(**order.limits)
        self._student = student
        self._uid = uid
        self._whole_namespace = order.tier == "full"
        self._scratch = None if self._whole_namespace else Path(order.base)
        self._baseline = _resident_bytes(student)
        self._resident_at_start = _status_bytes(student, "VmRSS:")
        self._taken = confine.data_and_mapped_bytes(student)
        self._peak_bytes = 0
        self._room: int | None = None
        self._code: int | None = None
        self._tripped: list[str] = []

    def until_the_end(self, channel: Wire) -> dict[str, Any]:
        """Watch until there is a reason to end; end everything; return the last word."""
        while not self._over():
            if select.select([channel.sock], [], [], LOOK_EVERY_S)[0] and not self._goes_on(channel):
                break
        self._reap(os.WNOHANG)
        code = self._code
        self._kill()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_bytes": self._peak_bytes,
            "tripped": self._tripped,
            "signal": -code if code is not None and code < 0 else None,
            "exit": code if code is not None and code >= 0 else None,
        }

    def _goes_on(self, channel: Wire) -> bool:
        """Take a message of the grader's; a hang-up, too, means that the session is of no more use."""
        with contextlib.suppress(EOFError, OSError, ProtocolError):
            message = channel.receive(time.monotonic() + 1.0)
            if message == {"look": "cpu"}:
                channel.send({"looked": self._cpu_s()})
                return True
            if set(message) == {"room"}:
                channel.send({"roomed": self._narrow(message["room"])})
                return True
            if message != {"end": "gone"}:
                return False
        self._let_it_end()
        return False

    def _narrow(self, room: int | None) -> bool:
        """Leave each process no more than a room beyond what the libraries took; None gives back what there was.

        False, and nothing is changed, where one of them holds more already, or limits can't be set.
        """
        if not self._whole_namespace or self._taken == (0, 0):
            return False
        limits = {} if room is None else confine.memory_limits(self._taken, room)
        with contextlib.suppress(OSError), confine.alongside(self._uid):
            self._room = None
            with contextlib.suppress(OSError):
                self._limit_all(limits)
                if room is None or self._fits(limits):
                    self._room = room
                    return True
            self._limit_all({})
        return False

    def _limit_all(self, limits: dict[str, int]) -> None:
        """Set the soft limits of all processes, also of those that are forked meanwhile; {} as they were."""
        seen: set[int] = set()
        while new := set(self._processes()) - seen:
            for pid in new:
                for name in ("DATA", "AS"):
                    which = getattr(resource, f"RLIMIT_{name}")
                    with contextlib.suppress(ProcessLookupError):
                        hard = resource.prlimit(pid, which)[1]
                        resource.prlimit(pid, which, (min(limits.get(name, hard), hard), hard))
            seen |= new

    def _fits(self, limits: dict[str, int]) -> bool:
        held = [confine.data_and_mapped_bytes(pid) for pid in self._processes()]
        return all(data <= limits["DATA"] and mapped <= limits["AS"] for data, mapped in held)

    def _let_it_end(self) -> None:
        # The grader saw the wire close: the process is ending, and its status will tell how.
        until = time.monotonic() + 1.0
        while self._code is None and time.monotonic() < until:
            time.sleep(0.005)
            self._reap(os.WNOHANG)

    def _over(self) -> bool:
        self._reap(os.WNOHANG)
        if self._code is not None:
            return True
        self._tripped = self._passed_limits()
        return bool(self._tripped)

    def _reap(self, how: int) -> None:
        """Collect the processes that have ended, and with them what they used."""
        while True:
            try:
                pid, status, used = os.wait4(-1, how)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._student:
                self._code = os.waitstatus_to_exitcode(status)
                self._peak_bytes = max(self._peak_bytes, used.ru_maxrss * 1024 - self._resident_at_start)

    def _kill(self) -> None:
        if self._whole_namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        elif self._code is None:
            os.kill(self._student, signal.SIGKILL)
        self._reap(0)

    def _cpu_s(self) -> float:
        """Return the processor time of all processes, also of those that have ended."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime + sum(map(_cpu_s, self._processes()))

    def _passed_limits(self) -> list[str]:
        cpu_s = self._cpu_s()
        resident = sum(max(0, _resident_bytes(pid) - self._baseline) for pid in self._processes())
        self._peak_bytes = max(self._peak_bytes, resident)
        passed = {
            "cpu": cpu_s > self._limits.cpu_s + 1,
            # Each process has its limit; this is for all together.
            "memory": resident > 1.1 * (self._limits.memory_bytes if self._room is None else self._room),
            "scratch": self._scratch_bytes() > self._limits.scratch_bytes,
        }
        return [name for name, is_passed in passed.items() if is_passed]

    def _scratch_bytes(self) -> float:
        return 0.0 if self._scratch is None else _folder_bytes(self._scratch)

    def _processes(self) -> list[int]:
        if not self._whole_namespace:
            return [self._student]
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _cpu_s(pid: int) -> float:
    """Return a process's processor time, and that of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # The file counts in hundredths of a second, the process's clock in billionths.
        return kernel.processor_time_s(pid) + sum(map(int, fields[13:15])) / _TICKS_PER_S
    except OSError:
        return 0.0


def _resident_bytes(pid: int) -> int:
    """Return a process's memory that no file backs; a fork counts what it shares with its parent."""
    return _status_bytes(pid, "RssAnon:") + _status_bytes(pid, "RssShmem:")


def _status_bytes(pid: int, field_name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(field_name))


def _folder_bytes(folder: Path, most_entries: int = 10_000) -> float:
    """Return what the files below a folder take; infinity where there are too many to look at."""
    total, seen, folders = 0, 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > most_entries:
                        return float("inf")
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                # Too deep to be looked into: anything could lie there.
                return float("inf")
    return total
