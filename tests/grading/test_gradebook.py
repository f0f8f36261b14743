"""Into nbgrader's gradebook and feedback pages."""

import json
import os

import pytest
from nbgrader.api import Gradebook, MissingEntry

from autograder.course import CourseError
from autograder.grading.classroom import grade_class
from autograder.grading.gradebook import InsertOutputs, SaveComments, Writer, steps
from autograder.sandbox import best_tier
from tests import samples
from tests.grading.desk import RIGHT, TRACK, WRONG, Desk

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def writer(classroom):
    """A writer of a course of this test's own, and the results of right and wrong answers."""
    here = Desk(classroom)
    casebook = (classroom / "notebooks" / samples.LESSON / "casebook.npz").read_bytes()
    return Writer(here.course, here.lesson, here.key, casebook)


@pytest.fixture(scope="module")
def results(desk):
    """Results by name; made once."""
    made = {"right": desk.mark(desk.filled(RIGHT)), "wrong": desk.mark(desk.filled(WRONG))}
    return {**made, "unread": desk.mark(b"{"), "empty": desk.mark(desk.released())}


@pytest.fixture
def gradebook(writer):
    with Gradebook(writer.course.db_url) as opened:
        yield opened


def notebook_of(gradebook, student):
    gradebook.db.expire_all()
    return gradebook.find_submission_notebook(TRACK, samples.LESSON, student)


def test_do_points_reach_the_gradebook(writer, results, gradebook):
    writer.write("ada", {TRACK: results["right"]}, None)
    scores = {grade.cell.name: grade.auto_score for grade in notebook_of(gradebook, "ada").grades}
    assert scores == {"check_scaled": 2, "check_expand_square": 3, "say_why": None}


def test_does_an_essay_wait_for_a_person_and_an_empty_one_not(writer, results, gradebook):
    writer.write("ada", {TRACK: results["right"]}, None)
    writer.write("ben", {TRACK: results["empty"]}, None)
    assert [notebook_of(gradebook, s).needs_manual_grade for s in ("ada", "ben")] == [True, False]


def test_stands_the_diagnosis_beside_the_answer(writer, results, gradebook):
    writer.write("ben", {TRACK: results["wrong"]}, None)
    comments = {c.cell.name: c.auto_comment for c in notebook_of(gradebook, "ben").comments}
    assert comments["scaled"] == "The factor was added, but it should multiply."


def test_does_the_feedback_page_show_the_card(writer, results):
    writer.write("ben", {TRACK: results["wrong"]}, None)
    page = writer.feedback_page("ben", TRACK).read_text("utf-8")
    assert "The factor was added, but it should multiply." in page
    assert "typical" in page


def test_does_an_unreadable_notebook_score_zero_and_wait_for_nobody(writer, results, gradebook):
    writer.write("finn", {TRACK: results["unread"]}, None)
    found = notebook_of(gradebook, "finn")
    assert (found.score, found.needs_manual_grade) == (0, False)
    assert "could not be read" in writer.feedback_page("finn", TRACK).read_text("utf-8")


def test_does_writing_again_replace_the_points_and_keep_those_given_by_hand(writer, results, gradebook):
    writer.write("ada", {TRACK: results["wrong"]}, None)
    essay = gradebook.find_grade("say_why", TRACK, samples.LESSON, "ada")
    essay.manual_score, essay.needs_manual_grade = 0.5, False
    gradebook.db.commit()
    writer.write("ada", {TRACK: results["right"]}, None)
    assert notebook_of(gradebook, "ada").score == 5.5


def test_is_the_late_policy_of_the_course_applied(writer, results, gradebook):
    writer.write("ada", {TRACK: results["right"]}, "2027-02-01 12:00:00 UTC")
    assert notebook_of(gradebook, "ada").late_submission_penalty == pytest.approx(0.3 * 5)


@pytest.mark.parametrize("student", ["ana maría", "o'neil", "[x]*?", "100%", "-dash", "a.b", "雪", "x" * 120])
def test_may_a_student_have_any_name(writer, results, gradebook, student):
    writer.write(student, {TRACK: results["right"]}, None)
    assert notebook_of(gradebook, student).score == 5


def test_is_a_student_whose_name_is_a_pattern_alone(writer, results, gradebook):
    writer.write("ada", {TRACK: results["right"]}, None)
    writer.write("a*", {TRACK: results["wrong"]}, None)
    assert [notebook_of(gradebook, s).score for s in ("ada", "a*")] == [5, 0]


def test_does_a_changed_lesson_with_submissions_say_what_to_do(writer, results, classroom):
    writer.write("ada", {TRACK: results["right"]}, None)
    folder = classroom / "solutions" / samples.LESSON
    samples.change(folder / "from_scratch.py", 'exercise="scaled"', 'exercise="times"')
    samples.change(folder / "from_scratch.py", 'check="scaled"', 'check="times"')
    os.rename(folder / "exercises" / "scaled.py", folder / "exercises" / "times.py")
    here = Desk(classroom)
    with pytest.raises(CourseError, match="Move that file aside"):
        Writer(here.course, here.lesson, here.key, b"")


def test_is_a_student_written_whole_or_not_at_all(writer, results, gradebook, monkeypatch):
    writer.write("ada", {TRACK: results["wrong"]}, None)

    def fail(*_):
        raise RuntimeError("no room on the disk")

    monkeypatch.setattr(Writer, "_settle", fail)
    with pytest.raises(RuntimeError):
        writer.write("ada", {TRACK: results["right"]}, None)
    with pytest.raises(RuntimeError):
        writer.write("ben", {TRACK: results["right"]}, None)
    assert notebook_of(gradebook, "ada").score == 0
    with pytest.raises(MissingEntry):
        notebook_of(gradebook, "ben")


def test_may_pages_be_left_out(classroom, desk):
    desk.submit(classroom, "ada", desk.bytes(RIGHT))
    assert grade(classroom, pages=False).rows[0]["score"] == 5
    assert not list((classroom / "grading").glob("feedback/*"))


def test_are_nbgraders_steps_kept_but_one():
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute

    stock = Autograde().autograde_preprocessors
    ours = steps(InsertOutputs)
    assert [s for s in ours if s is not SaveComments] == [InsertOutputs if s is Execute else s for s in stock]


# ------------------------------------------------------------------------------ one whole class


def grade(root, **options):
    here = Desk(root)
    return grade_class(here.course, here.lesson, best_tier(), jobs=2, **options)


def test_is_a_student_nbgrader_refuses_a_row_and_no_end(classroom, desk, monkeypatch, capsys):
    for student in ("ada", "ben"):
        desk.submit(classroom, student, desk.bytes(RIGHT))
    write = Writer.write

    def refuse(self, student, *rest):
        if student == "ada":
            raise CourseError("the gradebook said no")
        write(self, student, *rest)

    monkeypatch.setattr(Writer, "write", refuse)
    rows = grade(classroom).rows
    assert [row["score"] for row in rows] == [5, 5]
    assert rows[0]["reasons"] == ["Not in the gradebook: the gradebook said no"]
    assert "Not in the gradebook" in capsys.readouterr().out
    with Gradebook(Desk(classroom).course.db_url) as gradebook, pytest.raises(MissingEntry):
        gradebook.find_submission_notebook(TRACK, samples.LESSON, "ada")


def test_is_a_garbled_timestamp_no_harm(classroom, desk):
    path = desk.submit(classroom, "ada", desk.bytes(RIGHT))
    for text in ("yesterday", "", "\x00", "99999-99-99"):
        (path.parent / "timestamp.txt").write_text(text)
        assert grade(classroom).rows[0]["score"] == 5


def test_does_the_feedback_of_one_never_show_anothers(classroom, desk):
    notebook = desk.filled({**RIGHT, "say_why": "A sentence of ada's own."})
    desk.submit(classroom, "ada", notebook)
    desk.submit(classroom, "ben", json.dumps(desk.filled(WRONG)).encode())
    grade(classroom)
    pages = {p.parts[-3]: p.read_text("utf-8") for p in (classroom / "grading" / "feedback").rglob("*.html")}
    assert ["A sentence of ada" in pages[s] for s in ("ada", "ben")] == [True, False]
