"""Which system calls foreign code may not make, as a BPF program for seccomp.

Theory of operation
-------------------
The program is a list of blocks.  Each looks at the number of the call and either decides, and
returns, or falls through to the next; after the last the call is allowed.  A refused call fails
with EPERM, which Python raises as PermissionError.  A number stands for a different call on each
kind of processor, so the program first makes sure of the processor.

Files and the network are not the filter's business in the tier "full", where namespaces take
them away; it closes what a namespace leaves open.  In the tier "restricted" it also stops new
processes, sockets, signals to others, and the changes to files that Landlock does not see.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterable

# linux/audit.h and the systems' tables of call numbers: x86_64, aarch64 (None: there is no such call).
_PROCESSORS = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_ALWAYS_REFUSED = {
    # memory, files and signals of other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "process_madvise": (440, 440),
    "move_pages": (279, 239), "migrate_pages": (256, 238),
    # a way out of namespaces or the view of files
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # large parts of the kernel that no answer needs
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "fanotify_init": (300, 262), "personality": (135, 92),
    # memory that no limit counts
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    # a larger share of the machine
    "setrlimit": (160, 164), "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
}  # fmt: skip
_REFUSED_WITHOUT_NAMESPACES = {
    # new processes and programs
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    # the network; a pair of connected sockets may still be made
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "sendmsg": (46, 211), "sendmmsg": (307, 269),
    # signals to other processes
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    # changes to files that Landlock does not see, or saw only later
    "truncate": (76, 45), "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "inotify_add_watch": (254, 27),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)
_KILL, _TGKILL, _PRLIMIT = (62, 129), (234, 131), (302, 261)
_FCNTL, _IOCTL, _SENDTO = (72, 25), (16, 29), (44, 206)

_ANY_NEW_NAMESPACE = 0x7E020000
_A_THREAD = 0x00010000
_OWNER_OF_SIGNALS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_FORGED_INPUT_AND_OWNERS = (0x5412, 0x8901, 0x8902)  # TIOCSTI, FIOSETOWN, SIOCSPGRP

# linux/bpf_common.h and linux/seccomp.h
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026

Program = list[bytes]


def build(own_pid: int | None) -> Program:
    """Return the program for the tier "full", or, with a process id, for "restricted".

    own_pid : the one process to which signals may be sent.

    Raises KeyError on a processor whose call numbers are not known here.
    """
    audit, column = _PROCESSORS[platform.machine()]
    refused: dict[str, tuple[int, int | None]] = {**_ALWAYS_REFUSED}
    rules = [
        _if_bits(_CLONE[column], 0, _ANY_NEW_NAMESPACE, _REFUSE, _ALLOW),
        _reads_limits_only(column),
    ]
    if own_pid is not None:
        refused |= _REFUSED_WITHOUT_NAMESPACES
        rules = _without_namespaces(own_pid, column)
    numbers = [pair[column] for pair in refused.values()]
    return [
        *_check_processor(audit),
        *[step for number in numbers if number is not None for step in _refuse(number, _REFUSE)],
        # Its flags are out of a filter's sight; the C library then takes the older clone.
        *_refuse(_CLONE3[column], _UNKNOWN),
        *[step for rule in rules for step in rule],
        _step(_RETURN, _ALLOW),
    ]


def _without_namespaces(own_pid: int, column: int) -> list[Program]:
    return [
        _if_bits(_CLONE[column], 0, _A_THREAD, _ALLOW, _REFUSE),
        _if_one_of(_KILL[column], 0, [own_pid], _ALLOW, _REFUSE),
        _if_one_of(_TGKILL[column], 0, [own_pid], _ALLOW, _REFUSE),
        _reads_limits_only(column),
        _if_one_of(_FCNTL[column], 1, _OWNER_OF_SIGNALS, _REFUSE, _ALLOW),
        _if_one_of(_IOCTL[column], 1, _FORGED_INPUT_AND_OWNERS, _REFUSE, _ALLOW),
        _if_no_pointer(_SENDTO[column], 4),
    ]


def _reads_limits_only(column: int) -> Program:
    """Let limits be read.  A soft limit is the keeper's too, which may lower it for a call."""
    return _if_no_pointer(_PRLIMIT[column], 2)


def _step(code: int, value: int, jump_if: int = 0, jump_else: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_if, jump_else, value)


def _check_processor(audit: int) -> Program:
    first_x32_number = 0x40000000
    return [
        _step(_LOAD, 4),
        _step(_EQUAL, audit, 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, 0),
        _step(_AT_LEAST, first_x32_number, 0, 1),
        _step(_RETURN, _REFUSE),
    ]


def _refuse(number: int, how: int) -> Program:
    return [_step(_EQUAL, number, 0, 1), _step(_RETURN, how)]


def _for_call(number: int, block: Program) -> Program:
    return [_step(_EQUAL, number, 0, len(block)), *block]


def _argument(index: int, high: bool = False) -> bytes:
    return _step(_LOAD, 16 + 8 * index + (4 if high else 0))


def _if_bits(number: int, index: int, bits: int, then: int, otherwise: int) -> Program:
    block = [_argument(index), _step(_ANY_BIT, bits, 0, 1), _step(_RETURN, then), _step(_RETURN, otherwise)]
    return _for_call(number, block)


def _if_one_of(number: int, index: int, values: Iterable[int], then: int, otherwise: int) -> Program:
    tests = [step for value in values for step in (_step(_EQUAL, value, 0, 1), _step(_RETURN, then))]
    return _for_call(number, [_argument(index), *tests, _step(_RETURN, otherwise)])


def _if_no_pointer(number: int, index: int) -> Program:
    halves = [
        step
        for high in (False, True)
        for step in (_argument(index, high), _step(_EQUAL, 0, 1, 0), _step(_RETURN, _REFUSE))
    ]
    return _for_call(number, [*halves, _step(_RETURN, _ALLOW)])
