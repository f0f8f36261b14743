"""Functions that an answer is given and that stay outside: called over the wire, never seen."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from autograder.judging.exercise import Case, Exercise, Function, Given, Mistake
from autograder.judging.judge import judge
from autograder.judging.observe import Call
from autograder.judging.prepare import prepare
from autograder.judging.verdict import NOT_YET, PASSED, Verdict
from autograder.sandbox import Sandbox, SessionDied
from tests.sandbox.test_attacks import FIND_WIRE

MARKER = "a-marker-in-the-private-function-83c1"


def private_waves(x: Any) -> Any:
    assert MARKER
    return (np.sin(x) * np.arange(1, 1 + x.size).reshape(x.shape)).sum()


def waves_gradient(function: Any, x: Any) -> Any:
    return np.cos(x) * np.arange(1, 1 + x.size).reshape(x.shape)


GRADIENT = Exercise(
    title="A numerical gradient", points=2, minutes=10, difficulty=1, source="school", kind=Function(),
    oracle=waves_gradient, rtol=1e-5, given={"private_waves": private_waves},
    cases=[Case("matrix", "two by three", lambda rng: {"function": Given("private_waves"), "x": rng.normal(size=(2, 3))})],
    mistakes=[Mistake("scaled", "Twice as large.", function=lambda f, x: 2 * waves_gradient(f, x))],
)  # fmt: skip
NUMERICAL = """
import numpy as np
def numerical_gradient(function, x):
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        gradient[i] = (function(x + step) - function(x - step)) / 2e-5
    return gradient
"""


def running_mean(x: Any) -> Any:
    return np.cumsum(x, 0) / np.arange(1, len(x) + 1)[:, None]


def whole_mean(x: Any) -> Any:
    return x - x.mean(0)


def leaks_one_step(x: Any) -> Any:
    return x + np.roll(x, -1, 0)


NEITHER_LEAKS = {"running_mean": True, "whole_mean": False, "leaks_one_step": False}


def _layer_case(name: str) -> Case:
    return Case(name, f"{name}, eight rows", lambda rng: {"layer": Given(name), "x": rng.normal(size=(8, 2))})


IS_CAUSAL = Exercise(
    title="Causal?", points=2, minutes=10, difficulty=1, source="school",
    kind=Function(integer=True, plain=True), oracle=lambda layer, x: NEITHER_LEAKS[layer.__name__],
    given={f.__name__: f for f in (running_mean, whole_mean, leaks_one_step)},
    cases=[_layer_case(name) for name in NEITHER_LEAKS],
)  # fmt: skip
LOOKS_AHEAD = """
import numpy as np
def is_causal(layer, x):
    for n in range(1, len(x)):
        changed = x.copy()
        changed[n:] += 1.0
        if not np.allclose(layer(changed)[:n], layer(x)[:n]):
            return False
    return True
"""


def judged(
    sandbox: Sandbox, name: str, exercise: Exercise, cell: str, track: str = "from_scratch"
) -> Verdict:
    prepared = prepare(name, exercise, track, 7)
    with sandbox.session() as session:
        assert session.run_cell(cell, "1").error is None
        return judge(
            prepared,
            lambda case: session.observe(name, prepared.call(case), functions=exercise.given),
        )


def test_is_a_numerical_gradient_judged_on_a_function_that_stays_here(sandbox: Sandbox) -> None:
    verdict = judged(sandbox, "numerical_gradient", GRADIENT, NUMERICAL)
    assert verdict.outcome == PASSED, verdict.says
    wrong = judged(sandbox, "numerical_gradient", GRADIENT, NUMERICAL.replace("2e-5", "1e-5"))
    assert wrong.outcome == NOT_YET


def test_is_a_check_of_causality_judged_by_what_it_catches(sandbox: Sandbox) -> None:
    verdict = judged(sandbox, "is_causal", IS_CAUSAL, LOOKS_AHEAD)
    assert verdict.outcome == PASSED, verdict.says
    trusting = judged(sandbox, "is_causal", IS_CAUSAL, "def is_causal(layer, x):\n    return True")
    assert [row.passed for row in trusting.rows] == [True, False, False]


def torch_cube(x: Any) -> Any:
    return (x**3).sum()


def test_do_gradients_flow_through_a_function_that_stays_here(sandbox: Sandbox) -> None:
    x = np.array([1.0, 2.0, -1.0])
    call = Call(
        "function", {"returns": ["y"]}, "torch", {"f": {"$function": "cube"}, "x": x}, {"y": np.array(2.0)}
    )
    with sandbox.session() as session:
        session.run_cell("import torch\ndef g(f, x):\n    return f(2 * x)", "1")
        seen = session.observe("g", call, 30, {"cube": torch_cube})
    assert np.allclose(seen.outputs["y"], 8 * (x**3).sum())
    assert np.allclose(seen.gradients["x"], 2 * 24 * x**2)


SPY = f"""
import dis, gc, inspect, io, sys
import numpy as np
HALVES = {MARKER[:20]!r}, {MARKER[20:]!r}
def disassembly(function):
    out = io.StringIO()
    dis.dis(function, file=out)
    return out.getvalue()
def locals_of_callers():
    frame = sys._getframe()
    while frame:
        yield from list(frame.f_locals.values())
        frame = frame.f_back
def spy(function, x):
    function(x)
    looks = [
        lambda: inspect.getsource(function),
        lambda: function.__code__.co_consts,
        lambda: [cell.cell_contents for cell in function.__closure__ or ()],
        lambda: disassembly(function),
        lambda: [repr(value)[:10000] for value in locals_of_callers()],
        lambda: [repr(o)[:2000] for o in gc.get_objects() if isinstance(o, (str, tuple, dict, list))],
        lambda: open('/proc/self/cmdline').read(),
    ]
    found = []
    for look in looks:
        try:
            found.append(str(look()))
        except Exception as error:
            found.append(type(error).__name__)
    return np.array([sum(''.join(HALVES) in text for text in found), len(found)])
"""


def test_is_the_private_functions_source_out_of_sight(walled: Sandbox) -> None:
    call = Call(
        "function", {"returns": ["y"]}, arguments={"f": {"$function": "private_waves"}, "x": np.ones(3)}
    )
    with walled.session() as session:
        assert session.run_cell(SPY, "1").error is None
        seen = session.observe("spy", call, 20, {"private_waves": private_waves})
    assert seen.error is None, seen.error
    assert seen.outputs["y"].tolist() == [0, 7]


def ask(sandbox: Sandbox, cell: str, wall_limit_s: float = 2.0, **functions: Any) -> Any:
    arguments = {"f": {"$function": "double"}, "x": np.ones(3)}
    call = Call("function", {"returns": ["y"]}, arguments=arguments, wall_limit_s=wall_limit_s)
    with sandbox.session() as session:
        session.run_cell(cell, "1")
        seen = session.observe("g", call, None, functions or {"double": lambda x: 2 * np.asarray(x)})
        assert session.run_cell("print('still here')", "2").stdout == "still here\n"
        return seen


def test_does_a_flood_of_calls_end(best: Sandbox) -> None:
    flood = "def g(f, x):\n    while True:\n        try:\n            f(x)\n        except ValueError: pass"
    begun = time.monotonic()
    seen = ask(best, flood, 1.0)
    assert seen.error["type"] == "TimeLimit"
    assert time.monotonic() - begun < 6


def test_does_a_flood_from_many_threads_end(best: Sandbox) -> None:
    flood = """
import threading
def g(f, x):
    def go():
        while True:
            f(x)
    for _ in range(8): threading.Thread(target=go, daemon=True).start()
    return x
"""
    arguments = {"f": {"$function": "double"}, "x": np.ones(3)}
    call = Call("function", {"returns": ["y"]}, arguments=arguments, wall_limit_s=1.0)
    begun = time.monotonic()
    with best.session() as session:
        session.run_cell(flood, "1")
        try:
            seen = session.observe("g", call, None, {"double": lambda x: x * 2})
            assert np.array_equal(seen.outputs["y"], np.ones(3))
        except SessionDied as died:
            assert died.reason in ("timed_out", "protocol")  # noqa: PT017
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    "arguments",
    [
        "np.ones(10**6)", "np.ones((1000, 1000)), 1", "*[x] * 100", "10**400", "'x' * 10**6", "np.ones((1,) * 20)",
        "np.array([{}])", "None", "np.array(['text'])", "print", "float('nan')", "x + 1j", "",
    ],
)  # fmt: skip
def test_do_hostile_arguments_hurt_nobody_but_the_answer(best: Sandbox, arguments: str) -> None:
    cell = f"import numpy as np\ndef g(f, x):\n    f({arguments})\n    return x"
    try:
        seen = ask(best, cell, 5.0)
        assert seen.error is None or seen.error["type"] in ("ValueError", "TypeError", "WrongForm")
    except SessionDied as died:
        assert died.reason == "protocol"  # noqa: PT017


def test_is_a_function_that_never_comes_back_interrupted(
    best: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograder.sandbox.asking.FUNCTION_LIMIT_S", 0.3)

    def endless(x: Any) -> Any:
        while True:
            x = x + 1

    seen = ask(best, "def g(f, x):\n    return f(x)", 5.0, double=endless)
    assert "did not come back" in seen.error["message"]


@pytest.mark.parametrize(
    "frame",
    ["{'name': 1, 'request': {}}", "{'name': 'double', 'request': {'arguments': 3, 'upstream': None}}", "[]",
     "{'name': 'double', 'request': {'arguments': [{'$integers': [[1], [10**300]]}], 'upstream': None}}",
     "{'name': '__import__', 'request': {'arguments': ['os'], 'upstream': None}}"],
)  # fmt: skip
def test_do_forged_calls_end_in_a_death_or_an_error(best: Sandbox, frame: str) -> None:
    cell = (
        "def g(f, x):\n"
        f"    space = {{}}\n    exec({FIND_WIRE!r}, space)\n"
        f"    space['wire'].send({{'id': space['request']['id'], 'ask': {frame}}})\n"
        "    told = space['wire'].receive()['answer']\n"
        "    return x * ('result' in told)"
    )
    try:
        seen = ask(best, cell, 3.0)
        assert np.array_equal(seen.outputs["y"], np.zeros(3))
    except SessionDied as died:
        assert died.reason == "protocol"  # noqa: PT017
