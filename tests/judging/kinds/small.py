"""Small exercises of every kind, prepared and judged in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autograder.judging.exercise import Case, Exercise, Mistake
from autograder.judging.judge import judge
from autograder.judging.observe import observe
from autograder.judging.prepare import Mistaken, Prepared, prepare
from autograder.judging.verdict import Verdict


def exercise(kind: Any, *cases: Case, **more: Any) -> Exercise:
    told = {"title": "Small", "points": 1, "minutes": 1, "difficulty": 1, "source": "school"}
    return Exercise(**told, kind=kind, cases=cases, hints=["One.", "Two."], **more)


def prepared(
    declared: Exercise, track: str = "from_scratch", seed: int = 3, framework: str | None = None
) -> Prepared:
    framework = framework or ("torch" if track == "pytorch" else "numpy")
    wrong = {m.id: Mistaken(m.function, framework) for m in declared.mistakes if m.function and not m.breaks}
    breaking = [m.id for m in declared.mistakes if m.breaks]
    return prepare("small", declared, track, seed, wrong, breaking)


def verdict(
    declared: Exercise,
    answer: Any,
    track: str = "from_scratch",
    functions: Mapping[str, Any] | None = None,
    **more: Any,
) -> Verdict:
    made = prepared(declared, track, **more)
    give = {**(functions or {}), **declared.given}.__getitem__
    return judge(made, lambda case: observe(answer, made.call(case), give))


def mistake(name: str, function: Callable[..., Any]) -> Mistake:
    return Mistake(name, f"This is the slip called {name}.", function=function)
