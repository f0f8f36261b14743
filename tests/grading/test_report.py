"""The class at a glance, on a class of forty whose answers are known."""

import json

import numpy as np
import pytest

from autograder.grading import report

NAMES = ("easy", "hard", "odd", "guess", "essay")


def entry(name, passed, mistake=None, outcome=None):
    points = 0.0 if name == "essay" else 2.0 * passed
    said = {"mistake": mistake, "says": f"The slip <{mistake}>." if mistake else ""}
    return {
        "exercise": name,
        "track": "pytorch",
        "outcome": outcome or ("passed" if passed else "not_yet"),
        "points": points,
        "max_points": 2.0,
        "diagnosis": said,
        "cases": [],
    }


def row(number, status="graded", reasons=(), noted=()):
    """Student 0 is the weakest of forty, 39 the strongest; `odd` is passed by the weak ones alone."""
    exercises = [
        entry("easy", number >= 4),
        entry("hard", number >= 30, "no_scale" if number < 20 else None),
        entry("odd", number < 15, "transposed" if number >= 35 else None),
        entry("guess", number % 2 == 0),
        entry("essay", False, outcome="pending"),
    ]
    if status in report.UNREAD:
        exercises = [entry(name, False, outcome="not_attempted") for name in NAMES]
    return {
        "student": f"s{number:02}",
        "lesson": "09-made-up",
        "notebook": "pytorch",
        "status": status,
        "score": sum(e["points"] for e in exercises),
        "max_score": 10,
        "exercises": exercises,
        "reasons": list(reasons),
        "noted": list(noted),
        "tier": "full",
        "cpu_s": 0.1 * (number + 1),
        "version": "a",
    }


@pytest.fixture
def rows():
    made = [row(n) for n in range(38)]
    made.append(row(38, "timed_out", ["odd did not come back."], ["limit or refusal: timed_out"]))
    made.append(row(39, "malformed", ["The file is <empty>."]))
    return made


def item(rows, name):
    return next(item for item in report.items(rows) if item.name == name)


def test_is_difficulty_the_share_of_points_of_those_who_were_graded(rows):
    assert item(rows, "easy").share == pytest.approx(35 / 39)
    assert item(rows, "hard").share == pytest.approx(9 / 39)
    assert item(rows, "easy").graded == item(rows, "easy").attempted == 39


def test_is_discrimination_the_correlation_with_the_rest_of_the_score(rows):
    graded = rows[:-1]
    mine = np.array([r["exercises"][1]["points"] for r in graded])
    rest = np.array([r["score"] for r in graded]) - mine
    assert item(rows, "hard").discrimination == pytest.approx(np.corrcoef(mine, rest)[0, 1])


def test_is_the_item_that_strong_students_fail_the_suspicious_one(rows):
    marked = {i.name: i.suspicious for i in report.items(rows)}
    assert marked["odd"] == "who does well elsewhere does worse here"
    assert marked["easy"] == marked["guess"] == ""


def test_is_an_item_suspicious_that_most_of_the_strongest_fail():
    rows = [row(n) for n in range(38)]
    for number, each in enumerate(rows):
        each["exercises"] = [entry("easy", number > 20), entry("guess", number in (30, 31, 32))]
        each["score"] = sum(e["points"] for e in each["exercises"])
    assert item(rows, "guess").suspicious == "most of the strongest students fail it"


def test_says_a_class_of_five_nothing_of_its_items(rows):
    assert all(i.suspicious == "" and np.isnan(i.discrimination) for i in report.items(rows[:5]))


def test_is_an_essay_that_waits_for_a_person_no_item(rows):
    assert "essay" not in [i.name for i in report.items(rows)]


def test_are_the_commonest_mistakes_first(rows):
    assert [(s.exercise, s.mistake, s.count) for s in report.slips(rows)] == [
        ("hard", "no_scale", 20),
        ("odd", "transposed", 4),
    ]


def test_is_everything_listed_that_was_not_graded_with_its_reason(rows):
    assert report.not_graded(rows) == [
        ("s38", "pytorch", "timed out", "odd did not come back."),
        ("s39", "pytorch", "malformed", "The file is <empty>."),
    ]


def test_is_what_was_noticed_listed(rows):
    assert report.worth_a_look(rows) == [("s38", "pytorch", "limit or refusal: timed_out")]


def test_has_every_student_a_line_with_marks(rows):
    columns, table = report.class_table(rows, "pytorch")
    assert columns == ["student", "status", "score", "seconds", "1", "2", "3", "4", "5"]
    assert table[0] == ["s00", "graded", "4 of 10", "0.1", "✗", "✗", "✓", "✓", "…"]
    assert table[39] == ["s39", "malformed", "0 of 10", "4.0", "·", "·", "·", "·", "·"]


def test_are_counts_and_costs_told(rows):
    told = report.numbers(rows)
    assert told.startswith("40 notebooks: 38 graded, 1 malformed, 1 timed out.")
    assert "2.05 processor seconds (median), at most 4.00" in told
    assert told.endswith("Sandbox: full.")


def test_is_the_page_whole_and_by_itself(rows):
    page = report.page("09-made-up", rows)
    assert page.count("src='data:image/png;base64,") == 2
    for foreign in ("http", "<script", "<slip", "<empty>", "The slip <"):
        assert foreign not in page
    for said in ("The slip &lt;no_scale&gt;.", "Worth a look", "who does well elsewhere", "s39"):
        assert said in page


@pytest.mark.parametrize("count", [0, 1])
def test_has_a_class_of_hardly_anybody_a_page(count, rows):
    assert "at a glance" in report.page("09-made-up", rows[:count])


def test_are_scores_compared_with_those_of_another_version(rows):
    new = [{**r, "version": "b", "score": r["score"] + (r["student"] == "s03")} for r in rows[:5]]
    changes = report.changed_scores(rows, new)
    assert [(c.student, c.now - c.before) for c in changes if c.now != c.before] == [("s03", 1)]
    assert len(changes) == 5
    assert report.changed_scores(new, new) is None
    assert report.changed_scores([], new) is None


@pytest.mark.parametrize("damage", ["", "{", "[1]", "null", '[{"student": "a"}]'])
def test_do_damaged_rows_count_as_none(tmp_path, damage, rows):
    path = tmp_path / "report" / "rows.json"
    assert report.read_rows(path) == []
    report.write_rows(path, rows)
    assert report.read_rows(path) == json.loads(json.dumps(rows))
    path.write_text(damage)
    assert report.read_rows(path) == []
