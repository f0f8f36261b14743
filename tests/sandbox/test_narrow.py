"""Memory taken from a session for one call: can foreign code keep more, or take it back?"""

from __future__ import annotations

import pytest

from autograder.sandbox import Sandbox, Session, SessionDied

ROOM = 200 * 2**20
TAKE = "import numpy as np\ntaken = np.ones(2**25)"  # 256 MB
FORK = """
import os, numpy as np
ready, tell = os.pipe()
back, answer = os.pipe()
if os.fork() == 0:
    os.read(ready, 1)
    try:
        np.ones(2**25)
        os.write(answer, b"taken")
    except MemoryError:
        os.write(answer, b"refused")
    os._exit(0)
"""
MANY = """
import os, time, numpy as np
ready, tell = os.pipe()
back, answer = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.read(ready, 1)
        held = np.ones(15 * 2**20)  # 120 MB
        time.sleep(5)
        os.write(answer, b".")
        os._exit(0)
"""
ASK_THE_FORK = "os.write(tell, b'.'); print(os.read(back, 9).decode())"


def error_of(session: Session, cell: str) -> str:
    error = session.run_cell(cell, "1").error
    return "" if error is None else str(error["type"])


def test_is_there_less_memory_for_a_while(full: Sandbox) -> None:
    with full.session() as session:
        with session.narrowed(ROOM) as narrow:
            assert narrow
            assert error_of(session, TAKE) == "MemoryError"
        assert error_of(session, TAKE) == ""


@pytest.mark.parametrize(
    "way",
    [
        "resource.setrlimit(resource.RLIMIT_DATA, (limits[1], limits[1]))",
        "resource.prlimit(0, resource.RLIMIT_DATA, (limits[1], limits[1]))",
        "resource.prlimit(os.getpid(), resource.RLIMIT_AS, (limits[1], limits[1]))",
        "ctypes.CDLL(None, use_errno=True).syscall(160, 2, ctypes.byref((ctypes.c_ulong * 2)(2**40, 2**40)))",
    ],
)
def test_can_the_memory_not_be_taken_back(full: Sandbox, way: str) -> None:
    with full.session() as session:
        session.run_cell(
            "import ctypes, os, resource; limits = resource.getrlimit(resource.RLIMIT_DATA)", "1"
        )
        with session.narrowed(ROOM) as narrow:
            assert narrow
            session.run_cell(way, "2")
            assert error_of(session, TAKE) == "MemoryError"


@pytest.mark.parametrize("held", [TAKE, "import mmap\nheld = mmap.mmap(-1, 2**29)"])
def test_is_a_session_that_holds_more_already_not_narrowed(full: Sandbox, held: str) -> None:
    with full.session() as session:
        assert error_of(session, held) == ""
        with session.narrowed(ROOM) as narrow:
            assert not narrow
            assert error_of(session, TAKE) == ""


def test_do_processes_that_were_forked_before_get_no_more(full: Sandbox) -> None:
    with full.session() as session:
        assert error_of(session, FORK) == ""
        with session.narrowed(ROOM) as narrow:
            assert narrow
            assert session.run_cell(ASK_THE_FORK, "2").stdout == "refused\n"


def test_do_many_processes_together_get_no_more(full: Sandbox) -> None:
    with full.session() as session:
        assert error_of(session, MANY) == ""
        with session.narrowed(ROOM) as narrow:
            assert narrow
            with pytest.raises(SessionDied):
                session.run_cell("os.write(tell, b'....'); os.read(back, 1); time.sleep(5)", "2")
    assert "memory" in session.close().tripped


def test_is_a_session_without_a_namespace_left_as_it_is(sandbox: Sandbox) -> None:
    with sandbox.session() as session, session.narrowed(ROOM) as narrow:
        assert narrow is (sandbox.tier == "full")


def test_does_a_process_that_ends_for_want_of_memory_end_its_session(full: Sandbox) -> None:
    ends = "import os, numpy as np\ntry:\n    np.ones(2**25)\nexcept MemoryError:\n    os._exit(3)"
    with full.session() as session, pytest.raises(SessionDied), session.narrowed(ROOM):
        session.run_cell(ends, "1")
