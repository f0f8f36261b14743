"""What a foreign process says of an answer is of the right form, or it is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograder.judging.call import Call, Observation
from autograder.judging.exercise import Case, Exercise, Function, Linear, Property, Reply
from autograder.judging.judge import NO_CASE, judge
from autograder.judging.observe import observe, read_observation
from autograder.judging.prepare import Prepared, prepare
from tests import samples


def _exercise(kind: Any, case: Case, oracle: Any = None, **more: Any) -> Exercise:
    return Exercise("t", 1, 1, 1, "s", kind, oracle=oracle, cases=[case], **more)


def _square(x: Any) -> Any:
    return x * x


def _matrix(rng: Any) -> Any:
    return {"x": rng.normal(size=(4, 4))}


ANSWERS: dict[str, tuple[Exercise, Callable[..., Any], str]] = {
    "function": (
        _exercise(
            Function(at_least=0.0),
            Case("a", "a", _matrix, linear=Linear(grow=("x",), sizes=(8, 32)), peak_bytes=lambda a: 1e9),
            _square,
            properties=[Property("causal", ("x",))],
        ),
        _square,
        "from_scratch",
    ),
    "tensors": (_exercise(Function(), Case("a", "a", _matrix), _square), _square, "pytorch"),
    "integers": (
        _exercise(
            Function(integer=True, plain=True),
            Case("a", "a", lambda rng: {"n": int(rng.integers(9))}),
            lambda n: 10**30 + n,
        ),
        lambda n: 10**30 + n,
        "from_scratch",
    ),
    "columns": (
        _exercise(Function(compare="gram"), Case("a", "a", _matrix), lambda x: x), lambda x: x, "from_scratch",
    ),
    "reply": (_exercise(Reply((3, "yes"), "because", ("n", "word")), Case("a", "a", _matrix)), lambda: 0, "reading"),
    "derivation": (samples.SQUARE, lambda: 0, "from_scratch"),
}  # fmt: skip


def _prepared(which: str) -> Prepared:
    exercise, _, track = ANSWERS[which]
    return prepare("answer", exercise, track, 3)


def _honest(which: str, prepared: Prepared) -> Observation:
    answer: Any = ANSWERS[which][1]
    if which == "reply":
        answer = (3, "yes")
    if which == "derivation":
        answer = ["(a + b)*(a + b)", "a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"]
    return observe(answer, _call(prepared))


def _call(prepared: Prepared) -> Call:
    return prepared.call(prepared.cases[0] if prepared.cases else NO_CASE)


ODD: list[Callable[[random.Random], Any]] = [
    lambda r: None, lambda r: 5, lambda r: -1, lambda r: 10**400, lambda r: float("nan"), lambda r: float("inf"),
    lambda r: True, lambda r: "text", lambda r: "", lambda r: "<script>alert(1)</script>" * 50, lambda r: [],
    lambda r: {}, lambda r: [[[]]], lambda r: {"type": 1}, lambda r: np.zeros((0,)), lambda r: np.array(1 + 2j),
    lambda r: np.array([10**50], object), lambda r: np.zeros((4, 4), "f2"), lambda r: np.full((4, 4), 1j),
    lambda r: np.zeros((4, 4), bool), lambda r: np.full((4, 4), 255, "u1"), lambda r: np.full((4, 4), 1e308),
    lambda r: np.full((4, 4), np.nan), lambda r: np.full((4, 4), -(2**63), "i8"), lambda r: ["x", 3],
    lambda r: np.full((4, 4), 2**64 - 1, "u8"), lambda r: np.array([[10**400] * 4] * 4, object),
]  # fmt: skip


def _mutate(tree: Any, rng: random.Random) -> Any:
    """Return the tree with something odd at a random place."""
    if rng.random() < 0.25 or not isinstance(tree, (dict, list)) or not tree:
        return rng.choice(ODD)(rng)
    if isinstance(tree, list):
        place = rng.randrange(len(tree))
        return [_mutate(item, rng) if i == place else item for i, item in enumerate(tree)]
    key = rng.choice(list(tree))
    changed = dict(tree)
    move = rng.random()
    if move < 0.1:
        del changed[key]
    elif move < 0.2:
        changed[rng.choice(["minima", "tensors", "undefined", "lines", "reply", "x", "problem"])] = (
            rng.choice(ODD)(rng)
        )
    else:
        changed[key] = _mutate(tree[key], rng)
    return changed


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("which", list(ANSWERS))
def test_does_no_observation_whatever_it_says_stop_the_judge(which: str) -> None:
    prepared = _prepared(which)
    honest = _honest(which, prepared).tree()
    rng = random.Random(which)
    judged = 0
    for _ in range(400):
        tree = {**honest, **{k: _mutate(honest[k], rng) for k in rng.sample(list(honest), rng.randint(1, 2))}}
        if rng.random() < 0.3:
            tree["outputs"] = {n: rng.choice(ODD)(rng) for n in honest["outputs"]}
        try:
            seen = read_observation(tree, _call(prepared))
        except ValueError:
            continue
        verdict = judge(prepared, lambda case, seen=seen: seen)
        assert repr(verdict)
        verdict._repr_html_()
        judged += 1
    assert judged > 20


@pytest.mark.parametrize("which", list(ANSWERS))
def test_is_what_an_honest_answer_gives_accepted(which: str) -> None:
    prepared = _prepared(which)
    seen = Observation.from_tree(_honest(which, prepared).tree())
    assert judge(prepared, lambda case: seen).passed


@pytest.mark.parametrize(
    "facts",
    [{"printed": 5}, {"printed": {"lines": "many", "head": ""}}, {"growth": {"sizes": []}}, {"peak_bytes": "none"},
     {"minima": {"y": "low"}}, {"tensors": {"z": True}}, {"unheard_of": 1}, {"warnings": [1]}, {"types": {}}],
)  # fmt: skip
def test_is_a_fact_of_another_form_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an observation"):
        Observation.from_tree(Observation({"y": np.zeros(2)}, {}, facts).tree())


def test_is_an_error_without_text_refused() -> None:
    with pytest.raises(ValueError, match="error"):
        Observation.from_tree(Observation(error={"type": 3, "message": []}).tree())


def test_are_whole_numbers_of_any_size_refused_where_none_are_asked_for() -> None:
    prepared = _prepared("function")
    call = _call(prepared)
    with pytest.raises(ValueError, match="any size"):
        read_observation(Observation({"result": np.array([10**400], object)}).tree(), call)


def test_does_a_forged_minimum_not_stand_for_the_outputs_own() -> None:
    prepared = _prepared("function")
    call = _call(prepared)
    seen = read_observation(Observation({"result": np.zeros(2)}, {}, {"minima": {"other": 1.0}}).tree(), call)
    assert "minima" not in seen.facts
