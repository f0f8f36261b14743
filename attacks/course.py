"""The course that is attacked: a copy with secrets planted in it, open to anybody on the machine.

Every secret is a word that stands nowhere else.  The files may be read and written by all, so
that nothing but the sandbox keeps them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sqlite3
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LESSON = "01-kernel-attention"
TRACKS = ("from_scratch", "pytorch")
KINDS = ("solution", "casebook", "gradebook", "submission", "key", "environment", "memory", "server")
LEFT = "left-by-an-attack"


def plant() -> dict[str, str]:
    """Return a fresh secret of each kind."""
    return {kind: f"canary-{kind}-{secrets.token_hex(12)}" for kind in KINDS}


def make_course(to: Path, planted: dict[str, str]) -> None:
    """Write the course, with its secrets, below a folder."""
    for folder in ("solutions", "notebooks"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder / LESSON, to / folder / LESSON, ignore=ignore)
    with (to / "solutions" / LESSON / "from_scratch.py").open("a") as file:
        file.write(f"\n# {planted['solution']}\n")
    (to / "notebooks" / LESSON / "planted.npz").write_text(planted["casebook"])
    (to / "course.toml").write_text(
        f'id = "x"\ntitle = "x"\n[[lesson]]\nname = "{LESSON}"\ntracks = ["from_scratch"]\n'
    )
    submitted = to / "submitted" / "ada" / LESSON
    submitted.mkdir(parents=True)
    (submitted / "from_scratch.ipynb").write_text(planted["submission"])
    (to / "grading" / "results").mkdir(parents=True)
    (to / "grading" / "secret.key").write_text(planted["key"])
    with contextlib.closing(sqlite3.connect(to / "grading" / "gradebook.db")) as database:
        database.execute("create table grade (manual_score float, told text)")
        database.execute("insert into grade values (0, ?)", (planted["gradebook"],))
        database.commit()
    for path in [to, *to.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


def state(course: Path) -> dict[str, tuple[int, ...]]:
    """Return what would show a change of the course's files."""
    stats = {str(path): path.lstat() for path in sorted(course.rglob("*"))}
    return {name: (s.st_size, s.st_mode, s.st_mtime_ns) for name, s in stats.items()}


def places() -> list[Path]:
    """Return the folders in which an attack might leave something."""
    site = Path(os.__file__).parent
    homes = [Path.home(), Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path("/"), Path("/etc/cron.d")]
    return [
        *homes,
        site,
        site / "site-packages",
        Path(sys.prefix),
        *Path(sys.prefix).glob("lib/python*/site-packages"),
    ]


def left_behind() -> list[str]:
    """Return the files that only an attack makes."""
    found = []
    for place in places():
        with contextlib.suppress(OSError):
            names = {name for name in os.listdir(place) if LEFT in name or name == "sitecustomize.py"}
            found += [str(place / name) for name in names]
    return sorted(found)


class Servers:
    """Servers of the grader's user, on every kind of address; a context manager that notes who came."""

    def __init__(self, folder: Path, secret: str) -> None:
        self.secret, self.visits, self._sockets = secret.encode(), [], []
        self._done = threading.Event()
        self.port = self._open(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1]
        self._open(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.port))
        self.path = str(folder / "server")
        self._open(socket.AF_UNIX, socket.SOCK_STREAM, self.path)
        os.chmod(self.path, 0o777)
        self.abstract = f"attacked-{os.getpid()}"
        self._open(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract)

    visits: list[str]
    _sockets: list[socket.socket]

    def _open(self, family: int, kind: int, where: object) -> socket.socket:
        sock = socket.socket(family, kind)
        sock.bind(where)  # type: ignore[arg-type]
        sock.settimeout(0.2)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        self._sockets.append(sock)
        threading.Thread(target=self._serve, args=(sock, kind), daemon=True).start()
        return sock

    def _serve(self, sock: socket.socket, kind: int) -> None:
        while not self._done.is_set():
            with contextlib.suppress(OSError):
                if kind == socket.SOCK_DGRAM:
                    sock.recv(10)
                else:
                    with sock.accept()[0] as visitor:
                        visitor.sendall(self.secret)
                self.visits.append(str(sock.getsockname()))

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for sock in self._sockets:
            sock.close()


def processes_below(pid: int) -> dict[int, str]:
    """Return the processes below one, with their names, as the system's /proc tells them."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text()
                fields = text.rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents[int(entry.name)] = (int(fields[1]), text.partition("(")[2].rpartition(")")[0])
    found: dict[int, str] = {}
    new = {pid}
    while new:
        new = {child for child, (parent, _) in parents.items() if parent in new} - found.keys()
        found |= {child: parents[child][1] for child in new}
    return found
