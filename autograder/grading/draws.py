"""Fresh cases for a class: some draws of each case, of which every submission gets a choice of its own.

Theory of operation
-------------------
Oracles are slow on purpose, and asking them takes longer than all the rest of judging an answer.
So a case is drawn a few times for a whole class, when it is first needed.  An HMAC of the
submission says, case by case, which of the draws it is judged on.  Draws and choice come from the
course's secret: nobody can foresee them, they are the same when grading is resumed, and of an
exercise with ten cases hardly any two submissions get the same selection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from autograder.grading.key import LessonKey, fresh_seed
from autograder.judging.exercise import Case
from autograder.judging.prepare import Prepared, cases_of

DRAWS = 8
"""How often a case is drawn for a class."""

Draw = tuple[str, str, str, int]
"""An exercise, a track, a case, and which of its draws."""


class Draws:
    """The fresh cases of one lesson, for any number of threads."""

    def __init__(self, key: LessonKey, secret: bytes) -> None:
        self.key, self.secret = key, secret
        self._drawn: dict[Draw, Prepared] = {}
        self._explained: dict[Draw, Prepared] = {}
        self._lock = threading.Lock()

    def fresh(self, name: str, track: str, submission: bytes) -> Prepared:
        """Return an exercise's cases for a submission, without the known mistakes' outputs."""
        if self.key.source.exercises[name].oracle is None:
            # No oracle is asked: it costs nothing to draw anew, and may take much room to keep.
            return self.key.fresh(name, track, fresh_seed(self.secret, submission, name))
        with self._lock:
            return _together([self._draw(draw) for draw in self._choice(name, track, submission)])

    def explained(self, name: str, track: str, submission: bytes) -> Prepared:
        """Return the same cases with the known mistakes: only a failed answer needs them."""
        if self.key.source.exercises[name].oracle is None:
            return self.key.explained(self.fresh(name, track, submission))
        with self._lock:
            return _together([self._explain(draw) for draw in self._choice(name, track, submission)])

    def _choice(self, name: str, track: str, submission: bytes) -> Iterator[Draw]:
        """Yield which draw of each case a submission is judged on."""
        cases: list[Case] = cases_of(self.key.source.exercises[name], track)
        rng = np.random.default_rng(fresh_seed(self.secret, submission, name))
        for case, number in zip(cases, rng.integers(DRAWS, size=len(cases)), strict=True):
            yield name, track, case.name, int(number)

    def _draw(self, draw: Draw) -> Prepared:
        if draw not in self._drawn:
            name, track, case, number = draw
            seed = fresh_seed(self.secret, f"draw {number}".encode(), name)
            self._drawn[draw] = self.key.fresh(name, track, seed, only=case)
        return self._drawn[draw]

    def _explain(self, draw: Draw) -> Prepared:
        if draw not in self._explained:
            self._explained[draw] = self.key.explained(self._draw(draw))
        return self._explained[draw]


def _together(parts: list[Prepared]) -> Prepared:
    """Return one exercise with the cases of all parts."""
    return replace(parts[0], cases=[case for part in parts for case in part.cases])
