"""A small exercise, a small derivation and a small course, for tests that need any at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograder.judging.exercise import Case, Derivation, Exercise, Function, Mistake, Written
from autograder.judging.judge import judge
from autograder.judging.observe import Observation, observe
from autograder.judging.prepare import Prepared, prepare
from autograder.judging.verdict import Verdict

LESSON = "98-scaling"


def rows(count: int, width: int = 4) -> Callable[[np.random.Generator], dict[str, Any]]:
    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {"x": rng.normal(size=(count, width)), "factor": 2.5}

    return draw


def oracle(x, factor):
    return [[entry * factor for entry in row] for row in x.tolist()]


def added(x, factor):
    return x + factor


EXERCISE = Exercise(
    title="Scaling",
    points=2,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Function(),
    hints=["Think of one entry.", "Every entry is multiplied."],
    oracle=oracle,
    cases=[
        Case("typical", "three rows", rows(3)),
        Case("one_row", "one row only", rows(1)),
        Case("float32", "float32 input", rows(5), dtype="float32"),
    ],
    mistakes=[Mistake("added", "The factor was added, but it should multiply.", function=added)],
)

SQUARE = Exercise(
    title="A square",
    points=3,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Derivation(
        symbols={"a": "a", "b": "b", "c": "a + b"},
        start="(a + b)**2",
        goal="a**2 + 2*a*b + b**2",
        relations={"c": "a + b"},
        without=("c",),
    ),
    hints=["Multiply out.", "Collect."],
    mistakes=[Mistake("no_cross_term", "The cross term 2ab is missing.", line="a**2 + b**2")],
)

ESSAY = Exercise(
    title="Why?",
    points=1,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Written(rubric=[(1, "says why")], model_answer="Because it is so."),
)


def scaling(track: str = "from_scratch", seed: int = 1, **changes: Any) -> Prepared:
    """Prepare the small exercise, with some of its fields changed."""
    exercise = dataclasses.replace(EXERCISE, **changes)
    wrong = {m.id: m.function for m in exercise.mistakes if m.function and m.breaks is None}
    breaking = [m.id for m in exercise.mistakes if m.breaks]
    return prepare("scaled", exercise, track, seed, wrong, breaking)


def one_case(track: str = "from_scratch", **changes: Any) -> Prepared:
    """Prepare the small exercise with its first case alone, or with the fields of a case changed."""
    return scaling(track, cases=[dataclasses.replace(EXERCISE.cases[0], **changes)])


def square() -> Prepared:
    return prepare("expand_square", SQUARE, "from_scratch", 1)


def judged(prepared: Prepared, answer: Any, wall_limit_s: float = 10.0) -> Verdict:
    """Judge an answer as a student's session does."""
    return judge(prepared, lambda case: observe(answer, prepared.call(case, wall_limit_s)))


def seen_as(prepared: Prepared, answer: Any) -> Observation:
    """Observe an answer on the first case."""
    return observe(answer, prepared.call(prepared.cases[0]))


# ------------------------------------------------------------------------------- a small course

NOTEBOOK = '''# %% [markdown]
# # Scaling

# %% setup=true
import autograder

lesson = autograder.lesson("98-scaling", track="from_scratch")

# %%
import numpy as np

# %% [markdown]
# **Exercise · `scaled`**

# %% exercise="scaled"
def scaled(x, factor):
    """Return x times factor."""
    ### BEGIN SOLUTION
    product = np.multiply(x, factor)
    return product
    ### END SOLUTION

# %% check="scaled"

# %% study=true
print(scaled(np.ones((2, 2)), 3.0))

# %% exercise="expand_square"
expand_square = [
    "(a + b)**2",
    ### BEGIN SOLUTION
    "a*(a + b) + b*(a + b)",
    "a**2 + 2*a*b + b**2",
    ### END SOLUTION
]

# %% check="expand_square"

# %% [markdown] written="say_why"
# **Written · `say_why`**
#
# Why?
'''

SCALED_FILE = """from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def rows(count):
    return lambda rng: {"x": rng.normal(size=(count, 4)), "factor": 2.5}


def oracle(x, factor):
    return [[entry * factor for entry in row] for row in x.tolist()]


def by_division(x, factor):
    return x / (1 / factor)


exercise = Exercise(
    title="Scaling",
    points=2,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Function(),
    hints=["Think of one entry.", "Every entry is multiplied."],
    oracle=oracle,
    cases=[Case("typical", "three rows", rows(3)), Case("one_row", "one row only", rows(1))],
    mistakes=[
        Mistake("added", "The factor was added, but it should multiply.", edit=[("np.multiply", "np.add")]),
        Mistake(
            "divided", "This divides, but the factor should multiply.", edit=[("np.multiply", "np.divide")]
        ),
    ],
    also_right=[Right("by_division", function=by_division)],
)
"""

SQUARE_FILE = """from autograder.judging.exercise import Derivation, Exercise, Mistake, Right

exercise = Exercise(
    title="A square",
    points=3,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Derivation(
        symbols={"a": "a", "b": "b"}, start="(a + b)**2", goal="a**2 + 2*a*b + b**2"
    ),
    hints=["Multiply out.", "Collect what is alike."],
    mistakes=[Mistake("no_cross_term", "The cross term 2ab is missing here.", line="a**2 + b**2")],
    also_right=[Right("in_one_go", lines=["a*(a + b) + b*(b + a)", "a*a + b*b + 2*a*b"])],
)
"""

ESSAY_FILE = """from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="Why?",
    points=1,
    minutes=5,
    difficulty=1,
    source="school",
    kind=Written(rubric=[(1, "says why it is so")], model_answer="Because the answer is so."),
)
"""

COURSE_FILE = f"""id = "sample"
title = "A sample course"

[late]
penalty_per_day = 0.1
most = 0.5
grace_hours = 6

[[lesson]]
name = "{LESSON}"
tracks = ["from_scratch"]
due = 2027-01-29T23:59:00Z
"""


def write_course(root: Path) -> Path:
    """Write a course with one small lesson; return the lesson's folder."""
    folder = root / "solutions" / LESSON
    (folder / "exercises").mkdir(parents=True)
    (root / "course.toml").write_text(COURSE_FILE, "utf-8")
    (folder / "from_scratch.py").write_text(NOTEBOOK, "utf-8")
    for name, text in (("scaled", SCALED_FILE), ("expand_square", SQUARE_FILE), ("say_why", ESSAY_FILE)):
        (folder / "exercises" / f"{name}.py").write_text(text, "utf-8")
    return folder


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file."""
    text = path.read_text("utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), "utf-8")
