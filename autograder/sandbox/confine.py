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
import os
import socket
import sys
import tempfile
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


def leave_namespaces(as_root: bool) -> None:
    """Enter new namespaces; the next child is the first process in the new one of processes."""
    uid, gid = os.geteuid(), os.getegid()
    flags = kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_NETWORK | kernel.NEW_IPC
    flags |= kernel.NEW_HOSTNAME | kernel.NEW_CGROUP
    kernel.unshare(flags if as_root else flags | kernel.NEW_USERS)
    if not as_root:
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
    limit_resources(limits)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.drop_capabilities()
    kernel.hide_from_others()
    kernel.forbid_new_privileges()
    proc = ["/proc"] if tier == "full" else []
    kernel.landlock([*readable, *DEVICES, *proc], [scratch, "/dev/null"])
    kernel.filter_calls(callfilter.build(None if tier == "full" else os.getpid()))


def limit_resources(limits: Limits) -> None:
    """Set the kernel's limits on this process, where the platform has them."""
    try:
        import resource
    except ImportError:
        return
    taken, mapped = _data_and_mapped_bytes()
    seconds = max(1, round(limits.cpu_s))
    wanted = {
        "CORE": 0,
        "CPU": seconds,
        "DATA": taken + limits.memory_bytes,
        # Shared memory is not DATA; this is the second line behind it.
        "AS": mapped + 2 * limits.memory_bytes,
        "FSIZE": limits.scratch_bytes,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NOFILE": 256,
        "NPROC": limits.processes,
    }
    for name, value in wanted.items():
        if (name in ("DATA", "AS") and not taken) or not hasattr(resource, f"RLIMIT_{name}"):
            continue
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        hard = value + (name == "CPU") if hard == resource.RLIM_INFINITY else min(hard, value + (name == "CPU"))
        resource.setrlimit(which, (min(value, hard), hard))


def _data_and_mapped_bytes() -> tuple[int, int]:
    """Return what counts for RLIMIT_DATA and RLIMIT_AS now; zeros where the system doesn't tell."""
    try:
        pages = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    size = os.sysconf("SC_PAGE_SIZE")
    return int(pages[5]) * size, int(pages[0]) * size


def spare_uid(readable: list[str]) -> int | None:
    """Return a user id for the foreign code where we are root; None where we must keep our own.

    The libraries must be readable for others: a Python below a closed home folder is not, but in
    the tier "full" its folders are mounted one by one and the home folder is no obstacle.
    """
    if os.geteuid() != 0 or not all(_others_reach(path) for path in readable):
        return None
    return _FIRST_UID + os.getpid() % _UIDS


def _others_reach(path: str) -> bool:
    folders = [path, *map(str, Path(path).parents)] if os.path.isdir(path) else list(map(str, Path(path).parents))
    return all(os.stat(folder).st_mode & 0o001 for folder in folders)


def settle(scratch: str) -> None:
    """Make the scratch folder the place for everything that libraries like to write."""
    os.chdir(scratch)
    for name in ("HOME", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR"):
        os.environ[name] = scratch
    tempfile.tempdir = None
