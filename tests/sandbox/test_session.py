"""Sessions of ordinary and of broken answers, in every tier."""

from __future__ import annotations

import time

import numpy as np
import pytest

from autograder.judging.observe import Call
from autograder.sandbox import Limits, Sandbox, SessionDied


def test_do_values_cross_the_pipe(sandbox: Sandbox, call: Call) -> None:
    with sandbox.session() as session:
        assert session.run_cell("def f(x):\n    return 2 * x", "1").status == "ok"
        seen = session.observe("f", call)
    assert np.array_equal(seen.outputs["y"], 2 * call.arguments["x"])
    assert seen.error is None


def test_do_gradients_cross_the_pipe(sandbox: Sandbox) -> None:
    x, upstream = np.arange(1.0, 4.0), np.array([1.0, -2.0, 0.5])
    call = Call("function", {"returns": ["y"]}, "torch", {"x": x}, {"y": upstream})
    with sandbox.session() as session:
        session.run_cell("import torch\ndef f(x):\n    return x ** 2", "1")
        seen = session.observe("f", call, 30)
    assert np.allclose(seen.outputs["y"], x**2)
    assert np.allclose(seen.gradients["x"], 2 * x * upstream)


def test_does_a_missing_name_say_undefined(best: Sandbox, call: Call) -> None:
    with best.session() as session:
        assert session.observe("nobody", call).facts == {"undefined": True}


def test_does_the_place_of_an_observation_count(best: Sandbox, call: Call) -> None:
    with best.session() as session:
        session.run_cell("def f(x): return x * 1.0", "1")
        before = session.observe("f", call).outputs["y"]
        session.run_cell("def f(x): return x * -1.0", "2")
        after = session.observe("f", call).outputs["y"]
    assert np.array_equal(before, -after)


def test_are_sessions_strangers_to_each_other(sandbox: Sandbox, call: Call) -> None:
    with sandbox.session() as first, sandbox.session() as second:
        first.run_cell("import numpy; numpy.sum = None; left_behind = 1\ndef f(x): return x", "1")
        assert second.run_cell("import numpy; numpy.sum([1]); 'left_behind' in globals()", "1").status == "ok"
        assert second.observe("f", call).facts == {"undefined": True}


def test_do_magics_and_top_level_await_work(sandbox: Sandbox) -> None:
    cell = "%matplotlib inline\n%timeit -n1 -r1 1\nimport asyncio\nawait asyncio.sleep(0)\nprint('here')"
    with sandbox.session() as session:
        result = session.run_cell(cell, "1")
    assert (result.status, result.error) == ("ok", None)
    assert result.stdout.endswith("here\n")


def test_is_a_figure_drawn_without_a_screen(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        cell = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('f.png')"
        assert session.run_cell(cell, "1").status == "ok"


def test_does_the_first_cell_of_a_notebook_work_without_a_casebook(sandbox: Sandbox) -> None:
    cell = "import autograder\nlesson = autograder.lesson('01-kernel-attention', track='from_scratch')"
    with sandbox.session() as session:
        result = session.run_cell(cell, "setup")
    assert (result.status, result.error, result.stdout) == ("ok", None, "")


def test_are_files_laid_into_the_working_folder(sandbox: Sandbox) -> None:
    with sandbox.session(files={"data/words.txt": b"one two"}) as session:
        result = session.run_cell("print(open('data/words.txt').read())", "1")
    assert result.stdout == "one two\n"


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_is_a_file_outside_the_working_folder_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(OSError, match="leads out"):
        sandbox.session(files={name: b""})


def test_does_an_error_name_the_line(best: Sandbox) -> None:
    with best.session() as session:
        error = session.run_cell("a = 1\n1 / 0", "1").error
    assert error is not None
    assert (error["type"], error["line"], error["line_number"]) == ("ZeroDivisionError", "1 / 0", 2)


def test_does_a_cell_that_is_not_python_give_its_line(best: Sandbox) -> None:
    with best.session() as session:
        error = session.run_cell("a = 1\nb = = 2", "1").error
    assert error is not None
    assert (error["type"], error["line_number"]) == ("SyntaxError", 2)


@pytest.mark.parametrize(
    "end", ["raise SystemExit(3)", "import sys; sys.exit()", "raise KeyboardInterrupt", "raise BaseException"]
)
def test_does_a_session_outlive_an_exception(sandbox: Sandbox, call: Call, end: str) -> None:
    with sandbox.session() as session:
        assert session.run_cell(end, "1").status == "error"
        session.run_cell(f"def f(x):\n    {end}", "2")
        assert session.observe("f", call).error is not None
        assert session.run_cell("print('still here')", "3").stdout == "still here\n"


def test_is_output_bounded_and_cleaned(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(output_bytes=1000)) as session:
        assert session.run_cell("print('\\x1b[31mred\\x07')", "1").stdout == "red\n"
        flood = "import os\nfor i in range(20000):\n    print('x' * 100)\n    os.write(1, b'y' * 100)"
        assert len(session.run_cell(flood, "2").stdout) <= 1000
        assert "output" in session.close().tripped


@pytest.mark.parametrize(
    ("cell", "reason", "says"),
    [
        ("import os; os._exit(0)", "crashed", "exit status 0"),
        ("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGABRT)", "crashed", "SIGABRT"),
    ],
)
def test_does_a_death_say_how(sandbox: Sandbox, call: Call, cell: str, reason: str, says: str) -> None:
    with sandbox.session() as session:
        with pytest.raises(SessionDied, match=says) as died:
            session.run_cell(cell, "the cell")
        assert died.value.reason == reason
        with pytest.raises(SessionDied) as again:
            session.observe("f", call)
        assert again.value is died.value


def test_does_an_endless_loop_reach_the_processor_limit(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(cpu_s=1.0)) as session:
        with pytest.raises(SessionDied, match="processor time") as died:
            session.run_cell(
                "while True:\n    try:\n        while True: pass\n    except BaseException: pass", "1"
            )
        assert died.value.reason == "timed_out"
        assert session.close().cpu_s >= 0.5


def test_does_a_sleeping_cell_reach_the_wall_limit(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(wall_s=0.7)) as session:
        with pytest.raises(SessionDied, match="still running") as died:
            session.run_cell("import time; time.sleep(60)", "1")
        assert died.value.reason == "timed_out"
        assert session.close().cpu_s < 5


def test_does_a_loop_in_an_answer_cost_the_call_alone(sandbox: Sandbox) -> None:
    call = Call("function", {"returns": ["y"]}, arguments={"x": np.ones(1)}, wall_limit_s=0.3)
    with sandbox.session() as session:
        session.run_cell("def f(x):\n    n = 0\n    while True: n += 1", "1")
        seen = session.observe("f", call)
        assert seen.error is not None
        assert seen.error["type"] == "TimeLimit"
        assert session.run_cell("1", "2").status == "ok"


def test_is_an_answer_that_ignores_its_limit_ended(sandbox: Sandbox) -> None:
    call = Call("function", {"returns": ["y"]}, arguments={"x": np.ones(1)}, wall_limit_s=0.1)
    begun = time.monotonic()
    with sandbox.session() as session:
        session.run_cell("import time\ndef f(x):\n    time.sleep(60)", "1")
        with pytest.raises(SessionDied) as died:
            session.observe("f", call)
    assert died.value.reason == "timed_out"
    assert time.monotonic() - begun < 10


def test_does_too_large_an_array_raise_inside(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(memory_bytes=2**28)) as session:
        error = session.run_cell("import numpy as np\na = np.ones((10**5, 10**4))", "1").error
    assert error is not None
    assert "MemoryError" in error["type"]


def test_does_an_answer_too_large_to_send_give_an_error(best: Sandbox, call: Call) -> None:
    with best.session() as session:
        session.run_cell("import numpy as np\ndef f(x): return np.zeros(40 * 10**6)", "1")
        seen = session.observe("f", call)
    assert seen.error is not None
    assert "too large" in seen.error["message"]


def test_is_a_very_long_cell_an_error_and_not_a_fault(best: Sandbox) -> None:
    with best.session() as session:
        assert session.run_cell("x = '" + "é" * 500_000 + "'", "1").status == "error"
        assert session.run_cell("x = '" + "é" * 100_000 + "'", "1").status == "ok"


def test_does_a_closed_session_say_so(sandbox: Sandbox) -> None:
    session = sandbox.session()
    usage = session.close()
    assert session.close() is usage
    assert usage.tier == sandbox.tier
    with pytest.raises(ValueError, match="closed"):
        session.run_cell("1", "1")
