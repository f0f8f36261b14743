"""From a declared exercise and a seed to plain data that can be judged against.

Theory of operation
-------------------
`prepare` draws every case's arguments, asks the oracle for the right outputs in float64, and
runs each known mistake on the same arguments.  In the PyTorch track it also draws the gradient
of a loss with respect to each output and finds, by central differences of the oracle, the
gradient that must reach each input.  The result holds no code: it can be written to a casebook
or kept by the judge, and it is all that `judge` needs.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from autograder.judging import derivation
from autograder.judging.exercise import Case, Derivation, Exercise, ExerciseError, Function, Written
from autograder.judging.observe import Call

Arrays = dict[str, np.ndarray]
TELLING_SIZE = 5000
"""Cases with more expected numbers than this judge, but don't keep the mistakes' outputs."""


@dataclass
class PreparedCase:
    """A case as data.

    wrong : by mistake, its outputs, or {"error": type name} where the mistake raises.
    """

    name: str
    says: str
    arguments: dict[str, Any]
    expected: Arrays
    wrong: dict[str, dict[str, Any]] = field(default_factory=dict)
    upstream: Arrays = field(default_factory=dict)
    expected_gradients: Arrays = field(default_factory=dict)
    worth: float = 0.0
    peak_bytes: float | None = None
    layout: str = "plain"
    rtol: float = 1e-6
    rtol32: float = 1e-4
    repeat: bool = False


@dataclass
class Prepared:
    """An exercise as data: what a casebook holds and a verdict is reached from.

    mistakes : by id, {"says": sentence, "breaks": property or None}, and for derivations "values".
    """

    name: str
    track: str
    title: str
    points: float
    minutes: int
    difficulty: int
    source: str
    kind: str
    options: dict[str, Any]
    hints: list[str]
    mistakes: dict[str, dict[str, Any]] = field(default_factory=dict)
    cases: list[PreparedCase] = field(default_factory=list)

    def tree(self) -> dict[str, Any]:
        """Return the exercise as plain data for `tree.split`."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["cases"] = [{f.name: getattr(case, f.name) for f in fields(case)} for case in self.cases]
        return data

    @classmethod
    def from_tree(cls, data: Mapping[str, Any]) -> Prepared:
        """Undo `tree`; raises TypeError where a field is missing or unknown."""
        rest = {name: value for name, value in data.items() if name != "cases"}
        return cls(**rest, cases=[PreparedCase(**case) for case in data["cases"]])

    @property
    def framework(self) -> str:
        """What arguments are handed over as: "torch" in the PyTorch track, else "numpy"."""
        return "torch" if self.track == "pytorch" else "numpy"

    def call(self, case: PreparedCase, wall_limit_s: float = 10.0) -> Call:
        """Say how to call an answer on one of the cases."""
        return Call(
            kind=self.kind,
            options=self.options,
            framework=self.framework,
            arguments=case.arguments,
            upstream=case.upstream,
            measure=case.peak_bytes is not None,
            repeat=case.repeat,
            layout=case.layout,
            wall_limit_s=wall_limit_s,
        )


def prepare(
    name: str,
    exercise: Exercise,
    track: str,
    seed: int,
    wrong: Mapping[str, Callable[..., Any]] | None = None,
    breaking: Collection[str] = (),
    public: bool = False,
) -> Prepared:
    """Draw the cases of an exercise for a track.

    Parameters
    ----------
    seed : any non-negative integer; the same seed gives the same cases.
    wrong : the known mistakes with wrong values in this track, as functions by id.
    breaking : ids of the known mistakes that break a property in this track.
    public : True leaves out cases that only the judge may use.

    Raises
    ------
    ExerciseError
        Where the exercise contradicts itself; the message names the exercise and the case.
    """
    kind = exercise.kind
    known = {m.id for m in exercise.mistakes} if isinstance(kind, Derivation) else {*(wrong or {}), *breaking}
    prepared = Prepared(
        name=name,
        track=track,
        title=exercise.title,
        points=float(exercise.points),
        minutes=exercise.minutes,
        difficulty=exercise.difficulty,
        source=exercise.source,
        kind={Function: "function", Derivation: "derivation", Written: "written"}[type(kind)],
        options={},
        hints=list(exercise.hints),
        mistakes={m.id: {"says": m.says, "breaks": m.breaks} for m in exercise.mistakes if m.id in known},
    )
    if isinstance(kind, Written):
        return prepared
    if isinstance(kind, Derivation):
        prepared.options = derivation.options(kind)
        for mistake in exercise.mistakes:
            prepared.mistakes[mistake.id]["values"] = derivation.sample(prepared.options, mistake.line or "")
        return prepared
    prepared.options = {"returns": list(kind.returns), "integer": kind.integer, "at_least": kind.at_least}
    _prepare_cases(prepared, exercise, seed, wrong or {}, public)
    return prepared


def _prepare_cases(
    prepared: Prepared, exercise: Exercise, seed: int, wrong: Mapping[str, Callable[..., Any]], public: bool
) -> None:
    chosen = [
        case
        for case in exercise.cases
        if not (public and case.only_judge) and (not case.tracks or prepared.track in case.tracks)
    ]
    if len({case.name for case in chosen}) != len(chosen) or not chosen:
        raise ExerciseError(f"{prepared.name}: cases need names of their own, and at least one case")
    for index, case in enumerate(chosen):
        entropy = [seed, zlib.crc32(f"{prepared.name}/{case.name}".encode())]
        made = _prepare_case(prepared, exercise, case, np.random.default_rng(entropy))
        made.repeat = index == 0
        if sum(array.size for array in made.expected.values()) <= TELLING_SIZE:
            names = prepared.options["returns"]
            made.wrong = {m: outputs_of(function, made.arguments, names) for m, function in wrong.items()}
        prepared.cases.append(made)


def _prepare_case(
    prepared: Prepared, exercise: Exercise, case: Case, rng: np.random.Generator
) -> PreparedCase:
    arguments = {n: _cast(v, case.dtype) for n, v in case.draw(rng).items()}
    exact = {n: v.astype(np.float64) if _is_real(v) else v for n, v in arguments.items()}
    expected = _ask_oracle(prepared, exercise, case, exact)
    made = PreparedCase(
        name=case.name,
        says=case.says,
        arguments=arguments,
        expected=expected,
        worth=case.worth,
        peak_bytes=None if case.peak_bytes is None else float(case.peak_bytes(arguments)),
        layout=case.layout,
        rtol=case.rtol or exercise.rtol,
        rtol32=max(case.rtol or 0.0, exercise.rtol32),
    )
    if prepared.framework == "torch" and case.gradients and case.dtype is None:
        made.upstream = {n: rng.normal(size=v.shape) for n, v in expected.items()}
        made.expected_gradients = _differences(exercise, prepared.options["returns"], exact, made.upstream)
    return made


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _cast(value: Any, dtype: str | None) -> Any:
    if isinstance(value, np.ndarray) and dtype is not None and value.dtype.kind == "f":
        return value.astype(dtype)
    return value


def _ask_oracle(prepared: Prepared, exercise: Exercise, case: Case, arguments: Mapping[str, Any]) -> Arrays:
    where = f"{prepared.name}, case {case.name!r}"
    if exercise.oracle is None:
        raise ExerciseError(f"{where}: a function needs an oracle")
    outputs = outputs_of(exercise.oracle, arguments, prepared.options["returns"])
    if "error" in outputs:
        raise ExerciseError(f"{where}: the oracle raised {outputs['error']}: {outputs.get('message', '')}")
    if not all(np.all(np.isfinite(v)) for v in outputs.values()):
        raise ExerciseError(f"{where}: the oracle's result is not finite")
    return {
        n: np.asarray(v) if prepared.options["integer"] else v.astype(np.float64) for n, v in outputs.items()
    }


def outputs_of(
    function: Callable[..., Any], arguments: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Call a function of ours on copies; return its outputs by name, or {"error": …, "message": …}."""
    copies = [v.copy() if isinstance(v, np.ndarray) else v for v in arguments.values()]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*copies)
        values = [value] if len(names) == 1 else list(value)
        if len(values) != len(names):
            return {"error": "count", "message": f"{len(values)} outputs for {len(names)} names"}
        arrays = [np.array(v) for v in values]
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)[:200]}
    if any(a.dtype.kind not in "biufc" for a in arrays):
        return {"error": "type", "message": "not numbers"}
    return dict(zip(names, arrays, strict=True))


def _differences(
    exercise: Exercise, names: Sequence[str], arguments: Mapping[str, Any], upstream: Mapping[str, np.ndarray]
) -> Arrays:
    """Central differences of Σ upstream · oracle(arguments), for each float array among the arguments."""
    assert exercise.oracle is not None

    def loss(changed: Mapping[str, Any]) -> float:
        outputs = outputs_of(exercise.oracle, changed, names)  # type: ignore[arg-type]
        return sum(float(np.sum(upstream[n] * outputs[n])) for n in names)

    gradients: Arrays = {}
    for name in [n for n, v in arguments.items() if _is_real(v)]:
        gradient = np.zeros_like(arguments[name])
        for index in np.ndindex(gradient.shape):
            step = 1e-5 * max(1.0, abs(float(arguments[name][index])))
            up, down = arguments[name].copy(), arguments[name].copy()
            up[index] += step
            down[index] -= step
            rise = loss({**arguments, name: up}) - loss({**arguments, name: down})
            gradient[index] = rise / (up[index] - down[index])
        gradients[name] = gradient
    return gradients
