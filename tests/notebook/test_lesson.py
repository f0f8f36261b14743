import json
import sys

import numpy as np
import pytest

import autograder
from autograder.judging.casebook import dump
from tests import samples


@pytest.fixture
def lesson(lesson_folder):
    return autograder.lesson(samples.LESSON, track="from_scratch")


def stub(x, factor):
    """Return x times factor."""
    raise NotImplementedError()


def test_does_a_right_answer_pass(lesson):
    assert lesson.check("scaled", np.multiply).outcome == "passed"


def test_is_a_known_slip_named(lesson):
    assert lesson.check("scaled", np.add).says == "The factor was added, but it should multiply."


def test_is_a_derivation_checked(lesson):
    lines = ["(a + b)**2", "a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"]
    assert lesson.check("expand_square", lines).outcome == "passed"


def test_does_each_track_have_its_own_cases(lesson_folder):
    pytorch = autograder.lesson(samples.LESSON, track="pytorch")
    assert pytorch.check("scaled", lambda x, factor: x * factor + 0.0 * x).passed
    assert pytorch.check("expand_square", []).outcome == "not_yet"


def test_does_the_lesson_show_four_verbs_only(lesson):
    assert dir(lesson) == ["check", "hint", "progress", "solution"]
    assert repr(lesson) == (
        "Lesson 98-scaling, from_scratch: 2 exercises; use check, hint, solution, progress"
    )


# -------------------------------------------------------------------------------------- bad input


def test_is_a_misspelt_exercise_guessed(lesson):
    assert lesson.check("scalde", np.add).says == (
        "This notebook has no exercise 'scalde'. Did you mean 'scaled'?"
    )


def test_is_an_unknown_exercise_told_which_there_are(lesson):
    verdict = lesson.check("quicksort", np.add)
    assert verdict.says == "This notebook has no exercise 'quicksort'. It has: scaled, expand_square."
    assert verdict.outcome == "not_yet"
    assert lesson.hint("quicksort").heading == verdict.says
    assert lesson.solution("quicksort").heading == verdict.says


@pytest.mark.parametrize("name", [["scaled"], np.ones(3), {"a": 1}, None, 3, np.add])
def test_is_a_name_that_is_no_text_answered(lesson, name):
    assert "has no exercise" in lesson.check(name, "scaled").says
    assert "has no exercise" in lesson.hint(name).heading
    assert "has no exercise" in lesson.solution(name).heading


def test_is_an_unknown_track_told_which_there_are(lesson_folder):
    reading = autograder.lesson(samples.LESSON, track="reading")
    assert reading.check("scaled", np.add).says == (
        "The lesson 98-scaling has no track 'reading'; it has from_scratch, pytorch."
    )


def test_is_an_interrupt_a_verdict(lesson):
    def interrupted(x, factor):
        raise KeyboardInterrupt

    verdict = lesson.check("scaled", interrupted)
    assert (verdict.outcome, verdict.says) == ("not_yet", "The check was interrupted.")


def test_does_an_exit_leave_the_session_alone(lesson):
    verdict = lesson.check("scaled", lambda x, factor: sys.exit())
    assert verdict.outcome == "not_yet"
    assert "SystemExit" in verdict.says


def test_is_a_fault_of_ours_not_the_student_s(lesson, monkeypatch):
    def broken(*arguments):
        raise MemoryError("none left")

    monkeypatch.setattr("autograder.notebook.lesson.judge", broken)
    verdict = lesson.check("scaled", np.multiply)
    assert verdict.outcome == "grader_failed"
    assert "MemoryError: none left" in verdict.says


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "No casebook for '98-scaling'. Put the file casebook.npz"),
        (b"damaged", "cannot be used: it is damaged"),
        (dump("97-other", []), "belongs to '97-other'"),
    ],
    ids=["missing", "damaged", "of_another_lesson"],
)
def test_is_a_casebook_that_cannot_be_used_told_by_every_verb(lesson_folder, data, says):
    path = lesson_folder / "casebook.npz"
    path.unlink() if data is None else path.write_bytes(data)
    lesson = autograder.lesson(samples.LESSON, track="from_scratch")
    verdict = lesson.check("scaled", np.multiply)
    assert verdict.outcome == "grader_failed"
    for told in (verdict.says, lesson.hint("scaled").heading, repr(lesson.progress()), repr(lesson)):
        assert says in told


def test_is_nothing_written_to_stderr(lesson, capfd):
    def noisy(x, factor):
        print("oh", file=sys.stderr)
        return np.log(-np.abs(x))

    lesson.check("scaled", noisy)
    lesson.check("nothing", noisy)
    lesson.hint("scaled")
    assert capfd.readouterr().err == ""


# ------------------------------------------------------------------------------------------- verbs


def test_do_hints_come_one_by_one_and_the_last_again(lesson):
    given = [lesson.hint("scaled") for _ in range(3)]
    assert [hint.body for hint in given] == [
        "Think of one entry.",
        "Every entry is multiplied.",
        "Every entry is multiplied.",
    ]
    assert given[0].heading == "Hint 1 of 2 for scaled"


def test_does_progress_count_what_passed(lesson):
    lesson.check("scaled", np.multiply)
    lesson.check("expand_square", ["a**2 + b**2"])
    table = lesson.progress()
    assert table.heading == "98-scaling, from_scratch: 1 of 2 passed"
    assert [row[2] for row in table.rows] == ["passed", "tried"]


def test_is_progress_there_in_the_next_session(lesson):
    lesson.check("scaled", np.multiply)
    again = autograder.lesson(samples.LESSON, track="from_scratch")
    assert again.progress().rows[0][2] == "passed"


def test_are_other_notebooks_counted(lesson):
    lesson.check("scaled", np.multiply)
    pytorch = autograder.lesson(samples.LESSON, track="pytorch")
    assert pytorch.progress().heading == "98-scaling, pytorch: 0 of 1 passed; 1 in other notebooks"


def test_does_grading_leave_no_progress_behind(lesson_folder, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    lesson = autograder.lesson(samples.LESSON, track="from_scratch")
    assert repr(lesson.check("scaled", np.multiply)) == "2.0"
    assert not (lesson_folder.parent / ".progress.json").exists()


def test_is_there_no_solution_in_a_student_s_copy(lesson):
    assert lesson.solution("scaled").heading == "This copy of the course has no worked solutions."


def test_is_a_solution_shown_after_an_attempt_only(lesson, lesson_folder):
    place = lesson_folder.parents[1] / "solutions" / samples.LESSON
    place.mkdir(parents=True)
    cell = {
        "metadata": {"nbgrader": {"grade_id": "scaled"}},
        "source": ["def scaled(x, factor):\n", "    ..."],
    }
    (place / "from_scratch.ipynb").write_text(json.dumps({"cells": [{"metadata": {}}, cell]}))
    assert lesson.solution("scaled").heading.startswith("Try scaled first")
    lesson.check("scaled", stub)
    assert lesson.solution("scaled").heading.startswith("Try scaled first")
    lesson.check("scaled", np.add)
    shown = lesson.solution("scaled")
    assert shown.is_code
    assert shown.body == "def scaled(x, factor):\n    ..."


def test_does_a_check_made_while_judged_from_outside_count_for_nothing(lesson_folder, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_JUDGED", "1")
    lesson = autograder.lesson(samples.LESSON, track="from_scratch")
    verdict = lesson.check("scaled", np.multiply)
    assert verdict.outcome == "grader_failed"
    assert verdict.points == 0
    assert "judged from outside" in verdict.says
