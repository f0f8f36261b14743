"""From a declared exercise and a seed to plain data that can be judged against.

Theory of operation
-------------------
`prepare` draws every case's arguments, asks the oracle for the right outputs in float64, and
runs each known mistake on the same arguments.  In the PyTorch track it also draws the gradient
of a loss with respect to each output, and a direction for each input; central differences of
the oracle give the loss's slope along each direction, which the gradient that reaches the
input must have too.  A wrong gradient has the right slope along a random direction with
probability zero, and two calls of the oracle are enough.  The result holds no code: it can be
written to a casebook or kept by the judge, and it is all that `judge` needs.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from autograder.judging import options as kind_options
from autograder.judging import sealed, statistics
from autograder.judging.canonical import canonical
from autograder.judging.derivation import sample
from autograder.judging.exercise import (
    KIND_NAMES,
    Case,
    Derivation,
    Derivations,
    Exercise,
    ExerciseError,
    Given,
    Linear,
    Reply,
    Sampler,
    Seed,
    Trained,
    Written,
)
from autograder.judging.kinds.function import named, plain_integers
from autograder.judging.observe import Call, Observation, observe
from autograder.judging.values import GIVEN, SEED, as_outputs, copy, find_function, to_array, to_integers

Arrays = dict[str, np.ndarray]
STEP = 1e-5
"""Of central differences, in units of a direction with entries of about one."""
TELLING_SIZE = 5000
"""Cases with more expected numbers than this judge, but don't keep the mistakes' outputs."""


@dataclass
class PreparedCase:
    """A case as data.

    wrong : by mistake, its outputs, or {"error": type name} where the mistake raises.
    spread : by output, how far entries may be off; outputs without one are judged by `rtol`.
    upstream, directions, slopes : by output, the gradient of a loss; by input, a direction and
        the loss's slope along it.
    raises : the name of the error that the answer must raise.
    linear : how to grow the arguments to see how the cost grows; empty doesn't.
    private : arguments of the judge alone, which never reach the answer.
    """

    name: str
    says: str
    arguments: dict[str, Any]
    expected: Arrays
    wrong: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    upstream: Arrays = field(default_factory=dict)
    directions: Arrays = field(default_factory=dict)
    slopes: dict[str, float] = field(default_factory=dict)
    worth: float = 0.0
    peak_bytes: float | None = None
    layout: str = "plain"
    rtol: float = 1e-6
    rtol32: float = 1e-4
    repeat: bool = False
    spread: Arrays = field(default_factory=dict)
    raises: str | None = None
    largest_bytes: float | None = None
    total_bytes: float | None = None
    linear: dict[str, Any] = field(default_factory=dict)
    wall_limit_s: float | None = None
    private: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistaken:
    """A known mistake as something to call, and the framework that it is written in."""

    answer: Any
    framework: str = "numpy"


def framework(track: str) -> str:
    """Return what arguments are handed over as in a track: "torch" in the PyTorch track, else "numpy"."""
    return "torch" if track == "pytorch" else "numpy"


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
        """What arguments are handed over as."""
        return framework(self.track)

    def call(self, case: PreparedCase, wall_limit_s: float = 10.0, cpu_outside: bool = False) -> Call:
        """Say how to call an answer on one of the cases.

        cpu_outside : somebody else reads the CPU time of calls with many rows.
        """
        return Call(
            kind=self.kind,
            options=self.options,
            framework=self.framework,
            arguments=case.arguments,
            upstream=case.upstream,
            measure=any(most is not None for most in (case.peak_bytes, case.largest_bytes, case.total_bytes)),
            repeat=case.repeat,
            layout=case.layout,
            wall_limit_s=max(wall_limit_s, case.wall_limit_s or 0.0),
            properties=[] if case.raises else self.options.get("properties", []),
            linear=case.linear and {**case.linear, "outside": cpu_outside},
        )


def prepare(
    name: str,
    exercise: Exercise,
    track: str,
    seed: int,
    wrong: Mapping[str, Callable[..., Any] | Mistaken] | None = None,
    breaking: Collection[str] = (),
    public: bool = False,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    only: str | None = None,
) -> Prepared:
    """Draw the cases of an exercise for a track.

    Parameters
    ----------
    seed : any non-negative integer; the same seed gives the same cases.
    wrong : the known mistakes with wrong values in this track, by id; bare ones take NumPy arrays.
    breaking : ids of the known mistakes that break a property in this track.
    public : True leaves out cases that only the judge may use.
    functions : those of the exercise's public part, which `Given` arguments may name.
    only : the one case to draw; it is what it would be among all of them.

    Raises
    ------
    ExerciseError
        Where the exercise contradicts itself; the message names the exercise and the case.
    """
    kind = exercise.kind
    textual = isinstance(kind, (Derivation, Derivations, Reply))
    known = {m.id for m in exercise.mistakes} if textual else {*(wrong or {}), *breaking}
    prepared = Prepared(
        name=name,
        track=track,
        title=exercise.title,
        points=float(exercise.points),
        minutes=exercise.minutes,
        difficulty=exercise.difficulty,
        source=exercise.source,
        kind=KIND_NAMES[type(kind)],
        options=kind_options.options(name, kind, exercise.properties, track),
        hints=list(exercise.hints),
        mistakes={m.id: {"says": m.says, "breaks": m.breaks} for m in exercise.mistakes if m.id in known},
    )
    if isinstance(kind, Reply):
        _seal(prepared, exercise, kind, seed)
    elif textual:
        for mistake in exercise.mistakes:
            statement = kind_options.statement(prepared.options, mistake.chain)
            told = {"values": sample(statement, mistake.line or ""), "chain": mistake.chain}
            prepared.mistakes[mistake.id].update(told)
    elif not isinstance(kind, Written):
        _Preparer(prepared, exercise, seed, wrong or {}, functions or {}).prepare(public, only)
    return prepared


def cases_of(exercise: Exercise, track: str, public: bool = False) -> list[Case]:
    """Return the cases of an exercise in a track, as they are declared.

    public : True leaves out cases that only the judge may use.
    """
    return [
        case
        for case in exercise.cases
        if not (public and case.only_judge) and (not case.tracks or track in case.tracks)
    ]


def _seal(prepared: Prepared, exercise: Exercise, kind: Reply, seed: int) -> None:
    """Put the explanation and the mistakes' sentences in, to be read with the reply alone."""
    rtols = [kind.rtol if isinstance(part, float) else 0.0 for part in kind.answer]
    salt = f"{zlib.crc32(prepared.name.encode()):08x}{seed}"
    prepared.options.update(
        rtols=rtols, salt=salt, right=sealed.seal(kind.answer, rtols, salt, kind.explanation)
    )
    for mistake in exercise.mistakes:
        reply = list(mistake.reply or ())
        prepared.mistakes[mistake.id] = {
            "says": "",
            "breaks": None,
            "wild": [part is None for part in reply],
            "sealed": sealed.seal(reply, rtols, salt, mistake.says),
        }


class _Preparer:
    """Fills in the cases of one exercise."""

    def __init__(
        self,
        prepared: Prepared,
        exercise: Exercise,
        seed: int,
        wrong: Mapping[str, Callable[..., Any] | Mistaken],
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.prepared, self.exercise, self.seed = prepared, exercise, seed
        self.wrong = {m: w if isinstance(w, Mistaken) else Mistaken(w) for m, w in wrong.items()}
        self.functions = {**functions, **exercise.given}
        self.options = prepared.options

    def prepare(self, public: bool, only: str | None) -> None:
        """Draw all cases, or only the one of a name."""
        name = self.prepared.name
        chosen = cases_of(self.exercise, self.prepared.track, public)
        if len({case.name for case in chosen}) != len(chosen) or not chosen:
            raise ExerciseError(f"{name}: cases need names of their own, and at least one case")
        for index, case in enumerate(chosen):
            if only not in (None, case.name):
                continue
            entropy = [self.seed, zlib.crc32(f"{name}/{case.name}".encode())]
            made = self._case(case, np.random.default_rng(entropy))
            made.repeat = index == 0 and self.prepared.kind != "trained"
            if _is_telling(made):
                made.wrong = {m: self._outputs_of_mistake(mistake, made) for m, mistake in self.wrong.items()}
            self.prepared.cases.append(made)

    def explain(self, guard: AbstractContextManager[Any]) -> None:
        """Put the mistakes' outputs on the cases that were drawn before."""

        def find(made: PreparedCase) -> Callable[[str], dict[str, Any]]:
            return lambda mistake: self._outputs_of_mistake(self.wrong[mistake], made)

        for made in self.prepared.cases:
            if _is_telling(made):
                made.wrong = _FoundWhenAsked(self.wrong, find(made), guard)

    def _case(self, case: Case, rng: np.random.Generator) -> PreparedCase:
        drawn = {n: _cast(v, case.dtype) for n, v in case.draw(rng).items()}
        kind = self.exercise.kind
        private = {kind.labels: drawn.pop(kind.labels)} if isinstance(kind, Trained) else {}
        made = PreparedCase(
            name=case.name,
            says=case.says,
            arguments={n: _as_data(v) for n, v in drawn.items()},
            expected={},
            worth=case.worth,
            peak_bytes=None if case.peak_bytes is None else float(case.peak_bytes(drawn)),
            layout=case.layout,
            rtol=case.rtol or self.exercise.rtol,
            rtol32=max(case.rtol or 0.0, self.exercise.rtol32),
            raises=case.raises,
            largest_bytes=None if case.largest_bytes is None else float(case.largest_bytes(drawn)),
            total_bytes=None if case.total_bytes is None else float(case.total_bytes(drawn)),
            linear=_growth(case.linear, self.prepared.framework),
            wall_limit_s=case.wall_limit_s,
            private=private,
        )
        if isinstance(kind, Sampler) and case.raises is None:
            self._expect_statistics(made, drawn)
        elif not isinstance(kind, Trained) and case.raises is None:
            self._expect_values(made, case, drawn, rng)
        return made

    def _expect_statistics(self, made: PreparedCase, drawn: Mapping[str, Any]) -> None:
        sample = np.zeros(statistics.shape(drawn, self.options["draws"]))
        for name in self.options["statistics"]:
            _, made.expected[name], made.spread[name] = statistics.measure(name, sample, drawn)

    def _expect_values(
        self, made: PreparedCase, case: Case, drawn: Mapping[str, Any], rng: np.random.Generator
    ) -> None:
        exact = {n: v.astype(np.float64) if _is_real(v) else v for n, v in drawn.items()}
        real = {n: self._for_oracle(v) for n, v in exact.items()}
        made.expected = self._ask_oracle(case, real)
        if self.prepared.framework == "torch" and case.gradients and case.dtype is None:
            made.upstream = {n: rng.normal(size=made.expected[n].shape) for n in self._differentiable(made)}
            if made.upstream:
                made.directions = {n: rng.normal(size=v.shape) for n, v in real.items() if _is_real(v)}
                made.slopes = self._slopes(real, made)

    def _differentiable(self, made: PreparedCase) -> list[str]:
        exact = named(self.options, "integer") | named(self.options, "plain")
        bare = [n for n in made.expected if n.split(" ")[0] not in exact and n != "steps"]
        return [n for n in bare if not n.endswith(" columns")]

    def _for_oracle(self, value: Any) -> Any:
        if isinstance(value, Seed):
            return np.random.default_rng(value.number)
        if isinstance(value, Given):
            try:
                return find_function(value.name, self.functions.__getitem__)
            except KeyError:
                raise ExerciseError(f"{self.prepared.name}: no function {value.name!r} is given") from None
        return value

    def _ask_oracle(self, case: Case, arguments: Mapping[str, Any]) -> Arrays:
        where = f"{self.prepared.name}, case {case.name!r}"
        if self.exercise.oracle is None:
            raise ExerciseError(f"{where}: a function needs an oracle")
        outputs = self._oracle_outputs(arguments)
        if "error" in outputs:
            raise ExerciseError(
                f"{where}: the oracle raised {outputs['error']}: {outputs.get('message', '')}"
            )
        if not all(np.all(np.isfinite(v)) for v in outputs.values() if v.dtype.kind != "O"):
            raise ExerciseError(f"{where}: the oracle's result is not finite")
        whole = named(self.options, "integer")
        return {n: np.asarray(v) if n in whole else v.astype(np.float64) for n, v in outputs.items()}

    def _oracle_outputs(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert self.exercise.oracle is not None
        names = [n for n in self.options["returns"] if n != "steps" or not self.options.get("steps")]
        outputs = outputs_of(self.exercise.oracle, arguments, names, self.options)
        if self.options.get("steps") and "error" not in outputs:
            outputs["steps"] = outputs[names[0]]
        return outputs

    def _outputs_of_mistake(self, mistake: Mistaken, made: PreparedCase) -> dict[str, Any]:
        call = Call(
            kind=self.prepared.kind,
            options=self.options,
            framework=mistake.framework,
            arguments=made.arguments,
            wall_limit_s=max(30.0, made.wall_limit_s or 0.0),
        )
        seen = observe(mistake.answer, call, self.functions.__getitem__)
        if self.prepared.kind == "sampler":
            seen = measured(self.prepared, made, seen)
        if seen.error is not None:
            return {"error": seen.error["type"], "message": seen.error["message"][:200]}
        problem = seen.facts.get("problem")
        if problem is not None:
            return {"error": str(problem["what"]), "message": str(problem)[:200]}
        return dict(seen.outputs)

    def _slopes(self, arguments: Mapping[str, Any], made: PreparedCase) -> dict[str, float]:
        """Central differences of Σ upstream · oracle(arguments) along each input's direction."""

        def loss(changed: Mapping[str, Any]) -> float:
            outputs = self._oracle_outputs(changed)
            return sum(float(np.sum(made.upstream[n] * outputs[n])) for n in made.upstream)

        slopes: dict[str, float] = {}
        for name, direction in made.directions.items():
            up = {**arguments, name: arguments[name] + STEP * direction}
            down = {**arguments, name: arguments[name] - STEP * direction}
            slopes[name] = (loss(up) - loss(down)) / (2 * STEP)
        return slopes


def explain(
    drawn: Prepared,
    exercise: Exercise,
    wrong: Mapping[str, Callable[..., Any] | Mistaken],
    breaking: Collection[str],
    functions: Mapping[str, Callable[..., Any]],
    guard: AbstractContextManager[Any],
) -> Prepared:
    """Return the same cases with the known mistakes' outputs, each found out when it is asked for.

    Parameters
    ----------
    drawn : an exercise whose cases were prepared without mistakes.
    wrong, breaking, functions : as in `prepare`.
    guard : held while a mistake runs, which catches warnings and prints for all threads.
    """
    told = {m.id: {"says": m.says, "breaks": m.breaks} for m in exercise.mistakes}
    known = {mistake: told[mistake] for mistake in told if mistake in {*wrong, *breaking}}
    made = replace(drawn, mistakes=known, cases=[replace(case) for case in drawn.cases])
    _Preparer(made, exercise, 0, wrong, functions).explain(guard)
    return made


class _FoundWhenAsked(Mapping[str, dict[str, Any]]):
    """The outputs of known mistakes: most are told from the answer by one case, and no other is needed."""

    def __init__(
        self,
        mistakes: Collection[str],
        find: Callable[[str], dict[str, Any]],
        guard: AbstractContextManager[Any],
    ) -> None:
        self._mistakes, self._find, self._guard = list(mistakes), find, guard
        self._known: dict[str, dict[str, Any]] = {}

    def __getitem__(self, mistake: str) -> dict[str, Any]:
        if mistake not in self._mistakes:
            raise KeyError(mistake)
        if mistake not in self._known:
            with self._guard:
                self._known[mistake] = self._find(mistake)
        return self._known[mistake]

    def __contains__(self, mistake: object) -> bool:
        return mistake in self._mistakes

    def __iter__(self) -> Iterator[str]:
        return iter(self._mistakes)

    def __len__(self) -> int:
        return len(self._mistakes)


def _is_telling(made: PreparedCase) -> bool:
    """Whether a case keeps the mistakes' outputs."""
    return bool(made.expected) and sum(a.size for a in made.expected.values()) <= TELLING_SIZE


def measured(prepared: Prepared, case: PreparedCase, seen: Observation) -> Observation:
    """Return a sampler's observation with the statistics in place of the samples."""
    if seen.error is not None or "problem" in seen.facts or not seen.outputs:
        return seen
    sample = next(iter(seen.outputs.values()))
    shape = statistics.shape(case.arguments, prepared.options["draws"])
    facts = dict(seen.facts)
    if sample.shape != shape:
        facts["problem"] = {"what": "sample_shape", "got": str(sample.shape), "expected": str(shape)}
        return Observation(facts=facts)
    if sample.dtype.kind not in "biuf" or not np.all(np.isfinite(sample)):
        facts["problem"] = {"what": "sample_numbers"}
        return Observation(facts=facts)
    names = prepared.options["statistics"]
    outputs = {name: statistics.measure(name, sample, case.arguments)[0] for name in names}
    facts["tensors"] = dict.fromkeys(names, all(facts.get("tensors", {}).values()))
    facts["types"] = dict.fromkeys(names, next(iter(facts.get("types", {"": ""}).values())))
    return Observation(outputs, {}, facts)


def _growth(linear: Linear | None, framework: str) -> dict[str, Any]:
    if linear is None:
        return {}
    usual = (512, 2048) if framework == "torch" else (1024, 4096)
    return {
        "grow": list(linear.grow),
        "sizes": list(linear.sizes or usual),
        "axis": linear.axis,
        "backward": linear.backward,
        "forbid": list(linear.forbid),
        "same_rows": linear.same_rows,
        "outside": False,
    }


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _cast(value: Any, dtype: str | None) -> Any:
    if isinstance(value, np.ndarray) and dtype is not None and value.dtype.kind == "f":
        return value.astype(dtype)
    return value


def _as_data(value: Any) -> Any:
    """Return an argument as plain data: functions and generators by what stands for them."""
    if isinstance(value, Given):
        return {GIVEN: value.name}
    if isinstance(value, Seed):
        return {SEED: value.number}
    return value


def outputs_of(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    names: Sequence[str],
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Call a function of ours on copies; return its outputs by name, or {"error": …, "message": …}."""
    options = options or {}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*[copy(v) for v in arguments.values()])
        values = as_outputs(value, list(names), options.get("form", "tuple"))
        if values is None:
            return {"error": "count", "message": f"the outputs are not {', '.join(names)}"}
        if options.get("compare"):
            values = canonical(options["compare"], values, arguments)
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)[:200]}
    whole = plain_integers(options)
    read = {n: to_integers(v) if n in whole else to_array(v) for n, v in values.items()}
    if any(problem for _, problem in read.values()):
        return {"error": "type", "message": "not numbers"}
    return {n: array for n, (array, _) in read.items()}
