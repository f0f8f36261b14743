"""Attacks that use up what there is, end what runs, or leave something behind."""

# ruff: noqa: E501  the attacks are code in one piece each

from __future__ import annotations

from attacks.attack import WORKED, Attack


def while_judged(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that runs code when its answer is called; another answer, right, stands above it."""
    body = "\n".join("    " + line for line in code.splitlines())
    answer = (
        f"def squared_distances(queries, keys):\n{body}\n    return np.zeros((len(queries), len(keys)))\n"
    )
    also = {"softmax_similarity": WORKED}
    return Attack(name, tries, "", answer, "squared_distances", also=also, deserves=1, **more)  # type: ignore[arg-type]


def in_a_cell(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that runs code in a cell of its own; an exercise above it is right."""
    also = {"softmax_similarity": WORKED}
    answer = "def squared_distances(queries, keys):\n    return np.zeros((len(queries), len(keys)))\n"
    return Attack(name, tries, code, answer, "squared_distances", also=also, deserves=1, **more)  # type: ignore[arg-type]


ATTACKS = [
    # ------------------------------------------------------------------------- ends
    while_judged("exit_at_once", "Ends the process with os._exit(0), so that the check looks done.", "import os\nos._exit(0)"),
    while_judged("system_exit", "Raises SystemExit, KeyboardInterrupt and GeneratorExit in turn.", "import random\nraise random.choice([SystemExit, KeyboardInterrupt, GeneratorExit])"),
    while_judged("segfault", "Reads address zero.", "import ctypes\nctypes.string_at(0)"),
    while_judged("stack_overflow", "Overflows the C stack by endless recursion in C.", "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self): return repr([self])\nf = lambda: f()\nf()"),
    while_judged("signals", "Sends every signal to itself, its parent and its group.", "import os, signal\nfor pid in (os.getppid(), 1, -1, 0, os.getpid()):\n    for number in range(1, 32):\n        try: os.kill(pid, number)\n        except OSError: pass"),
    while_judged("stop_itself", "Stops the process with SIGSTOP, so that it neither ends nor goes on.", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    while_judged("exec_another", "Becomes another program.", "import os, sys\nos.execv('/bin/sleep', ['sleep', '100'])"),
    in_a_cell("exit_in_a_cell", "Ends the process in a cell, each time that it is run again.", "import os\nos._exit(0)"),
    Attack("dies_everywhere", "Lets every answer end the process, so that the run starts anew each time.", "import os", "def softmax_similarity(queries, keys):\n    os._exit(1)\n",
        also={n: f"def {n}(*arguments):\n    os._exit(1)\n" for n in ("squared_distances", "gaussian_kernel", "rewrite_softmax_similarity", "kernel_attention", "stable_kernel_attention")}),
    # ------------------------------------------------------------------------- time
    while_judged("endless_loop", "Never ends, in plain Python.", "while True: pass"),
    while_judged("catches_everything", "Never ends and catches every exception, BaseException too.", "while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    while_judged("sleeps", "Sleeps in C, where no exception arrives.", "import time\ntime.sleep(1000)"),
    while_judged("endless_in_c", "Computes in C for hours, where no exception arrives.", "int('7' * 4000) ** (10**7)"),
    while_judged("backtracking", "Lets a regular expression backtrack for ever.", "import re\nre.match('(a+)+$', 'a' * 60 + 'b')"),
    in_a_cell("busy_threads", "Leaves twenty threads that use the processor while others are judged.", "import threading\ndef spin():\n    while True: pass\nfor _ in range(20): threading.Thread(target=spin, daemon=True).start()"),
    # ------------------------------------------------------------------------- memory, files, output
    while_judged("memory_bomb", "Takes memory until there is none.", "import os\nkept = []\nwhile True:\n    kept.append(bytearray(os.urandom(1)) * 2**26)"),
    while_judged("one_huge_array", "Asks for an array of eight hundred gigabytes.", "np.ones((10**6, 10**5))"),
    while_judged("huge_result", "Returns an array too large to be sent.", "return np.zeros((30000, 3000))"),
    while_judged("shared_memory", "Takes memory that counts for nobody: shared, mapped, in files without a name.", "import mmap, os\nkept = []\nwhile True:\n    m = mmap.mmap(-1, 2**27)\n    m.write(os.urandom(2**20) * 128)\n    kept.append(m)"),
    in_a_cell("fill_the_scratch", "Fills its folder, and makes as many files as it can.", "import os\ntry:\n    for i in range(10**6): open(f'f{i}', 'wb').write(bytes(2**22 if i < 100 else 10))\nexcept OSError as error: print(error.errno)"),
    in_a_cell("sparse_and_deep", "Makes a file of a terabyte with nothing in it, and folders a thousand deep.", "import os\ntry:\n    for i in range(1000):\n        os.mkdir('d'); os.chdir('d')\n    open('sparse', 'wb').truncate(2**40)\nexcept OSError as error: print(error.errno)"),
    in_a_cell("open_all_files", "Opens files until there are no more numbers for them.", "kept = []\ntry:\n    while True: kept.append(open('/dev/null'))\nexcept OSError as error: print(error.errno)"),
    in_a_cell("output_flood", "Prints a gigabyte, on both streams and past Python.", "import os, sys\nfor i in range(2000):\n    print('x' * 100000); sys.stderr.write('y' * 100000); os.write(1, b'z' * 100000); os.write(2, b'z' * 100000)"),
    in_a_cell("ansi_and_html", "Prints scripts and terminal sequences, also in the text of errors, to run in the instructor's pages.",
        "from IPython.display import HTML, Javascript, display\ndisplay(HTML('<script>alert(1)</script>'), Javascript('alert(1)'))\nprint('\\x1b[2J\\x1b]0;owned\\x07<script>alert(1)</script><img src=x onerror=alert(1)>')\nraise ValueError('<script>alert(1)</script>\\x1b[31m\\u202e')"),
    # ------------------------------------------------------------------------- processes and files that stay
    in_a_cell("fork_bomb", "Forks without end.", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    in_a_cell("daemon", "Leaves a daemon: two forks, a session of its own, all signals ignored.", "import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for number in range(1, 32):\n            try: signal.signal(number, signal.SIG_IGN)\n            except (OSError, ValueError): pass\n        time.sleep(300)\n    os._exit(0)"),
    in_a_cell("subprocess_stays", "Starts a program that goes on after the notebook.", "import subprocess\nsubprocess.Popen(['/bin/sh', '-c', 'sleep 300; touch /tmp/left-by-an-attack'], start_new_session=True)"),
    in_a_cell("schedule", "Asks the machine to run something later: cron, at, a start-up file.", "import os, pathlib\nfor place in ('/etc/cron.d', '/var/spool/cron', '~/.bashrc', '~/.ipython/profile_default/startup', '~/.jupyter'):\n    try: (pathlib.Path(place).expanduser() / 'left-by-an-attack.py').write_text('x')\n    except OSError as error: print(error.errno)\nos.system('echo touch /tmp/left-by-an-attack | at now')"),
    in_a_cell("write_everywhere", "Writes files wherever a grader may find them.", "import os\nfor place in ('/tmp', '/dev/shm', '/var/tmp', '@COURSE@', '@COURSE@/grading', '@COURSE@/grading/results', '/', os.path.expanduser('~'), os.path.dirname(os.__file__)):\n    try: open(place + '/left-by-an-attack', 'w').write('x')\n    except OSError as error: print(error.errno)"),
    in_a_cell("change_the_course", "Deletes, renames, truncates and changes the mode of the course's files.", "import os\nfor act in (lambda p: os.truncate(p, 0), lambda p: os.chmod(p, 0o777), lambda p: os.utime(p, (0, 0)), os.unlink, lambda p: os.rename(p, p + 'x')):\n    for path in ('@COURSE@/grading/secret.key', '@COURSE@/course.toml', '@COURSE@/submitted/ada/01-kernel-attention/from_scratch.ipynb'):\n        try: act(path)\n        except OSError as error: print(error.errno)"),
    in_a_cell("links_in_the_scratch", "Leaves links in its folder for whoever clears it up to follow.", "import os\nfor name, to in (('a', '@COURSE@'), ('b', '/'), ('c', '@COURSE@/grading/secret.key')):\n    try: os.symlink(to, name)\n    except OSError as error: print(error.errno)"),
]  # fmt: skip
