"""What an exercise is: points, cases, an oracle, mistakes, odd-but-right answers, hints.

Theory of operation
-------------------
An exercise file under ``solutions/<lesson>/exercises/`` builds one `Exercise`.  It is a
declaration: it knows neither notebooks nor grading.  `autograder.judging.prepare` turns it,
with a seed, into a `Prepared` exercise, which is plain data: inputs, expected outputs, the
outputs of the known mistakes and the sentences that go with them.  A casebook is prepared
exercises written to a file; the grader prepares fresh ones from a secret seed.  Both are
judged by the same code (`autograder.judging.judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Mapping[str, Any]]
"""Draws a case's arguments, by name, from a seeded generator."""

TRACKS = ("from_scratch", "pytorch", "reading")


class ExerciseError(Exception):
    """An exercise file says something that cannot be right; the message names what."""


@dataclass(frozen=True)
class Case:
    """One named way to call the answer, drawn anew from every seed.

    Parameters
    ----------
    name : short, unique in the exercise, shown in the card's table.
    says : what is special about it, as a student reads it ("one key only").
    draw : from a seeded generator to the arguments, by the function's parameter names.  Arrays,
        numbers, strings, booleans and None; float64 arrays unless the case is about dtype.
    dtype : cast float arrays to it before the call ("float32", "int64", …); expected values
        are computed from the cast arguments in float64.
    gradients : in the PyTorch track, also judge the gradient that reaches every float input.
    worth : points that this case carries alone; 0 means that it belongs to the base, which is
        earned whole (see `Exercise.points`).
    peak_bytes : most memory that may be allocated at once during the call, from the arguments;
        None does not measure.
    layout : "plain", "fortran" or "strided": how argument arrays lie in memory.
    rtol : overrides the exercise's relative tolerance for this case.
    tracks : only in these tracks; empty means all.
    only_judge : True keeps the case out of the casebook: only the grader uses it.
    """

    name: str
    says: str
    draw: Draw
    dtype: str | None = None
    gradients: bool = True
    worth: float = 0.0
    peak_bytes: Callable[[Mapping[str, Any]], float] | None = None
    layout: str = "plain"
    rtol: float | None = None
    tracks: tuple[str, ...] = ()
    only_judge: bool = False


@dataclass(frozen=True)
class Mistake:
    """A slip that people really make, as a small edit of the worked solution.

    Parameters
    ----------
    id : a short slug, kept for good: reports and people's scripts name it.
    says : what the student reads.  It names the slip and points at the idea; it never gives the line.
    edit : (old text, new text) pairs; each old text stands exactly once in the exercise's cell of
        the worked solution (of the NumPy one where the exercise stands in both tracks, unless
        `track` says otherwise).
    function : a whole function instead, where an edit cannot say it.
    track : the track whose worked solution is edited; None is the first that has the exercise.
    breaks : None for a mistake that gives wrong values; else the property that it breaks:
        "memory", "changes_arguments", "dtype", "type", "autograd", "gradient", "device",
        "error", "range", "not_repeatable".
    same_as : id of another mistake whose outputs are the same everywhere.
    line : for derivations, the wrong line itself, in the derivation's symbols.
    """

    id: str
    says: str
    edit: Sequence[tuple[str, str]] = ()
    function: Callable[..., Any] | None = None
    track: str | None = None
    breaks: str | None = None
    same_as: str | None = None
    line: str | None = None


@dataclass(frozen=True)
class Right:
    """An odd but correct answer that the checks must accept.

    Exactly one of `function` and `source` is given.  `source` is Python text that defines the
    exercise's name and may use whatever the notebook has defined above that exercise.
    """

    id: str
    function: Callable[..., Any] | None = None
    source: str | None = None
    track: str | None = None
    """The track in which it is tried; None is every track that the exercise stands in."""
    lines: Sequence[str] | None = None
    """For derivations: the lines."""


# --------------------------------------------------------------------------- kinds of answers


@dataclass(frozen=True)
class Function:
    """A function from arrays to one array or a tuple of arrays.

    integer : the result is whole numbers (or booleans), compared exactly.
    at_least : no entry may be below it, not even by rounding; None asks for nothing.
    """

    returns: tuple[str, ...] = ("result",)
    integer: bool = False
    at_least: float | None = None


@dataclass(frozen=True)
class Derivation:
    """A list of lines, each equal to the line above, from `start` to `goal`.

    Lines are in SymPy's syntax over `symbols` (name to meaning).  `relations` are equalities that
    may be used anywhere, as symbol name to expression.  The last line must equal `goal` and be
    free of the names in `without`.  At least `min_steps` different lines follow the start.
    """

    symbols: Mapping[str, str]
    start: str
    goal: str
    relations: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    min_steps: int = 2


@dataclass(frozen=True)
class Written:
    """An answer in prose, graded by hand with `rubric`: (points, what earns them) pairs."""

    rubric: Sequence[tuple[float, str]]
    model_answer: str


Kind = Function | Derivation | Written


@dataclass(frozen=True)
class Exercise:
    """All about one exercise; its name is the name of its file.

    Parameters
    ----------
    title : a few words.
    points : all of them; those that no case carries alone (`Case.worth`) are the base, earned
        when every base case passes.  A case's own points count only when the base is earned.
    minutes, difficulty : how long it takes, and 1 to 3.
    source : paper and equation that it comes from.
    kind : what sort of answer it is.
    oracle : from the arguments of a case to the expected result(s) in float64, by another
        algorithm than the worked solution.
    oracle_is_public : the lesson shows that very loop to the student.
    cases, mistakes, also_right, hints : see those classes; hints go from nudge to almost there.
    rtol : relative tolerance in float64; float32 answers get `rtol32`.
    unchecked_mutants : automatic mutants that nothing can kill, as mutant label to reason.
    """

    title: str
    points: float
    minutes: int
    difficulty: int
    source: str
    kind: Kind
    hints: Sequence[str] = ()
    oracle: Callable[..., Any] | None = None
    oracle_is_public: bool = False
    cases: Sequence[Case] = ()
    mistakes: Sequence[Mistake] = ()
    also_right: Sequence[Right] = ()
    rtol: float = 1e-6
    rtol32: float = 1e-4
    unchecked_mutants: Mapping[str, str] = field(default_factory=dict)
