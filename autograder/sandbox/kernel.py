"""The few calls to the Linux kernel that Python 3.11 does not offer.

Each function is one call, or one small group of calls, and raises OSError where the kernel
refuses.  What is done with them stands in `confine`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import signal
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

# linux/sched.h
NEW_MOUNTS, NEW_CGROUP, NEW_HOSTNAME, NEW_IPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEW_USERS, NEW_PIDS, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000

# linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
_MNT_DETACH = 2

# linux/prctl.h
_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38

# The calls without a wrapper in the C library; from 424 on numbers are the same everywhere.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126, "clone": 56},
    "aarch64": {"pivot_root": 41, "capset": 91, "clone": 220},
}
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446


def supported() -> bool:
    """Whether this is Linux on a processor whose call numbers are known here."""
    return platform.system() == "Linux" and platform.machine() in _NUMBERS


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: object) -> int:
    as_longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *as_longs), what)


def _prctl(what: str, option: int, value: int) -> None:
    arguments = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
    _checked(_libc().prctl(option, *arguments), what)


# --------------------------------------------------------------------------------- privileges


def forbid_new_privileges() -> None:
    """Make set-uid programs and file capabilities ineffective, for good."""
    _prctl("no_new_privs", _SET_NO_NEW_PRIVS, 1)


def hide_from_others() -> None:
    """Keep processes of the same user from reading this one's memory, and from core dumps of it."""
    _prctl("dumpable", _SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl("child subreaper", _SET_SUBREAPER, 1)


def processor_time_s(pid: int) -> float:
    """Return the processor time that a process has used, with all its threads."""
    whole_process = 2
    return time.clock_gettime((~pid << 3) | whole_process)


def die_with_parent(signal_number: int) -> None:
    """Receive a signal when the parent ends."""
    _prctl("parent death signal", _SET_PARENT_DEATH_SIGNAL, signal_number)


def drop_capabilities() -> None:
    """Give up every capability."""
    header = struct.pack("=Ii", 0x20080522, 0)
    _syscall("capset", _NUMBERS[platform.machine()]["capset"], header, bytes(24))


def return_memory_at_once() -> None:
    """Let the C library map each block from 128 kB on by itself, and unmap it when it is freed.

    Else small blocks that live on keep the large ones between them from being given back.
    """
    mmap_threshold = -3
    with contextlib.suppress(AttributeError):
        _libc().mallopt(mmap_threshold, 2**17)


def use_large_pages() -> None:
    """Move this process's own memory to pages of 2 MB: a fork copies a table of pages, and then a short one.

    Kernels before 6.1, and systems without such pages, leave it as it is.
    """
    collapse, size = 25, 2**21
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            where, rights, _, _, inode, *name = line.split()
            begin, end = (int(text, 16) for text in where.split("-"))
            begin, end = -(-begin // size) * size, end // size * size
            if rights == "rw-p" and inode == "0" and name != ["[stack]"] and begin < end:
                _libc().madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), ctypes.c_int(collapse))


# --------------------------------------------------------------------------------- namespaces


def fork(namespaces: int) -> int:
    """Fork as `os.fork` does, with the child in new namespaces; 0 stands for none.

    Only for a process with one thread: the C library is not told of the fork.
    """
    if not namespaces:
        return os.fork()
    python = ctypes.pythonapi
    # Called so that Python's lock is kept: the child must find itself as it was.
    calls = ctypes.PyDLL(None, use_errno=True)
    arguments = [ctypes.c_long(number) for number in (namespaces | signal.SIGCHLD, 0, 0, 0, 0)]
    python.PyOS_BeforeFork()
    pid = int(calls.syscall(ctypes.c_long(_NUMBERS[platform.machine()]["clone"]), *arguments))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return _checked(pid, "new namespaces")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount a file system, or bind what `source` is to `target`."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = _libc().mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _checked(result, f"mount {target}")


def make_read_only(path: str) -> None:
    """Make a mount and everything mounted below it read-only, without devices and set-uid."""
    read_only_nosuid_nodev = 1 | 2 | 4
    attributes = struct.pack("=QQQQ", read_only_nosuid_nodev, 0, 0, 0)
    at_fdcwd, at_recursive = -100, 0x8000
    where = (at_fdcwd, os.fsencode(path), at_recursive)
    _syscall(f"mount_setattr {path}", _MOUNT_SETATTR, *where, attributes, len(attributes))


def enter_root(path: str) -> None:
    """Make `path`, a mount, the root of all paths, and let go of the old root."""
    os.chdir(path)
    _syscall("pivot_root", _NUMBERS[platform.machine()]["pivot_root"], b".", b".")
    _checked(_libc().umount2(b".", ctypes.c_int(_MNT_DETACH)), "umount")
    os.chdir("/")


# ----------------------------------------------------------------------------------- Landlock

# linux/landlock.h: rights on files, and the version in which the later ones came.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_AND_CONNECT_TCP = 3
_SCOPE_SOCKETS_AND_SIGNALS = 3


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; 0 for none."""
    try:
        return _syscall("landlock", _LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def landlock(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow this process no file but those at and below the paths given, no TCP, and no signals out.

    listable : folders of which, and below which, only the names may be seen.

    Paths that don't exist are passed over.  TCP needs version 4 of Landlock, signals version 6.
    """
    version = landlock_version()
    rights = _FIRST_RIGHTS | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rights |= _IOCTL_DEV if version >= 5 else 0
    fields = [rights, _BIND_AND_CONNECT_TCP, _SCOPE_SOCKETS_AND_SIGNALS]
    fields = fields[: 1 + (version >= 4) + (version >= 6)]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _syscall("landlock", _LANDLOCK_CREATE, attributes, len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, rights & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in listable:
            _allow(ruleset, path, rights & _READ_DIR)
        for path in writable:
            _allow(ruleset, path, rights & ~_IOCTL_DEV)
        _syscall("landlock", _LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        _syscall(f"landlock {path}", _LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)


# ------------------------------------------------------------------------------------ seccomp


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def filter_calls(program: Sequence[bytes]) -> None:
    """Have the kernel run a BPF program on every call; needs `forbid_new_privileges` first."""
    code = b"".join(program)
    pointer = ctypes.pointer(_Filter(len(program), code))
    mode_filter = 2
    rest = [ctypes.c_ulong(0), ctypes.c_ulong(0)]
    _checked(_libc().prctl(_SET_SECCOMP, ctypes.c_ulong(mode_filter), pointer, *rest), "seccomp")
