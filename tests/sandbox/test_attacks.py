"""What hostile code tries against the walls, and what it gets."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import autograder
from autograder.judging.observe import Call
from autograder.sandbox import CellResult, Limits, Sandbox, SessionDied
from tests.sandbox.conftest import SECRET, descendants

REPOSITORY = Path(__file__).resolve().parents[2]
FIND_WIRE = """
import gc, sys, time
from autograder.sandbox.wire import Wire
wire = next(o for o in gc.get_objects() if isinstance(o, Wire) and o.sock.fileno() in range(64, 200))
frame, request = sys._getframe(), None
while frame is not None and request is None:
    found = [v for v in list(frame.f_locals.values()) if isinstance(v, dict) and 'op' in v]
    request, frame = found[0] if found else None, frame.f_back
"""


def run(sandbox: Sandbox, cell: str, limits: Limits | None = None) -> CellResult:
    with sandbox.session(limits or Limits()) as session:
        return session.run_cell(cell, "1", 20)


def refused(result: CellResult) -> bool:
    """Whether the cell ended in the system's refusal, of whatever kind."""
    kinds = {"PermissionError", "FileNotFoundError", "NotADirectoryError", "ProcessLookupError", "OSError"}
    return result.error is not None and result.error["type"] in kinds | {"ConnectionRefusedError"}


def nothing_left(sandbox: Sandbox) -> bool:
    """Whether soon no process is left but the warm parent."""
    assert sandbox._parent is not None
    until = time.monotonic() + 2.0
    while descendants(sandbox._parent._process.pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not descendants(sandbox._parent._process.pid)


# ------------------------------------------------------------------------------------- files


def secret_files() -> list[str]:
    package = Path(autograder.__file__).parent
    return [
        "/etc/shadow", "/etc/passwd",
        str(REPOSITORY / "pyproject.toml"), str(package / "grading" / "__init__.py"),
        *map(str, sorted((REPOSITORY / "solutions").rglob("*.py"))[:2]),
        *map(str, sorted((REPOSITORY / "notebooks").rglob("*.npz"))[:1]),
        "/proc/1/environ", "/proc/1/mem", f"/proc/{os.getpid()}/environ", f"/proc/{os.getppid()}/cmdline",
    ]  # fmt: skip


def test_is_every_secret_file_out_of_reach(walled: Sandbox) -> None:
    with walled.session() as session:
        for path in secret_files():
            assert refused(session.run_cell(f"print(open({path!r}, 'rb').read(10))", "1")), path


def test_are_files_of_the_grader_out_of_reach_by_any_way(walled: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / "gradebook.db"
    secret.write_text(SECRET)
    secret.chmod(0o666)
    attempts = [
        f"open({str(secret)!r})",
        f"import os; os.symlink({str(secret)!r}, 'link'); open('link')",
        f"import os; os.link({str(secret)!r}, 'hard'); open('hard')",
        f"import os; os.listdir({str(tmp_path)!r})",
        f"open({str(secret)!r}, 'w')",
        f"import os; os.truncate({str(secret)!r}, 0)",
        f"import os; os.chmod({str(secret)!r}, 0)",
        f"import os; os.utime({str(secret)!r})",
        f"import os; os.unlink({str(secret)!r})",
        f"import os; os.rename({str(secret)!r}, 'here')",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"import os; os.mkdir({str(tmp_path / 'new')!r})",
    ]
    with walled.session() as session:
        for attempt in attempts:
            assert refused(session.run_cell(attempt, "1")), attempt
    assert secret.read_text() == SECRET
    assert os.listdir(tmp_path) == ["gradebook.db"]


def test_is_nothing_written_outside_the_working_folder(walled: Sandbox) -> None:
    with walled.session() as session:
        for place in ("/tmp", "/dev/shm", "/var/tmp", sys.prefix, REPOSITORY, "/"):
            path = Path(place) / "written-by-a-notebook"
            assert refused(session.run_cell(f"open({str(path)!r}, 'w')", "1")), path
            assert not path.exists()


def test_does_a_full_working_folder_stop_at_its_limit(walled: Sandbox) -> None:
    cell = (
        "for i in range(100):\n    open(f'f{i}', 'wb').write(bytes(2**20))\n    import time; time.sleep(0.02)"
    )
    with walled.session(Limits(scratch_bytes=4 * 2**20)) as session:
        try:
            assert refused(session.run_cell(cell, "1"))
        except SessionDied as died:
            assert "wrote more" in died.says  # noqa: PT017


def test_does_a_link_left_behind_harm_no_folder(walled: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    assert run(walled, f"import os; os.symlink({str(tmp_path)!r}, 'link')").status == "ok"
    assert (tmp_path / "kept").read_text() == "kept"


# ------------------------------------------------------------------------- memory and environment


def test_is_the_graders_environment_unseen(walled: Sandbox) -> None:
    cell = "import os, gc\nprint(dict(os.environ), sorted(globals()))\nprint(os.environ['AUTOGRADER_JUDGED'])"
    result = run(walled, cell)
    assert SECRET not in result.stdout
    assert result.stdout.endswith("1\n")


def test_is_the_memory_of_other_processes_out_of_reach(walled: Sandbox) -> None:
    cell = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (1, os.getppid(), {os.getpid()}):
    assert libc.ptrace(16, pid, 0, 0) == -1, pid
    assert libc.process_vm_readv(pid, 0, 0, 0, 0, 0) == -1, pid
    for what in ('mem', 'environ', 'maps', 'root/etc/passwd', 'cwd/x'):
        try:
            open(f'/proc/{{pid}}/{{what}}', 'rb').read(1)
        except OSError:
            continue
        raise AssertionError((pid, what))
"""
    assert run(walled, cell).error is None


def test_are_signals_to_others_refused(walled: Sandbox) -> None:
    cell = f"""
import os, signal
for pid in (os.getppid(), {os.getpid()}, {os.getppid()}, -1):
    try:
        os.kill(pid, signal.SIGTERM)
    except (PermissionError, ProcessLookupError):
        continue
    assert pid == 1 or pid == os.getppid() == 1, pid
"""
    assert run(walled, cell).error is None


def test_are_dangerous_system_calls_refused(walled: Sandbox) -> None:
    calls = {
        "a user namespace": "libc.unshare(0x10000000)",
        "a mount": "libc.mount(b'x', b'/scratch', b'tmpfs', 0, 0)",
        "a file in memory": "libc.memfd_create(b'x', 0)",
        "memory that outlives its process": "libc.shmget(0, 4096, 0o1600)",
        "io_uring": "libc.syscall(425, 1, 0)",
        "another user's name": "libc.setuid(0) if os.getuid() else -1",
    }
    with walled.session() as session:
        session.run_cell("import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)", "1")
        for what, call in calls.items():
            assert session.run_cell(f"print({call})", "2").stdout == "-1\n", what


# ------------------------------------------------------------------------------------ network


@contextlib.contextmanager
def server(sock: socket.socket) -> Iterator[list[str]]:
    """Note whoever comes."""
    visitors: list[str] = []
    sock.settimeout(0.1)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                if sock.type == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                else:
                    sock.recv(10)
                visitors.append("somebody")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield visitors
    finally:
        done.set()
        thread.join()
        sock.close()


@pytest.mark.parametrize("kind", ["tcp", "udp", "path", "abstract", "pair"])
def test_is_no_server_reached(walled: Sandbox, kind: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    family = socket.AF_INET if kind in ("tcp", "udp") else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM if kind in ("tcp", "path") else socket.SOCK_DGRAM) as sock:
        path = str(tmp_path / "s")
        where = {"path": path, "pair": path, "abstract": f"\0autograder-{os.getpid()}"}
        sock.bind(where.get(kind, ("127.0.0.1", 0)))
        if kind in ("tcp", "path"):
            sock.listen()
        if kind in where and kind != "abstract":
            os.chmod(path, 0o777)
        make = (
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]"
            if kind == "pair"
            else (f"socket.socket({int(family)}, {int(sock.type)})")
        )
        cell = f"import socket\ns = {make}\ns.settimeout(2)\n"
        how = "s.connect(address)" if kind in ("tcp", "path") else "s.sendto(b'x', address)"
        with server(sock) as visitors:
            result = run(walled, f"{cell}address = {sock.getsockname()!r}\n{how}")
    assert refused(result)
    assert visitors == []


# ---------------------------------------------------------------------------------- processes


def test_does_a_fork_bomb_end_with_its_session(full: Sandbox) -> None:
    with full.session(Limits(cpu_s=5, wall_s=8, processes=16)) as session, contextlib.suppress(SessionDied):
        session.run_cell("import os\nwhile True:\n    os.fork()", "1", 3)
    assert nothing_left(full)


def test_does_a_daemon_end_with_its_session(full: Sandbox) -> None:
    cell = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(100)
    os._exit(0)
"""
    assert full._parent is not None
    with full.session() as session:
        assert session.run_cell(cell, "1").status == "ok"
        assert session.run_cell("time.sleep(0.2)", "2").status == "ok"
        assert len(descendants(full._parent._process.pid)) >= 3
    assert nothing_left(full)


def test_is_the_end_of_the_first_process_the_end_of_all(full: Sandbox) -> None:
    cell = "import os, time\nif os.fork() == 0:\n    time.sleep(100)\nos._exit(0)"
    with full.session() as session, pytest.raises(SessionDied) as died:
        session.run_cell(cell, "1")
    assert died.value.reason == "crashed"


def test_does_the_processor_time_of_all_processes_count(full: Sandbox) -> None:
    burn = "for i in range(3):\n    if os.fork() == 0:\n        while True: pass"
    cell = f"import os, time\n{burn}\ntime.sleep(60)"
    with full.session(Limits(cpu_s=1)) as session, pytest.raises(SessionDied, match="processor time"):
        session.run_cell(cell, "1")


def test_are_new_processes_refused_where_nothing_would_end_them(walled: Sandbox) -> None:
    if walled.tier != "restricted":
        pytest.skip("in the tier full the namespace ends them")
    for cell in ("import os; os.fork()", "import subprocess; subprocess.run(['/bin/true'])"):
        assert refused(run(walled, cell))
    a_thread = "import threading\nt = threading.Thread(target=print)\nt.start(); t.join()"
    assert run(walled, a_thread).error is None


def test_does_shared_memory_count(walled: Sandbox) -> None:
    touch = "import mmap, time\nm = mmap.mmap(-1, 400 * 2**20)\nfor i in range(0, len(m), 4096): m[i] = 1"
    cell = f"{touch}\ntime.sleep(5)"
    with walled.session(Limits(memory_bytes=2**28)) as session, pytest.raises(SessionDied) as died:
        session.run_cell(cell, "1")
    assert died.value.reason == "out_of_memory"


def test_does_nothing_outlive_a_grader_that_was_killed(walled: Sandbox) -> None:
    grader = f"""
import sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from autograder.sandbox import Sandbox
sandbox = Sandbox(tier={walled.tier!r}, torch=False)
session = sandbox.session()
print("up", flush=True)
session.run_cell("import time; time.sleep(100)", "1")
"""
    process = subprocess.Popen([sys.executable, "-c", grader], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"up\n"
    time.sleep(0.2)
    family = descendants(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 5.0
    while (left := {pid for pid in family if Path(f"/proc/{pid}").exists()}) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(family) >= 3
    assert not left


# ------------------------------------------------------------------------------- the protocol


@pytest.mark.parametrize(
    "forgery",
    [
        "wire.sock.sendall(b'garbage ' * 100)",
        "wire.sock.sendall(b'\\xff\\xff\\xff\\xff')",
        "wire.sock.sendall((10**6).to_bytes(4, 'big') + b'[' * 10**6)",
        "import pickle; p = pickle.dumps(request); wire.sock.sendall(len(p).to_bytes(4, 'big') + p)",
        "wire.send({'id': 'x', 'reply': {}})",
        "wire.send({'id': request['id'], 'reply': 7})",
        "wire.send({'id': request['id'], 'reply': dict(outputs=[], gradients={}, facts={}, error=None)})",
        "wire.send([1, 2])",
    ],
)
def test_does_a_forged_message_end_the_session(walled: Sandbox, call: Call, forgery: str) -> None:
    with walled.session() as session:
        session.run_cell(f"def f(x):\n    exec({FIND_WIRE + forgery!r}, {{}})\n    return x", "1")
        with pytest.raises(SessionDied) as died:
            session.observe("f", call)
        assert died.value.reason == "protocol"
        with pytest.raises(SessionDied):
            session.observe("f", call)


def test_is_a_reply_before_its_request_a_violation(walled: Sandbox, call: Call) -> None:
    later = "import threading\nthreading.Timer(0.2, lambda: wire.send({'id': 'x', 'reply': {}})).start()"
    with walled.session() as session:
        assert session.run_cell(FIND_WIRE + later, "1").status == "ok"
        time.sleep(0.4)
        with pytest.raises(SessionDied) as died:
            session.observe("f", call)
    assert died.value.reason == "protocol"


def test_is_a_stolen_id_worth_no_more_than_an_answer(walled: Sandbox, call: Call) -> None:
    forgery = (
        "from autograder.judging.observe import Observation\nimport numpy\n"
        "wire.send({'id': request['id'], 'reply': Observation({'y': numpy.zeros(3)}).tree()})"
    )
    with walled.session() as session:
        session.run_cell(f"def f(x):\n    exec({FIND_WIRE + forgery!r}, {{}})", "1")
        assert np.array_equal(session.observe("f", call).outputs["y"], np.zeros(3))
        with pytest.raises(SessionDied):
            session.observe("f", call)


def test_does_a_half_sent_message_meet_the_deadline(walled: Sandbox) -> None:
    call = Call("function", {"returns": ["y"]}, arguments={"x": np.ones(1)}, wall_limit_s=0.1)
    stall = FIND_WIRE + "wire.sock.sendall(b'\\x00\\x00'); time.sleep(30)"
    with walled.session() as session:
        session.run_cell(f"def f(x):\n    exec({stall!r}, {{}})", "1")
        with pytest.raises(SessionDied) as died:
            session.observe("f", call)
    assert died.value.reason == "timed_out"


def test_does_closing_every_file_end_in_a_plain_death(walled: Sandbox) -> None:
    with walled.session() as session, pytest.raises(SessionDied):
        session.run_cell("import os; os.closerange(0, 1024)", "1")


def test_does_a_lying_subclass_cross_as_a_plain_array(walled: Sandbox, call: Call) -> None:
    cell = """
import numpy as np
class Lie(np.ndarray):
    __array_priority__ = 1e9
    def __eq__(self, other): return np.True_
    def __array_ufunc__(self, *a, **k): return np.True_
    def __reduce__(self): return (print, ('pwned',))
def f(x):
    return np.zeros(3).view(Lie)
"""
    with walled.session() as session:
        session.run_cell(cell, "1")
        got = session.observe("f", call).outputs["y"]
    assert type(got) is np.ndarray
    assert np.array_equal(got, np.zeros(3))


def test_does_a_patched_numpy_stay_where_it_is(walled: Sandbox, call: Call) -> None:
    cell = """
import numpy as np, numpy.testing
np.allclose = np.array_equal = np.testing.assert_allclose = lambda *a, **k: True
def f(x): return x + 1
"""
    with walled.session() as session:
        session.run_cell(cell, "1")
        got = session.observe("f", call).outputs["y"]
    assert not np.allclose(got, call.arguments["x"])


@pytest.mark.parametrize(
    "what", ["Observation.tree = lambda s: {'outputs': 1}", "observe = None", "json = None"]
)
def test_does_a_patched_answerer_never_pass(walled: Sandbox, call: Call, what: str) -> None:
    with walled.session() as session:
        cell = f"import autograder.sandbox.answerer as a\na.{what}\ndef f(x): return x * 1.0"
        session.run_cell(cell, "1")
        with contextlib.suppress(SessionDied):
            seen = session.observe("f", call)
            assert seen.error is not None or np.array_equal(seen.outputs["y"], call.arguments["x"])
