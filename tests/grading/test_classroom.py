"""The class's rows: kept, shown, and compared when a lesson changes."""

import json

import pytest

from autograder.course import CourseError
from autograder.grading.classroom import grade_class, show_report
from autograder.sandbox import best_tier
from tests import samples
from tests.grading.desk import HALF, RIGHT, WRONG, Desk

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def grade(classroom):
    """Grade the class in the test's own course."""

    def run(**options):
        here = Desk(classroom)
        rows = grade_class(here.course, here.lesson, best_tier(), jobs=2, **options).rows
        return {row["student"]: (row["status"], row["score"]) for row in rows}

    return run


@pytest.fixture
def submit(classroom, desk):
    return lambda student, answers: desk.submit(classroom, student, desk.bytes(answers))


def test_does_a_class_get_rows_pages_and_a_report(classroom, desk, grade, submit, capsys):
    submit("ada", RIGHT)
    submit("ben", WRONG)
    desk.submit(classroom, "finn", b"{")
    assert grade() == {"ada": ("graded", 5), "ben": ("graded", 0), "finn": ("malformed", 0)}
    shown = capsys.readouterr().out
    for said in ("The factor was added", "not valid JSON", "3 notebooks; 0 had a stored result", "Sandbox: "):
        assert said in shown
    for student in ("ada", "ben", "finn"):
        assert (classroom / f"grading/feedback/{student}/{samples.LESSON}/from_scratch.html").is_file()
    assert "at a glance" in (classroom / f"grading/report/{samples.LESSON}.html").read_text("utf-8")
    show_report(Desk(classroom).course, desk.lesson)
    assert "3 notebooks: 2 graded, 1 malformed." in capsys.readouterr().out


def test_does_grading_one_student_keep_the_others_rows(grade, submit):
    submit("ada", RIGHT)
    submit("ben", HALF)
    grade()
    submit("ben", RIGHT)
    assert grade(student="ben") == {"ada": ("graded", 5), "ben": ("graded", 5)}


def test_is_who_submitted_before_and_now_not_missing(classroom, grade, submit):
    submit("ada", RIGHT)
    path = submit("ben", HALF)
    grade()
    path.unlink()
    assert grade()["ben"] == ("missing", 0)


def test_is_the_class_found_in_another_folder(classroom, desk, grade, tmp_path):
    desk.submit(tmp_path / "other", "ada", desk.bytes(RIGHT))
    assert grade(submitted=tmp_path / "other" / "submitted") == {"ada": ("graded", 5)}


def test_are_scores_compared_after_the_lesson_changed(classroom, grade, submit, capsys):
    submit("ada", RIGHT)
    submit("ben", HALF)
    grade()
    assert "has changed" not in capsys.readouterr().out
    exercise = classroom / "solutions" / samples.LESSON / "exercises" / "expand_square.py"
    samples.change(exercise, 'goal="a**2 + 2*a*b + b**2"', 'goal="b**2 + 2*a*b + a**2", min_steps=9')
    assert grade() == {"ada": ("graded", 2), "ben": ("graded", 2)}
    shown = capsys.readouterr().out
    assert "1 scores differ, 1 stay as they were." in shown
    assert [line.split()[1::2] for line in shown.splitlines() if line.startswith("│ ada") and "5" in line]
    assert shown.index("score before") < shown.index("3 1") if "3 1" in shown else True
    grade()
    assert "has changed" not in capsys.readouterr().out


def test_are_old_scores_shown_before_the_gradebook_is_written(classroom, grade, submit, capsys, monkeypatch):
    from autograder.grading.gradebook import Writer

    submit("ada", RIGHT)
    grade()
    samples.change(classroom / "solutions" / samples.LESSON / "from_scratch.py", "# # Scaling", "# # Scales")
    seen = []
    monkeypatch.setattr(Writer, "write", lambda *_: seen.append(capsys.readouterr().out))
    grade()
    assert "0 scores differ, 1 stay as they were." in seen[0]


def test_do_damaged_rows_of_last_time_do_no_harm(classroom, grade, submit):
    submit("ada", RIGHT)
    path = classroom / "grading" / "report" / f"{samples.LESSON}.json"
    path.parent.mkdir(parents=True)
    path.write_text("[{]")
    assert grade() == {"ada": ("graded", 5)}
    assert json.loads(path.read_text("utf-8"))[0]["student"] == "ada"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "nobody is on the roster"),
        ({"student": "nobody"}, "There is no student 'nobody'"),
        ({"submitted": "elsewhere"}, "There is no folder"),
    ],
)
def test_is_nothing_to_grade_said(classroom, grade, options, says):
    if "submitted" in options:
        options = {"submitted": classroom / options["submitted"]}
    with pytest.raises(CourseError, match=says):
        grade(**options)


def test_is_a_report_before_any_grading_refused(classroom, desk):
    with pytest.raises(CourseError, match="is not graded yet"):
        show_report(Desk(classroom).course, desk.lesson)
