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


@dataclass(frozen=True)
class Given:
    """An argument that is a function: its name among the built-in, the judge's and the public ones."""

    name: str


@dataclass(frozen=True)
class Seed:
    """An argument that is a random generator of the track's framework, with this seed."""

    number: int


@dataclass(frozen=True)
class Linear:
    """How a case sees whether the cost grows like N.

    Parameters
    ----------
    grow : the arguments that are repeated along `axis` to each of `sizes` rows.
    sizes : two numbers of rows, the second four times the first; empty takes 1024 and 4096 in
        NumPy, 512 and 2048 in PyTorch.
    backward : in PyTorch, measure the backward pass too.
    forbid : parts of the names of PyTorch operations that may not be called.
    same_rows : the first rows of the result don't depend on the repetition.
    """

    grow: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    axis: int = 0
    backward: bool = False
    forbid: tuple[str, ...] = ()
    same_rows: bool = True


@dataclass(frozen=True)
class Property:
    """A property beside the values: its name, and the arguments that it is about.

    Names: "causal", "prefix", "permuted" (with arguments); "symmetric", "zero_diagonal",
    "rows_sum_to_one", "unit_rows".
    """

    name: str
    of: tuple[str, ...] = ()


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
    raises : the name of the error that the answer must raise here.
    largest_bytes : the largest array or tensor that may be made, from the arguments.
    total_bytes : all that may be asked for during the call, also what is given back at once, from
        the arguments: for work that shows in memory alone, such as rows that were not gathered.
    linear : also see how the cost grows.
    wall_limit_s : seconds for a call; None is the caller's usual limit.
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
    raises: str | None = None
    largest_bytes: Callable[[Mapping[str, Any]], float] | None = None
    total_bytes: Callable[[Mapping[str, Any]], float] | None = None
    linear: Linear | None = None
    wall_limit_s: float | None = None


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
        "error", "range", "not_repeatable", "gradcheck", "not_linear", "growing_state", "seed",
        "global_rng", "metric", or the name of a `Property`.
    same_as : id of another mistake whose outputs are the same everywhere.
    line, chain : for derivations, the wrong line itself, in the derivation's symbols, and the name of
        the chain that it belongs to where there are several.
    reply : for replies, the wrong reply; None in it stands for anything.
    """

    id: str
    says: str
    edit: Sequence[tuple[str, str]] = ()
    function: Callable[..., Any] | None = None
    track: str | None = None
    breaks: str | None = None
    same_as: str | None = None
    line: str | None = None
    chain: str | None = None
    reply: Sequence[Any] | None = None


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
    lines: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    """For derivations: the lines, by chain where there are several."""
    reply: Any = None
    """For replies: the reply."""


# --------------------------------------------------------------------------- kinds of answers


@dataclass(frozen=True)
class Function:
    """A function from arrays to one array or a tuple of arrays.

    returns : the names of the outputs.
    integer : the result is whole numbers (or booleans), compared exactly; or the outputs that are.
    at_least : no entry may be below it, not even by rounding; None asks for nothing.
    plain : Python numbers, which need be no tensors; or the outputs that are.  Both plain and
        integer means ints of any size.
    form : "tuple", or "dict" with the outputs' names as keys.
    compare : what is compared instead of the entries, see `canonical`; for all outputs or by output.
    """

    returns: tuple[str, ...] = ("result",)
    integer: bool | tuple[str, ...] = False
    at_least: float | None = None
    plain: bool | tuple[str, ...] = False
    form: str = "tuple"
    compare: str | Mapping[str, str] = ""


@dataclass(frozen=True)
class AutogradFunction(Function):
    """A `torch.autograd.Function`, called through ``apply``."""


@dataclass(frozen=True)
class Step:
    """A step function ``(state, *rows) -> (new_state, output)``, run over a sequence.

    state : arguments that make up the state; a single one is handed over bare.
    over : arguments whose rows are the steps.
    returns : names of a step's outputs.
    """

    state: tuple[str, ...]
    over: tuple[str, ...]
    returns: tuple[str, ...] = ("output",)


@dataclass(frozen=True)
class Module:
    """A `torch.nn.Module` class; arguments in neither `build` nor `inputs` are its parameters.

    build, inputs : arguments that it is built from, and called with.
    steps : ``initial_state(batch_size)`` and ``step(row, state)`` must give the same outputs.
    """

    build: tuple[str, ...]
    inputs: tuple[str, ...] = ("x",)
    returns: tuple[str, ...] = ("y",)
    steps: bool = False


@dataclass(frozen=True)
class Sampler:
    """A function that draws with a generator, judged by named `statistics` over `draws` calls."""

    statistics: tuple[str, ...]
    returns: tuple[str, ...] = ("result",)
    draws: int = 1


@dataclass(frozen=True)
class Trained:
    """A function that trains and returns a callable from images to unit rows.

    held_out : the argument that only the trained callable sees.
    labels : the argument with the labels of these, which never reaches the answer.
    metric, options, bar : what is reckoned, with what, and how much of it is enough, by track
        where the tracks' models differ.
    """

    held_out: str
    labels: str
    metric: str
    bar: float | Mapping[str, float]
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A constant, or a tuple of constants with names.

    answer : int, float or text by part.
    rtol : relative tolerance of the parts that are floats.
    explanation : shown when the reply is right, and not to be read before.
    """

    answer: tuple[Any, ...]
    explanation: str
    parts: tuple[str, ...] = ("value",)
    rtol: float = 0.01


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
class Derivations:
    """Several derivations by name; the answer is a dictionary of lists of lines."""

    chains: Mapping[str, Derivation]


@dataclass(frozen=True)
class Written:
    """An answer in prose, graded by hand with `rubric`: (points, what earns them) pairs."""

    rubric: Sequence[tuple[float, str]]
    model_answer: str


Kind = (
    Function
    | AutogradFunction
    | Step
    | Module
    | Sampler
    | Trained
    | Reply
    | Derivation
    | Derivations
    | Written
)

KIND_NAMES: dict[type, str] = {
    Function: "function",
    AutogradFunction: "autograd_function",
    Step: "step",
    Module: "module",
    Sampler: "sampler",
    Trained: "trained",
    Reply: "reply",
    Derivation: "derivation",
    Derivations: "derivation",
    Written: "written",
}


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
    properties : what must hold beside the values.
    given : the judge's own functions that a `Given` argument may name; never released.
    public_part : name of the file under ``public/`` whose functions a `Given` argument may name too.
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
    properties: Sequence[Property] = ()
    given: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    public_part: str | None = None
