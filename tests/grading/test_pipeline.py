"""A class: every submission becomes a row."""

import dataclasses
import os
import time

import pytest

from autograder.course import CourseError
from autograder.grading.mark import Task
from autograder.grading.pipeline import Grader, find_tasks
from tests import samples
from tests.grading.desk import HALF, RIGHT, TRACK, Desk


@pytest.fixture
def tasks(classroom, desk):
    """Return the tasks by student, after a submission was put there."""

    def find(roster=(), only=None):
        found = find_tasks(classroom / "submitted", desk.lesson, list(roster), only)
        return {task.student: task for task in found}

    return find


@pytest.fixture
def folder(classroom):
    """Return ada's folder for the lesson."""
    made = classroom / "submitted" / "ada" / samples.LESSON
    made.mkdir(parents=True)
    return made


def test_are_those_on_the_roster_missing_who_submitted_nothing(classroom, desk, tasks):
    desk.submit(classroom, "ada", desk.bytes(RIGHT))
    found = tasks(roster=["ada", "ben"])
    assert [found[s].status for s in ("ada", "ben")] == ["graded", "missing"]
    assert found["ada"].data == desk.bytes(RIGHT)
    assert "There is no from_scratch.ipynb" in found["ben"].problem


def test_is_a_renamed_notebook_named(folder, tasks):
    (folder / "from_scratch (1).ipynb").write_text("{}")
    assert "was it renamed?" in tasks()["ada"].problem


def test_is_a_hidden_folder_no_student(classroom, tasks):
    (classroom / "submitted" / ".ipynb_checkpoints").mkdir()
    assert tasks() == {}


@pytest.mark.parametrize("which", ["file", "lesson", "student"])
def test_is_a_symbolic_link_refused(classroom, desk, tasks, tmp_path, which):
    path = desk.submit(tmp_path / "elsewhere", "ada", desk.bytes(RIGHT))
    places = {"file": path, "lesson": path.parent, "student": path.parent.parent}
    link = classroom / places[which].relative_to(tmp_path / "elsewhere")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(places[which])
    assert tasks()["ada"].status == "malformed"
    assert "symbolic link" in tasks()["ada"].problem


def test_is_a_link_to_nowhere_refused(folder, tasks):
    (folder / f"{TRACK}.ipynb").symlink_to("nowhere")
    assert tasks()["ada"].status == "malformed"


def test_is_a_folder_in_a_notebooks_place_malformed(folder, tasks):
    (folder / f"{TRACK}.ipynb").mkdir()
    assert "is not a file" in tasks()["ada"].problem


def test_is_a_pipe_in_a_notebooks_place_not_waited_for(folder, tasks):
    os.mkfifo(folder / f"{TRACK}.ipynb")
    assert tasks()["ada"].status == "malformed"


def test_is_a_huge_file_not_read(folder, tasks):
    with (folder / f"{TRACK}.ipynb").open("wb") as file:
        file.truncate(2**36)
    assert "65536 MB" in tasks()["ada"].problem


def test_is_a_file_that_cannot_be_read_a_row(classroom, desk, tasks, monkeypatch):
    path = desk.submit(classroom, "ada", desk.bytes(RIGHT))

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    assert tasks()["ada"].problem == "The file cannot be read: Permission denied."


def test_may_one_student_be_chosen(classroom, desk, tasks):
    for student in ("ada", "ben"):
        desk.submit(classroom, student, desk.bytes(RIGHT))
    assert list(tasks(only="ben")) == ["ben"]
    with pytest.raises(CourseError, match="no student 'carl'"):
        tasks(only="carl")


# --------------------------------------------------------------------------------------- grading


@pytest.fixture
def grader(classroom):
    """Return a grader of a course of this test's own."""
    here = Desk(classroom)
    return Grader(here.course, here.lesson, jobs=2)


def test_are_rows_in_the_order_of_tasks(desk, grader):
    tasks = [Task(s, TRACK, desk.bytes(a)) for s, a in (("zoe", RIGHT), ("ada", HALF), ("ben", {}))]
    told = []
    rows = grader.grade(
        [*tasks, Task("carl", TRACK, b"", "Nothing.", "missing")], progress=lambda *a: told.append(a)
    )
    assert [(r.student, r.result.status, r.result.score) for r in rows] == [
        ("zoe", "graded", 5),
        ("ada", "graded", 2),
        ("ben", "graded", 0),
        ("carl", "missing", 0),
    ]
    assert [t[:2] for t in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_is_a_row_of_the_documented_form(desk, grader):
    (row,) = grader.grade([Task("ada", TRACK, desk.bytes(HALF))])
    shown = row.json()
    assert set(shown) >= {"student", "lesson", "notebook", "status", "score", "max_score", "exercises"}
    assert (shown["lesson"], shown["notebook"], shown["max_score"]) == (samples.LESSON, TRACK, 6)
    assert set(shown["exercises"][0]) == {
        "exercise",
        "track",
        "outcome",
        "points",
        "max_points",
        "diagnosis",
        "cases",
    }


def test_is_nothing_graded_twice(desk, grader, monkeypatch):
    tasks = [Task("ada", TRACK, desk.bytes(RIGHT)), Task("ben", TRACK, b"{")]
    first = grader.grade(tasks)
    monkeypatch.setattr(grader.marker, "mark", None)
    second = grader.grade(tasks)
    assert [row.reused for row in [*first, *second]] == [False, False, True, True]
    assert [row.json() for row in first] == [row.json() for row in second]


def test_does_a_rerun_judge_again(desk, grader):
    task = Task("ada", TRACK, desk.bytes(RIGHT))
    grader.grade([task])
    (row,) = grader.grade([task], rerun=True)
    assert (row.reused, row.result.score) == (False, 5)


def test_is_a_result_of_another_secret_not_taken(desk, grader):
    task = Task("ada", TRACK, desk.bytes(RIGHT))
    grader.grade([task])
    grader.marker.secret = b"another"
    assert not grader.grade([task])[0].reused


def test_does_a_failure_of_the_grader_cost_one_row_and_is_tried_again(desk, grader, monkeypatch):
    task = Task("ada", TRACK, desk.bytes(RIGHT))
    with monkeypatch.context() as patch:
        patch.setattr(grader.marker, "_mark", lambda task: 1 / 0)
        (row,) = grader.grade([task])
    assert (row.result.status, {e["outcome"] for e in row.result.exercises}) == ("crashed", {"grader_failed"})
    assert "The grader failed, not the submission" in row.result.reasons[0]
    assert grader.grade([task])[0].result.score == 5


def test_is_nothing_more_begun_after_an_interrupt(desk, grader, monkeypatch):
    marked = []

    def mark(task):
        marked.append(task)
        time.sleep(0.005)
        return dataclasses.replace(desk.mark(b"{"), key=f"k{len(marked)}")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(grader.marker, "mark", mark)
    grader.jobs = 1
    with pytest.raises(KeyboardInterrupt):
        grader.grade([Task(f"s{i}", TRACK, b"%d" % i) for i in range(1000)], progress=interrupt)
    assert len(marked) < 1000
