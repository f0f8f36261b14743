"""A session in a plain process of its own: the tier "none", which works on every platform.

The process connects back over the loopback interface and shows a token, because that is the one
kind of connection that every platform offers with a deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from autograder.sandbox.launch import start
from autograder.sandbox.terms import Limits, Usage
from autograder.sandbox.wire import Wire

START_S = 60.0


class Spawned:
    """A process that answers, with no confinement but its own resource limits."""

    def __init__(self, limits: Limits, files: Mapping[str, bytes], scratch: Path) -> None:
        self._scratch = scratch
        lay_files(files, scratch)
        token = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._process = start("answerer", scratch, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            order = {
                "port": listener.getsockname()[1],
                "token": token,
                "scratch": str(scratch),
                "limits": asdict(limits),
            }
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.close()
            self.wire = Wire(_accept(listener, token), foreign=True)

    def end(self, wall_s: float, noticed: list[str]) -> Usage:
        """Kill the process and its group; return what it used."""
        self.wire.close()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        cpu_s, peak_bytes = self._reap()
        shutil.rmtree(self._scratch, ignore_errors=True)
        return Usage(cpu_s, wall_s, peak_bytes, "none", noticed)

    def _reap(self) -> tuple[float, int]:
        if not hasattr(os, "wait4"):
            self._process.wait()
            return 0.0, 0
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, 0


def lay_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files below a folder, read-only.  Raises ValueError for a name that leads out of it."""
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} leads out of the working folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)


def _accept(listener: socket.socket, token: str) -> socket.socket:
    """Return the first connection that shows the token; raises TimeoutError when none does."""
    deadline = time.monotonic() + START_S
    while True:
        listener.settimeout(max(0.01, deadline - time.monotonic()))
        sock, _ = listener.accept()
        sock.settimeout(5.0)
        with contextlib.suppress(OSError):
            if secrets.compare_digest(sock.recv(len(token)), token.encode()):
                return sock
        sock.close()
