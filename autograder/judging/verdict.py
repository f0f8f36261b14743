"""A verdict: an outcome, points, one diagnosis, a row per case.

It renders as text, as an HTML card, as JSON, and as the number that nbgrader reads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.judging import card

PASSED = "passed"
NOT_YET = "not_yet"
NOT_ATTEMPTED = "not_attempted"
PENDING = "pending"
GRADER_FAILED = "grader_failed"


@dataclass(frozen=True)
class CaseRow:
    """One line of the table.

    passed : None where the case was not tried.
    says : what was seen, or, where it passed, what is special about the case.
    about : what is special about the case.
    """

    name: str
    passed: bool | None
    says: str = ""
    about: str = ""


@dataclass(frozen=True)
class Picture:
    """What was expected and what came, for one output of one case."""

    output: str
    case: str
    expected: np.ndarray
    got: np.ndarray


@dataclass
class Verdict:
    """The outcome of judging one exercise.

    mistake : id of the known mistake that the output equals, or None.
    breaks : the properties that are broken on some case, in the words of `Mistake.breaks`.
    says : the diagnosis, one or two sentences; empty where there is nothing to say.
    notes : remarks that cost nothing ("you printed 12 lines").
    """

    exercise: str
    track: str
    title: str
    outcome: str
    points: float
    max_points: float
    says: str = ""
    mistake: str | None = None
    breaks: tuple[str, ...] = ()
    rows: list[CaseRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    picture: Picture | None = None

    @property
    def passed(self) -> bool:
        """Whether everything about the answer was right."""
        return self.outcome == PASSED

    def json(self) -> dict[str, Any]:
        """Return the verdict as the command's ``--json`` prints it."""
        return {
            "exercise": self.exercise,
            "track": self.track,
            "outcome": self.outcome,
            "points": self.points,
            "max_points": self.max_points,
            "diagnosis": {"mistake": self.mistake, "says": self.says},
            "cases": [{"name": r.name, "passed": r.passed, "says": r.says} for r in self.rows],
        }

    @property
    def text(self) -> str:
        """The verdict as plain text for a terminal."""
        return card.text(self)

    def __repr__(self) -> str:
        """Under nbgrader a plain number, which it reads as partial credit; else the text."""
        return str(float(self.points)) if os.environ.get("NBGRADER_EXECUTION") else self.text

    def _repr_html_(self) -> str:
        return card.html(self)
