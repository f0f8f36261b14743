"""Automatic mutants: small changes of every worked solution that the checks should notice.

Where `mistakes` are the slips that people make, mutants are all the slips that a program can
think of: another sign, another axis, one more or less, a dropped factor, ``<`` for ``<=``.  A
mutant that passes the checks either shows a gap in the cases or changes nothing that matters;
the exercise file says which, in `Exercise.unchecked_mutants`.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from autograder.authoring.prove import FRESH_SEEDS, Prover, judge_here
from autograder.authoring.reader import without_marks
from autograder.judging.exercise import Derivation, Derivations, Reply, Written
from autograder.judging.prepare import Prepared
from autograder.judging.verdict import PASSED

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
NAMES = {
    "sum": "mean",
    "max": "min",
    "min": "max",
    "amax": "amin",
    "maximum": "minimum",
    "sin": "cos",
    "cos": "sin",
}
AXES = ("axis", "dim", "keepdims", "keepdim")


@dataclass
class MutantReport:
    """What became of the mutants of one exercise in one track; survivors by label, with the reason or ""."""

    exercise: str
    track: str
    made: int = 0
    survivors: dict[str, str] = field(default_factory=dict)


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield (label, changed source) for every mutant of a cell; docstrings are left alone."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for old, change in _changes(node):
            other = copy.deepcopy(tree)
            target = next(n for i, n in enumerate(ast.walk(other)) if i == number)
            change(target)
            yield f"{old} → {ast.unparse(target)}", ast.unparse(ast.fix_missing_locations(other))


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """Yield the text of a node and a way to change its copy."""
    text = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt, ast.keyword)) else ""
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        yield text, lambda copied: setattr(copied, "op", BINARY[type(node.op)]())
        if isinstance(node.op, (ast.Mult, ast.Div)):
            yield text, lambda copied: setattr(copied, "right", ast.Constant(1))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield text, lambda copied: setattr(copied, "op", ast.UAdd())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield text, lambda copied: setattr(copied, "ops", [COMPARE[type(node.ops[0])]()])
    elif isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) <= 4:
        more = node.value + 1
        yield text, lambda copied: setattr(copied, "value", more)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield text, lambda copied: setattr(copied, "attr", NAMES[node.attr])
    elif isinstance(node, ast.keyword) and node.arg in AXES and isinstance(node.value, ast.Constant):
        other = ast.Constant(_other(node.value.value))
        yield text, lambda copied: setattr(copied, "value", other)


def _other(value: object) -> bool | int:
    if isinstance(value, bool):
        return not value
    return 0 if value in (1, -1) else 1


class MutantRunner:
    """Runs the mutants of a lesson's exercises against their public and fresh cases."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover

    def run_all(self) -> Iterator[MutantReport]:
        """Yield a report per exercise with code, and track."""
        for name, exercise in self.prover.lesson.exercises.items():
            if isinstance(exercise.kind, (Derivation, Derivations, Reply, Written)):
                continue
            for track in self.prover.lesson.tracks_of(name):
                yield self.run(name, track)

    def run(self, name: str, track: str) -> MutantReport:
        """Run the mutants of one exercise in one track."""
        report = MutantReport(name, track)
        worked = self.prover.answers.worked[track]
        prepared = [self.prover.prepared(name, track, seed) for seed in FRESH_SEEDS]
        reasons = self.prover.lesson.exercises[name].unchecked_mutants
        source = without_marks(worked.source.cell("exercise", name).source)
        for label, changed in mutants(source):
            report.made += 1
            if not self._killed(name, track, changed, prepared):
                report.survivors[label] = reasons.get(label, "")
        return report

    def _killed(self, name: str, track: str, source: str, prepared: list[Prepared]) -> bool:
        try:
            answer = self.prover.answers.worked[track].variant(name, source, "mutant")
        except Exception:
            return True
        return any(judge_here(one, answer).outcome != PASSED for one in prepared)
