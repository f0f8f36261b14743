"""Memory and time that are read where an answer cannot touch them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograder.grading import roomy
from autograder.grading.outside import Clock
from autograder.grading.run import Runner
from autograder.judging.exercise import Case, Exercise, Function, Linear
from autograder.judging.observe import Call
from autograder.judging.prepare import prepare
from autograder.sandbox import Limits, Sandbox, best_tier
from tests.grading.desk import SQUARE, Desk, outcomes


def worked(a: Any, b: Any) -> Any:
    return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T


def small(arguments: Any) -> float:
    a, b = arguments["a"], arguments["b"]
    return float(48 * (a.size + b.size + len(a) * len(b)))


CASE = Case(
    "m", "m", lambda rng: {"a": rng.normal(size=(40, 200)), "b": rng.normal(size=(30, 200))}, peak_bytes=small
)
EXERCISE = Exercise("t", 1, 1, 1, "s", Function(), oracle=worked, cases=[CASE])
ROWS = Case("n", "n", lambda rng: {"x": rng.normal(size=(6, 3))}, linear=Linear(grow=("x",)))
SUMS = Exercise("t", 1, 1, 1, "s", Function(), oracle=lambda x: x - x[0], cases=[ROWS])
FORGE = """
import numpy as np
import autograder.sandbox.answerer as answerer
real = answerer.observe
def observe(answer, call, give=None):
    seen = real(answer, call, give)
    seen.facts.update(peak_bytes=0, largest_bytes=0)
    return seen
answerer.observe = observe
"""
ANSWERS = {
    "def f(a, b): return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T": True,
    "def f(a, b): return np.stack([((row - b) ** 2).sum(-1) for row in a])": True,
    "def f(a, b): return ((a[:, None] - b[None]) ** 2).sum(-1)": False,
    "def f(a, b): return np.zeros((len(a), len(b)))": False,
    "def f(a, b): raise ValueError('too many rows')": False,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tier=best_tier(), torch=False) as made:
        yield made


@pytest.mark.parametrize("source", ANSWERS)
def test_is_memory_seen_whatever_the_process_says_of_it(sandbox: Sandbox, source: str) -> None:
    if sandbox.tier == "none":
        pytest.skip("nothing limits the memory here")
    asked = roomy.make(prepare("f", EXERCISE, "from_scratch", 1), {"m": CASE}, worked, {}, "numpy")
    assert asked is not None
    with sandbox.session(Limits(memory_bytes=asked.memory_bytes, exact_memory=True)) as session:
        session.run_cell(FORGE + source, "1")
        assert asked.is_answered_by(session.observe("f", asked.call)) is ANSWERS[source]


def test_has_a_loop_over_rows_of_tensors_room_enough() -> None:
    if best_tier() == "none":
        pytest.skip("nothing limits the memory here")
    asked = roomy.make(prepare("f", EXERCISE, "pytorch", 1), {"m": CASE}, worked, {}, "numpy")
    assert asked is not None
    source = "import torch\ndef f(a, b): return torch.stack([((row - b) ** 2).sum(-1) for row in a])"
    limits = Limits(memory_bytes=asked.memory_bytes, exact_memory=True)
    with Sandbox() as with_torch, with_torch.session(limits) as session:
        session.run_cell(source, "1")
        assert asked.is_answered_by(session.observe("f", asked.call))


ROOMY_ANSWERS = {
    "np.asarray(x) * factor": (False, 1),
    # Other cells have freed memory, which the C library keeps: the session of its own decides.
    "np.asarray(x) * factor * len(kept)": (False, 2),
    "table(x) * np.asarray(x) * factor": (True, 2),
    # The process ends where it gets no memory; what comes after it is judged all the same.
    "ended(x) * np.asarray(x) * factor": (True, 3),
}
HELPERS = """
import os
def table(x):
    if len(x) > 100:
        np.ones((len(x), 2**14))
    return 1
def ended(x):
    try:
        return table(x)
    except MemoryError:
        os._exit(3)
"""
KEEPS = """
block = bytearray(2**25 - 2**16)
del block
kept = [1.0]
pins = []
for size, count, every in [(200_000, 500, 8), (1_500_000, 68, 8), (11_000_000, 11, 5)]:
    blocks = [bytearray(size) for _ in range(count)]
    pins += blocks[every - 1 :: every]
    del blocks
"""


@pytest.mark.parametrize("answer", ROOMY_ANSWERS)
def test_is_memory_checked_in_the_session_where_that_suffices(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    if desk.marker._sandbox().tier != "full":
        pytest.skip("the limits of a session can be changed in the tier full only")
    x = np.linspace(1, 2, 2**12)
    call = Call("function", {"returns": ["result"], "properties": []}, arguments={"x": x, "factor": 3.0})
    asked = roomy.Roomy(call, {"result": x * 3.0}, 2**28)
    monkeypatch.setattr(type(desk.key), "roomy", lambda *_: asked if _[1] == "scaled" else None)
    sessions: list[Limits] = []
    start = Sandbox.session

    def counted(sandbox: Sandbox, limits: Limits, files: Any) -> Any:
        sessions.append(limits)
        return start(sandbox, limits, files)

    def judged(runner: Runner, name: str) -> bool:
        found.append(takes_too_much(runner, name))
        return found[-1]

    found: list[bool] = []
    takes_too_much = Runner._takes_too_much
    monkeypatch.setattr(Runner, "_takes_too_much", judged)
    monkeypatch.setattr(Sandbox, "session", counted)
    scaled = f"{HELPERS if 'kept' not in answer else KEEPS}def scaled(x, factor):\n    return {answer}\n"
    result = desk.mark(desk.filled({"scaled": scaled, "expand_square": SQUARE}))
    too_much, count = ROOMY_ANSWERS[answer]
    assert outcomes(result)["expand_square"] == "passed"
    assert (found[0], len(sessions)) == (too_much, count)


def test_is_there_nothing_to_call_without_a_limit_on_memory() -> None:
    free = dataclasses.replace(EXERCISE, cases=[dataclasses.replace(CASE, peak_bytes=None)])
    assert (
        roomy.make(prepare("f", free, "from_scratch", 1), {"m": free.cases[0]}, worked, {}, "numpy") is None
    )


@pytest.mark.parametrize(
    ("source", "linear"),
    [
        ("def f(x): return x - x[0]", True),
        ("def f(x):\n    for row in x: np.sqrt(((x - row) ** 2).sum(1))\n    return x - x[0]", False),
    ],
)
def test_is_processor_time_read_from_outside(sandbox: Sandbox, source: str, linear: bool) -> None:
    prepared = prepare("f", SUMS, "from_scratch", 1)
    with sandbox.session() as session:
        if session.cpu_s() is None:
            pytest.skip("the system does not tell")
        lie = "import numpy as np, time\ntime.process_time = time.monotonic = lambda: 0.0\n"
        session.run_cell(lie + source, "1")
        clock = Clock(session, prepared, {})
        few, many = (clock.seconds(prepared.cases[0], size) for size in (1024, 4096))
    assert (many < 8 * max(few, 0.01)) is linear


def test_does_giving_up_for_many_rows_gain_nothing(sandbox: Sandbox) -> None:
    prepared = prepare("f", SUMS, "from_scratch", 1)
    with sandbox.session() as session:
        session.run_cell("def f(x): return x * 0 if len(x) > 100 else x - x[0]", "1")
        clock = Clock(session, prepared, {})
        assert clock.seconds(prepared.cases[0], 1024) == np.inf
