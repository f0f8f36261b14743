"""What foreign code may see and use: the policy of each tier.

Theory of operation
-------------------
In the tier "full" the keeper (see `keeper`) first leaves the machine's namespaces: it sees no
other process, no network, and a new root that holds the Python environment, read-only, and a
scratch folder of limited size.  As an ordinary user it does so inside a user namespace; as root
it uses root's own rights, and the foreign code gets a user id that nobody else has.

In both tiers the process that runs foreign code then locks itself in, for good: limits on
resources, no new privileges, Landlock with the same list of paths, and a filter of system calls.
Landlock repeats what the view already says, so that one hole is not enough; it also keeps the
keeper's memory out of reach.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.sandbox import callfilter, kernel
from autograder.sandbox.terms import Limits

SCRATCH = "/scratch"
DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
_SYSTEM = [
    "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/lib", "/usr/local/share/fonts",
    "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives",
]  # fmt: skip
_IN_A_PREFIX = ["bin", "lib", "lib64", "share", "etc/fonts", "pyvenv.cfg"]
_PACKAGE_PARTS = ["__init__.py", "judging", "notebook", "sandbox"]
_FIRST_UID, _UIDS = 61184, 4000  # the range that systemd, too, takes short-lived users from


@functools.cache
def readable_paths() -> list[str]:
    """Return the paths of the Python environment, the system's libraries and the package's own parts."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    package = Path(__file__).resolve().parents[1]
    paths = [*_SYSTEM, os.path.realpath(sys.executable)]
    paths += [os.path.join(prefix, part) for prefix in sorted(prefixes) for part in _IN_A_PREFIX]
    paths += [str(package / part) for part in _PACKAGE_PARTS]
    kept: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths if os.path.exists(path)}):
        if not any(path == other or path.startswith(other + "/") for other in kept):
            kept.append(path)
    return kept


# ------------------------------------------------------------------------- the tier "full", keeper's part


def namespaces(tier: str) -> int:
    """Return the flags of the namespaces that a keeper is forked into."""
    if tier != "full":
        return 0
    flags = kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_NETWORK | kernel.NEW_IPC
    flags |= kernel.NEW_HOSTNAME | kernel.NEW_CGROUP
    return flags if os.geteuid() == 0 else flags | kernel.NEW_USERS


def settle_in(uid: int, gid: int) -> None:
    """Take over the new namespaces, right after the fork.

    uid, gid : the ids from before the fork.  A new namespace of users knows none of them yet.
    """
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"1000 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"1000 {gid} 1")
    with contextlib.suppress(OSError):
        socket.sethostname("sandbox")


def build_view(base: str, readable: list[str], limits: Limits, owner: int) -> None:
    """Make a root at `base` that holds the readable paths and a scratch folder, and enter it."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("view", base, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    for path in [*readable, *DEVICES]:
        _bind(path, base + path, read_only=path not in DEVICES)
    os.mkdir(base + SCRATCH)
    os.mkdir(base + "/proc")
    room = f"size={limits.scratch_bytes},nr_inodes=10000,mode=700,uid={owner},gid={owner}"
    kernel.mount("scratch", base + SCRATCH, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, room)
    # A container that hides parts of its own /proc may not show a new one; we then go without.
    with contextlib.suppress(OSError):
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY
        kernel.mount("proc", base + "/proc", "proc", flags)
    kernel.mount("view", base, flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | 6)
    kernel.enter_root(base)


def _bind(source: str, target: str, read_only: bool) -> None:
    if os.path.isdir(source):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)
    if read_only:
        kernel.make_read_only(target)


# --------------------------------------------------------------------- both tiers, the foreign code's part


def lock_in(tier: str, scratch: str, readable: list[str], limits: Limits, uid: int | None) -> None:
    """Take from this process, for good, all that foreign code shall not have."""
    limit_resources(limits, count_processes=tier == "full" or uid is not None)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.drop_capabilities()
    kernel.hide_from_others()
    kernel.forbid_new_privileges()
    proc = ["/proc"] if tier == "full" else []
    package = str(Path(__file__).resolve().parents[1])
    inner, listable = around(readable, package, _PACKAGE_PARTS)
    kernel.landlock([*inner, *DEVICES, *proc], listable, [scratch, "/dev/null"])
    kernel.filter_calls(callfilter.build(None if tier == "full" else os.getpid()))


def around(paths: list[str], package: str, parts: list[str]) -> tuple[list[str], list[str]]:
    """Narrow what is readable to some parts of a package, where the package lies below a path.

    Returns the readable paths, and the folders above the package, of which the names may be seen.
    A package installed among the libraries carries the casebooks, with the values that it expects.
    """
    readable, listable = [], []
    for path in paths:
        if not package.startswith(path + "/"):
            readable.append(path)
            continue
        steps = [path, *[str(p) for p in reversed(Path(package).parents) if str(p).startswith(path + "/")]]
        listable += steps
        for folder, inner in zip(steps, [*steps[1:], package], strict=True):
            readable += [entry.path for entry in os.scandir(folder) if entry.path != inner]
        readable += [os.path.join(package, part) for part in parts]
    return readable, listable


def limit_resources(limits: Limits, count_processes: bool = False) -> None:
    """Set the kernel's limits on this process, where the platform has them.

    count_processes : only where the user id is the session's alone, for the kernel counts by user.
    """
    try:
        import resource
    except ImportError:
        return
    if limits.exact_memory and kernel.supported():
        kernel.return_memory_at_once()
    taken, mapped = data_and_mapped_bytes("self")
    seconds = max(1, round(limits.cpu_s))
    wanted = {
        "CORE": 0,
        "CPU": seconds,
        **memory_limits((taken, mapped), limits.memory_bytes),
        "FSIZE": limits.scratch_bytes,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NOFILE": 256,
    }
    if count_processes:
        wanted["NPROC"] = limits.processes
    for name, value in wanted.items():
        if (name in ("DATA", "AS") and not taken) or not hasattr(resource, f"RLIMIT_{name}"):
            continue
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        # The second more lets the signal of the soft limit, which says what happened, come first.
        most = value + (name == "CPU")
        hard = most if hard == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(which, (min(value, hard), hard))


def data_and_mapped_bytes(pid: int | str) -> tuple[int, int]:
    """Return what counts for RLIMIT_DATA and RLIMIT_AS now; zeros where the system doesn't tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0, 0
    size = os.sysconf("SC_PAGE_SIZE")
    return int(pages[5]) * size, int(pages[0]) * size


def memory_limits(taken: tuple[int, int], memory_bytes: int) -> dict[str, int]:
    """Return the limits that leave room for so many bytes beyond what `data_and_mapped_bytes` gave."""
    # Shared memory is not DATA; AS is the second line behind it.
    return {"DATA": taken[0] + memory_bytes, "AS": taken[1] + 2 * memory_bytes}


def spare_uid(tier: str, readable: list[str]) -> int | None:
    """Return a user id for the foreign code where we are root; None where we must keep our own.

    The libraries must be readable for others.  In the tier "full" they are mounted one by one, so
    that a closed folder above them is no obstacle; else it is, and root keeps its id and nothing else.
    """
    # In a new namespace every keeper is process 1; /proc, still the old one, tells them apart.
    uid = _FIRST_UID + int(os.readlink("/proc/self")) % _UIDS
    if os.geteuid() != 0 or not all(_others_reach(path, above=tier != "full") for path in readable):
        return None
    return uid if _is_mapped(uid, "uid") and _is_mapped(uid, "gid") else None


@contextlib.contextmanager
def alongside(uid: int | None) -> Iterator[None]:
    """For the block, be a process whose limits are the other user's to set, without its other rights.

    The kernel lets a process set another's limits where the real ids are the same; root without
    CAP_SYS_RESOURCE, as in many containers, has no other way.
    """
    if uid is None:
        yield
        return
    user, group = os.getuid(), os.getgid()
    os.setresgid(uid, -1, -1)
    os.setresuid(uid, -1, -1)
    try:
        yield
    finally:
        os.setresuid(user, -1, -1)
        os.setresgid(group, -1, -1)


def _is_mapped(number: int, which: str) -> bool:
    """Whether an id exists in this user namespace: a rootless container knows only some."""
    ranges = [
        list(map(int, line.split())) for line in Path(f"/proc/self/{which}_map").read_text().splitlines()
    ]
    return any(first <= number < first + count for first, _, count in ranges)


def _others_reach(path: str, above: bool) -> bool:
    folders = [*([path] if os.path.isdir(path) else []), *(map(str, Path(path).parents) if above else [])]
    return all(os.stat(folder).st_mode & 0o001 for folder in folders)
