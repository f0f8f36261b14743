import json

import pytest

from tests.samples import judged, scaling


@pytest.fixture
def wrong():
    return judged(scaling(), lambda x, factor: x.sum() + factor)


def test_is_the_repr_plain_text(wrong):
    assert repr(wrong).startswith("✗ scaled: not yet right · 0 of 2 points\n")


def test_is_the_repr_a_plain_float_under_nbgrader(wrong, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert repr(wrong) == "0.0"
    assert repr(judged(scaling(), lambda x, factor: x.__mul__(factor))) == "2.0"


def test_is_the_card_html(wrong):
    assert wrong._repr_html_().startswith("<div")


def test_does_the_json_say_all_that_a_program_needs(wrong):
    told = json.loads(json.dumps(wrong.json()))
    assert told["exercise"] == "scaled"
    assert told["outcome"] == "not_yet"
    assert (told["points"], told["max_points"]) == (0.0, 2.0)
    assert told["diagnosis"] == {"mistake": None, "says": wrong.says}
    assert [case["passed"] for case in told["cases"]] == [False, False, False]


def test_has_only_a_right_answer_passed(wrong):
    assert not wrong.passed
    assert judged(scaling(), lambda x, factor: x.__mul__(factor)).passed
