import traceback

import numpy as np
import pytest

from autograder.authoring.reader import read_lesson
from autograder.authoring.worked import LessonAnswers, Worked, run
from autograder.judging.exercise import ExerciseError, Mistake, Right
from tests import samples


@pytest.fixture
def answers(small_lesson):
    return LessonAnswers(small_lesson)


def test_is_the_worked_solution_callable(answers):
    assert answers.answer("scaled", "from_scratch")(np.ones(2), 3.0).tolist() == [3.0, 3.0]


def test_do_figures_checks_and_the_first_cell_not_run(course):
    folder = course / "solutions" / samples.LESSON
    samples.change(folder / "from_scratch.py", "print(scaled(np.ones((2, 2)), 3.0))", "1 / 0")
    worked = Worked(read_lesson(folder).sources["from_scratch"])
    assert "lesson" not in worked.namespace


def test_is_nothing_printed(answers, capfd):
    run("print('hello')", {}, "<cell>")
    assert capfd.readouterr().out == ""


def test_is_a_mistake_the_worked_solution_with_other_text(answers):
    mistake = answers.lesson.exercises["scaled"].mistakes[0]
    assert answers.mistake("scaled", mistake)(np.ones(2), 3.0).tolist() == [4.0, 4.0]


def test_does_a_mistake_leave_the_worked_solution_alone(answers):
    answers.mistake("scaled", answers.lesson.exercises["scaled"].mistakes[0])
    assert answers.answer("scaled", "from_scratch")(np.ones(1), 3.0).tolist() == [3.0]


@pytest.mark.parametrize(("old", "times"), [("np.nothing", 0), ("product", 2)])
def test_must_an_edited_text_stand_exactly_once(answers, old, times):
    mistake = Mistake("slip", "This is a slip.", edit=[(old, "x")])
    with pytest.raises(ExerciseError, match=f"edits '{old}', which stands {times} times"):
        answers.mistake("scaled", mistake)


def test_must_a_mistake_be_an_edit_or_a_function(answers):
    with pytest.raises(ExerciseError, match="has neither an edit nor a function"):
        answers.mistake("scaled", Mistake("slip", "This is a slip."))


def test_must_a_cell_define_what_it_is_named_after(course):
    folder = course / "solutions" / samples.LESSON
    samples.change(folder / "from_scratch.py", "def scaled(", "def scaling(")
    samples.change(folder / "from_scratch.py", "print(scaled", "print(scaling")
    with pytest.raises(ExerciseError, match="the cell exercise='scaled' does not define scaled"):
        LessonAnswers(read_lesson(folder)).answer("scaled", "from_scratch")


def test_may_an_odd_answer_use_what_the_notebook_defines(answers):
    right = Right(
        "from_text", source="def scaled(x, factor):\n    return np.einsum('..., -> ...', x, factor)"
    )
    answer = answers.right(answers.lesson.exercises["scaled"], "scaled", right, "from_scratch")
    assert answer(np.ones(2), np.float64(3)).tolist() == [3.0, 3.0]


def test_do_tracebacks_show_the_lines_of_a_cell():
    namespace = {}
    run("def f():\n    return 1 / 0", namespace, "<a cell of its own>")
    with pytest.raises(ZeroDivisionError) as caught:
        namespace["f"]()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "return 1 / 0"
