"""Proving exercises: the checks catch every mistake and accept every right answer.

Theory of operation
-------------------
Per exercise and track, on the public cases and on fresh ones: the worked solution passes and so
agrees with the oracle, which uses another algorithm; every odd but right answer passes; the
released stub is *not attempted*; every mistake fails, with values at least 100 tolerances off
or by breaking the property that it says it breaks; the verdict on a mistake names that mistake;
and any two mistakes differ on some case.  What a mistake's function gives is observed in the
track that it edits.  In the other track the same values are judged as if they had come there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.authoring.reader import LessonSource, stub_of
from autograder.authoring.worked import Answer, LessonAnswers
from autograder.judging import derivation
from autograder.judging.compare import FAR, distance, exactly_equal
from autograder.judging.exercise import (
    Derivation,
    Derivations,
    Exercise,
    ExerciseError,
    Mistake,
    Reply,
    Trained,
    Written,
)
from autograder.judging.judge import judge
from autograder.judging.observe import Give, Observation, observe
from autograder.judging.options import statement
from autograder.judging.prepare import Prepared, PreparedCase, prepare
from autograder.judging.verdict import NOT_ATTEMPTED, NOT_YET, PASSED, Verdict

PUBLIC_SEED = 20240601
FRESH_SEEDS = (11, 12)


@dataclass
class Proof:
    """What was shown about one exercise in one track.

    problems : sentences; the exercise is proved if there is none.
    """

    lesson: str
    exercise: str
    track: str
    cases: int = 0
    right: int = 0
    mistakes: int = 0
    problems: list[str] = field(default_factory=list)


class Prover:
    """Prepares and proves the exercises of one lesson."""

    def __init__(self, lesson: LessonSource) -> None:
        self.lesson = lesson
        self.answers = LessonAnswers(lesson)

    def prepared(self, name: str, track: str, seed: int, public: bool = False) -> Prepared:
        """Draw an exercise's cases, with the known mistakes' outputs."""
        wrong, breaking = self.answers.wrong(name, track), self.answers.breaking(name, track)
        functions = self.answers.functions(name)
        return prepare(name, self.lesson.exercises[name], track, seed, wrong, breaking, public, functions)

    def casebook(self) -> list[Prepared]:
        """Return all exercises of the lesson with their public cases."""
        return [
            self.prepared(name, track, PUBLIC_SEED, public=True)
            for name in self.lesson.exercises
            for track in self.lesson.tracks_of(name)
        ]

    def prove_all(self) -> Iterator[Proof]:
        """Prove every exercise in every track that it stands in."""
        for name in self.lesson.exercises:
            for track in self.lesson.tracks_of(name):
                yield self.prove(name, track)

    def prove(self, name: str, track: str) -> Proof:
        """Prove one exercise in one track; problems are listed, not raised."""
        proof = Proof(self.lesson.name, name, track)
        exercise = self.lesson.exercises[name]
        try:
            _check_declaration(proof, name, exercise)
            if isinstance(exercise.kind, Written):
                return proof
            fresh = () if isinstance(exercise.kind, (Trained, Reply)) else FRESH_SEEDS
            for seed in (PUBLIC_SEED, *fresh):
                prepared = self.prepared(name, track, seed, public=seed == PUBLIC_SEED)
                proof.cases = len(prepared.cases)
                self._prove_right(proof, prepared, exercise)
                self._prove_mistakes(proof, prepared, exercise)
            self._prove_stub(proof, prepared)
        except ExerciseError as error:
            proof.problems.append(str(error))
        return proof

    # ------------------------------------------------------------------------------------- steps

    def _prove_right(self, proof: Proof, prepared: Prepared, exercise: Exercise) -> None:
        answers = {"the worked solution": self.answers.answer(prepared.name, prepared.track)}
        for right in exercise.also_right:
            if right.track in (None, prepared.track):
                answers[right.id] = self.answers.right(exercise, prepared.name, right, prepared.track)
        proof.right = len(answers) - 1
        for label, answer in answers.items():
            verdict = self._judge(prepared, answer)
            if verdict.outcome != PASSED:
                proof.problems.append(f"{label} should pass, but: {verdict.says} {_failed(verdict)}")

    def _prove_stub(self, proof: Proof, prepared: Prepared) -> None:
        worked = self.answers.worked[prepared.track]
        stub = worked.variant(
            prepared.name, stub_of(worked.source.cell("exercise", prepared.name).source), "stub"
        )
        outcome = self._judge(prepared, stub).outcome
        if outcome != NOT_ATTEMPTED:
            proof.problems.append(f"the released stub should be not attempted, but is {outcome}")

    def _prove_mistakes(self, proof: Proof, prepared: Prepared, exercise: Exercise) -> None:
        if isinstance(exercise.kind, (Derivation, Derivations)):
            proof.mistakes = len(exercise.mistakes)
            _prove_wrong_lines(proof, prepared, exercise)
            return
        if isinstance(exercise.kind, Reply):
            proof.mistakes = len(exercise.mistakes)
            _prove_wrong_replies(proof, prepared, exercise)
            return
        known = [m for m in exercise.mistakes if m.id in prepared.mistakes]
        proof.mistakes = len(known)
        for mistake in known:
            self._prove_mistake(proof, prepared, exercise, mistake)
        _prove_distinct(proof, prepared, exercise)

    def _prove_mistake(self, proof: Proof, prepared: Prepared, exercise: Exercise, mistake: Mistake) -> None:
        here = self.answers.home(prepared.name, mistake) == prepared.track
        if mistake.breaks is None and _farthest(prepared, mistake.id) < FAR:
            proof.problems.append(
                f"mistake {mistake.id} is less than {FAR:g} tolerances away from what is right"
            )
        if here:
            verdict = self._judge(prepared, self.answers.mistake(prepared.name, mistake))
        else:
            verdict = judge(prepared, lambda case: _pretended(prepared, case, mistake.id))
        _expect_named(proof, exercise, mistake, verdict)

    def _judge(self, prepared: Prepared, answer: Answer) -> Verdict:
        return judge_here(prepared, answer, self.answers.functions(prepared.name).__getitem__)


def judge_here(prepared: Prepared, answer: Answer, give: Give | None = None) -> Verdict:
    """Judge one of our own answers in this process."""
    return judge(prepared, lambda case: observe(answer, prepared.call(case), give))


def _telling(prepared: Prepared) -> list[PreparedCase]:
    """Return the cases that keep the mistakes' outputs."""
    return [case for case in prepared.cases if case.wrong]


def _failed(verdict: Verdict) -> str:
    return "; ".join(f"{row.name}: {row.says}" for row in verdict.rows if not row.passed)[:300]


def _pretended(prepared: Prepared, case: PreparedCase, mistake: str) -> Observation:
    """Return a mistake's values as if the track's own function had given them."""
    wrong = case.wrong.get(mistake)
    if wrong is None and case.raises is not None:
        return Observation(error={"type": case.raises, "message": ""})
    if wrong is not None and "error" in wrong:
        return Observation(error={"type": wrong["error"], "message": wrong.get("message", "")})
    outputs = dict(case.expected if wrong is None else wrong)
    facts: dict[str, Any] = {"tensors": dict.fromkeys(outputs, prepared.framework == "torch")}
    if case.linear:
        sizes = {"sizes": [1, 4], "total_bytes": [0, 0], "peak_bytes": [0, 0], "operations": [0, 0]}
        facts["growth"] = {**sizes, "called": []}
    gradients: dict[str, Any] = {
        name: slope * case.directions[name] / np.sum(case.directions[name] ** 2)
        for name, slope in case.slopes.items()
    }
    return Observation(outputs, gradients, facts)


def _expect_named(proof: Proof, exercise: Exercise, mistake: Mistake, verdict: Verdict) -> None:
    alike = {mistake.id, mistake.same_as} | {m.id for m in exercise.mistakes if m.same_as == mistake.id}
    if verdict.outcome != NOT_YET:
        proof.problems.append(f"mistake {mistake.id} should fail, but the verdict is {verdict.outcome}")
    elif mistake.breaks is not None and mistake.breaks not in verdict.breaks:
        proof.problems.append(
            f"mistake {mistake.id} should break {mistake.breaks}, but breaks {verdict.breaks}: {verdict.says}"
        )
    elif mistake.breaks is None and verdict.mistake not in alike:
        proof.problems.append(f"mistake {mistake.id} is taken for {verdict.mistake}: {verdict.says}")


def _distance(prepared: Prepared, case: PreparedCase, mistake: str, other: str | None = None) -> float:
    """Return how far a mistake's outputs are from what is right, or from another mistake's, in tolerances."""
    wrong = case.wrong[mistake]
    base: dict[str, Any] = case.expected if other is None else case.wrong[other]
    if "error" in wrong or "error" in base:
        return 0.0 if wrong.get("error") == base.get("error") else float("inf")
    return max(_apart(case, name, wrong[name], base[name]) for name in base)


def _farthest(prepared: Prepared, mistake: str, other: str | None = None) -> float:
    """Return the distance on the case that tells most."""
    return max((_distance(prepared, case, mistake, other) for case in _telling(prepared)), default=0.0)


def _apart(case: PreparedCase, name: str, one: np.ndarray, two: np.ndarray) -> float:
    """Return how far two values of an output are apart; where chance plays, far is two allowances."""
    if one.shape != two.shape:
        return float("inf")
    if name in case.spread:
        return FAR * float(np.max(np.abs(one - two) / case.spread[name])) / 2
    if "O" in (one.dtype.kind, two.dtype.kind):
        return 0.0 if exactly_equal(one, two) else float("inf")
    return distance(one, two, case.rtol)


def _prove_distinct(proof: Proof, prepared: Prepared, exercise: Exercise) -> None:
    valued = [m for m in exercise.mistakes if any(m.id in case.wrong for case in prepared.cases)]
    for i, first in enumerate(valued):
        for second in valued[i + 1 :]:
            if first.same_as == second.id or second.same_as == first.id:
                continue
            if _farthest(prepared, first.id, second.id) < FAR:
                proof.problems.append(f"mistakes {first.id} and {second.id} cannot be told apart on any case")


def _prove_wrong_lines(proof: Proof, prepared: Prepared, exercise: Exercise) -> None:
    chains: list[str | None] = list(prepared.options.get("chains", [None]))
    for mistake in exercise.mistakes:
        start = statement(prepared.options, mistake.chain)["start"]
        answer = _with_lines(prepared, mistake.chain, [start, mistake.line or ""])
        verdict = judge_here(prepared, answer)
        _expect_named(proof, exercise, mistake, verdict)
        told = statement(prepared.options, mistake.chain)
        if derivation.check(told, [start, mistake.line or "", told["goal"]])[-1].follows:
            proof.problems.append(f"mistake {mistake.id} should fail, but its line follows from the start")
    leaps = {chain: [s["start"], s["goal"]] for chain in chains for s in [statement(prepared.options, chain)]}
    leap = judge_here(prepared, leaps.get(None, leaps))
    if leap.outcome == PASSED and any(statement(prepared.options, c)["min_steps"] > 1 for c in chains):
        proof.problems.append("the start followed by the goal should not count as a derivation")


def _with_lines(prepared: Prepared, chain: str | None, lines: list[str]) -> Any:
    """Return an answer with these lines in one chain, and no others."""
    return lines if chain is None else {chain: lines}


def _prove_wrong_replies(proof: Proof, prepared: Prepared, exercise: Exercise) -> None:
    assert isinstance(exercise.kind, Reply)
    for mistake in exercise.mistakes:
        given = zip(mistake.reply or (), exercise.kind.answer, strict=True)
        reply = [_unlike(right) if part is None else part for part, right in given]
        _expect_named(proof, exercise, mistake, judge_here(prepared, tuple(reply)))


def _unlike(part: Any) -> Any:
    """Return a part of a reply that is surely not the right one."""
    return part + "?" if isinstance(part, str) else part * 3 + 7


def _check_declaration(proof: Proof, name: str, exercise: Exercise) -> None:
    """Check what can be checked without calling anything."""
    carried = sum(case.worth for case in exercise.cases)
    checks: list[tuple[Callable[[], bool], str]] = [
        (lambda: exercise.points > 0, "points must be above zero"),
        (lambda: carried <= exercise.points, "cases carry more points than the exercise has"),
        (lambda: exercise.difficulty in (1, 2, 3), "difficulty is 1, 2 or 3"),
        (lambda: len({m.id for m in exercise.mistakes}) == len(exercise.mistakes), "mistakes share an id"),
        (lambda: all(len(m.says.split()) > 3 for m in exercise.mistakes), "a mistake says too little"),
    ]
    if isinstance(exercise.kind, Written):
        total = sum(points for points, _ in exercise.kind.rubric)
        checks.append((lambda: abs(total - exercise.points) < 1e-9, "the rubric's points do not add up"))
    else:
        checks.append((lambda: len(exercise.hints) >= 2, "two hints or more are needed"))
    proof.problems.extend(f"{name}: {says}" for holds, says in checks if not holds())
