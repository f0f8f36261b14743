"""Every exercise of every lesson and track: right answers pass, mistakes are caught and named."""

from __future__ import annotations

import functools

import pytest

from autograder.authoring.prove import Prover
from autograder.authoring.reader import find_lessons
from tests.conftest import ROOT

LESSONS = {lesson.name: lesson for lesson in find_lessons(ROOT)}
EXERCISES = [
    (lesson.name, name, track)
    for lesson in LESSONS.values()
    for track, source in lesson.sources.items()
    for name in source.names("exercise", "written")
]


@functools.cache
def prover(lesson: str) -> Prover:
    return Prover(LESSONS[lesson])


@pytest.mark.parametrize(("lesson", "name", "track"), EXERCISES)
def test_is_every_mistake_caught_and_every_right_answer_accepted(lesson, name, track):
    assert prover(lesson).prove(name, track).problems == []


@pytest.mark.parametrize(("lesson", "name", "track"), EXERCISES)
def test_is_the_exercise_as_rich_as_it_should_be(lesson, name, track):
    exercise = LESSONS[lesson].exercises[name]
    if type(exercise.kind).__name__ == "Written":
        assert len(exercise.kind.rubric) >= 2
        assert exercise.kind.model_answer
        return
    mistakes = [m for m in exercise.mistakes if m.track in (None, track)]
    odd = [right for right in exercise.also_right if right.track in (None, track)]
    assert len(mistakes) >= 6
    assert len(odd) >= 3
    assert len(exercise.hints) >= 2
