"""A session in a plain process of its own: the tier "none", which works on every platform.

The process connects back over the loopback interface and shows a token, because that is the one
kind of connection that every platform offers with a deadline.  It starts anew for each session:
only Linux forks a warm Python without harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from autograder.sandbox import kernel
from autograder.sandbox.ending import tell_end
from autograder.sandbox.launch import start
from autograder.sandbox.scratch import lay_files, remove
from autograder.sandbox.terms import Limits, Reason, Usage
from autograder.sandbox.wire import Wire

START_S = 60.0


class Spawned:
    """A process that answers, with no confinement but its own resource limits."""

    def __init__(self, limits: Limits, files: Mapping[str, bytes], scratch: Path) -> None:
        self._scratch = scratch
        self._status: int | None = None
        lay_files(files, scratch)
        token = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._process = start("answerer", scratch, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            port = listener.getsockname()[1]
            order = {"port": port, "token": token, "scratch": str(scratch), "limits": asdict(limits)}
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.close()
            self.wire = Wire(_accept(listener, token), foreign=True)

    def cpu_s(self) -> float | None:
        """Return the processor time that the process has used so far; None where the system doesn't tell."""
        if not kernel.supported():
            return None
        with contextlib.suppress(OSError):
            return kernel.processor_time_s(self._process.pid)
        return None

    def narrow(self, memory_bytes: int | None) -> bool:
        """Say that nobody watches over the process who could change its limits."""
        return False

    def end(self, wall_s: float, noticed: list[str], gone: bool = False) -> Usage:
        """Kill the process and its group; return what it used."""
        if gone:
            # It hung up first: it has a moment to end, so that its status tells how.
            self._wait(1.0)
        self.wire.close()
        cpu_s = self._kill()
        remove(self._scratch)
        return Usage(cpu_s, wall_s, 0, "none", [*noticed])

    def how_it_ended(self) -> tuple[Reason, str] | None:
        """Return a reason and what happened, once `end` was called; None where it did not end by itself."""
        if self._status is None:
            return None
        return tell_end({"exit": self._status} if self._status >= 0 else {"signal": -self._status})

    def _wait(self, seconds: float) -> None:
        """Wait for the process to end, without collecting its status where that can be left."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._has_ended():
                return
            time.sleep(0.01)

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):
            self._status = self._process.poll()
            return self._status is not None
        seen = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if seen is not None:
            self._status = seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        return seen is not None

    def _kill(self) -> float:
        if not hasattr(os, "wait4"):
            self._process.kill()
            self._process.wait()
            return 0.0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime


def _accept(listener: socket.socket, token: str) -> socket.socket:
    """Return the first connection that shows the token; raises TimeoutError when none does."""
    deadline = time.monotonic() + START_S
    while True:
        listener.settimeout(max(0.01, deadline - time.monotonic()))
        sock, _ = listener.accept()
        sock.settimeout(5.0)
        with contextlib.suppress(OSError):
            if secrets.compare_digest(sock.recv(len(token)), token.encode()):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        sock.close()
