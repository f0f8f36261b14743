"""Replies are judged without their answer being readable."""

import pytest

from autograder.judging.casebook import dump, load
from autograder.judging.exercise import Mistake, Reply, Right
from tests.judging.kinds.small import exercise, prepared, verdict

FLAW = exercise(
    Reply(parts=("line", "value"), answer=(3, 0.7844), rtol=0.01, explanation="Because of the half angle."),
    mistakes=[
        Mistake("right_line", "The line is right, its value is not.", reply=(3, None)),
        Mistake("percent", "That is the ratio, and a share is asked.", reply=(3, 0.42)),
    ],
    also_right=[Right("rounded", reply=(3, 0.78))],
)


@pytest.mark.parametrize("reply", [(3, 0.7844), [3.0, 0.7851], (3, 0.78)])
def test_is_a_right_reply_explained(reply):
    said = verdict(FLAW, reply)
    assert said.passed
    assert said.says == "Because of the half angle."


@pytest.mark.parametrize(
    ("reply", "mistake"),
    [((3, 0.5), "right_line"), ((3, 0.42), "percent"), ((2, 0.7844), None), ((3, -0.7844), "right_line")],
)
def test_is_a_wrong_reply_told_apart(reply, mistake):
    said = verdict(FLAW, reply)
    assert not said.passed
    assert said.mistake == mistake


@pytest.mark.parametrize("reply", [None, ..., (3, None)])
def test_is_no_reply_not_attempted(reply):
    assert verdict(FLAW, reply).outcome == "not_attempted"


@pytest.mark.parametrize("reply", [3, (1, 2, 3), (3, object())])
def test_is_another_form_explained(reply):
    assert "(line, value)" in verdict(FLAW, reply).says


def test_does_the_casebook_keep_the_secret():
    data = load(dump("x", [prepared(FLAW)]))[1][("small", "from_scratch")].tree()
    assert "0.7844" not in str(data)
    assert "half angle" not in str(data)
    assert "its value is not" not in str(data)


def test_are_texts_compared_without_case_and_spaces():
    named = exercise(Reply(answer=("Semi-hard negatives",), explanation="Yes."))
    assert verdict(named, " semi-hard  NEGATIVES").passed
    assert not verdict(named, "hard negatives").passed
