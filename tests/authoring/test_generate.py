import json

import nbformat
import pytest

from autograder.authoring import generate
from autograder.authoring.reader import read_lesson
from autograder.judging.exercise import ExerciseError
from tests import samples


@pytest.fixture
def master(small_lesson):
    return generate.master(small_lesson, small_lesson.sources["from_scratch"])


def cells(notebook):
    return {cell["id"]: cell for cell in notebook.cells}


def test_is_the_master_a_valid_notebook(master):
    nbformat.validate(master)
    assert master.nbformat_minor == 5


def test_says_the_first_cell_what_it_was_generated_from(master):
    assert master.cells[0].source.splitlines()[0] == (
        "<!-- Generated from solutions/98-scaling/from_scratch.py by `make build`; change it there. -->"
    )


def test_carries_the_check_the_points_and_the_solution_none(master):
    made = cells(master)
    assert made["check_scaled"].metadata["nbgrader"]["points"] == 2
    assert made["check_scaled"].metadata["nbgrader"]["locked"]
    assert made["scaled"].metadata["nbgrader"]["solution"]
    assert not made["scaled"].metadata["nbgrader"]["grade"]


def test_is_an_empty_check_cell_filled_in(master):
    assert cells(master)["check_scaled"].source == 'lesson.check("scaled", scaled)'


def test_is_a_written_question_locked_and_its_answer_graded(master):
    made = cells(master)
    assert made["question_say_why"].metadata["nbgrader"]["locked"]
    assert made["say_why"].metadata["nbgrader"]["grade"]
    assert made["say_why"].source == "Because the answer is so."


def test_are_study_cells_tagged_for_grading_to_leave_out(master):
    assert [cell["id"] for cell in master.cells if "study" in cell.metadata.get("tags", [])] == [
        "check_scaled-1"
    ]


def test_are_cell_ids_unique(master):
    assert len(cells(master)) == len(master.cells)


def test_do_cell_ids_stay_when_text_changes(course, master):
    folder = course / "solutions" / samples.LESSON
    samples.change(folder / "from_scratch.py", "# # Scaling", "# # Another title\n#\n# And a word more.")
    lesson = read_lesson(folder)
    changed = generate.master(lesson, lesson.sources["from_scratch"])
    assert [c["id"] for c in changed.cells] == [c["id"] for c in master.cells]


def test_is_the_text_of_a_notebook_stable(master):
    text = generate.dump(master)
    assert text.endswith("}\n")
    assert generate.dump(nbformat.from_dict(json.loads(text))) == text


def test_do_outputs_make_no_other_source(master):
    other = nbformat.from_dict(json.loads(json.dumps(master)))
    cells(other)["scaled"]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    cells(other)["scaled"]["execution_count"] = 7
    assert generate.same_source(master, other)
    cells(other)["scaled"].source += " "
    assert not generate.same_source(master, other)


def test_does_the_worked_notebook_show_the_solution_without_marks(small_lesson):
    worked = generate.worked(small_lesson, small_lesson.sources["from_scratch"])
    source = cells(worked)["scaled"].source
    assert "return product" in source
    assert "###" not in source


@pytest.mark.parametrize("name", ["from_scratch.py", "exercises/scaled.py"])
def test_does_the_fingerprint_follow_all_that_outputs_depend_on(course, small_lesson, name):
    source = small_lesson.sources["from_scratch"]
    before = generate.fingerprint(small_lesson, source)
    path = course / "solutions" / samples.LESSON / name
    path.write_text(path.read_text("utf-8") + "\n# more\n", "utf-8")
    assert generate.fingerprint(small_lesson, source) != before


def test_does_a_cell_that_raises_stop_the_worked_notebook(course, small_lesson):
    worked = generate.worked(small_lesson, small_lesson.sources["from_scratch"])
    worked.cells[:] = [nbformat.v4.new_code_cell("1 / 0")]
    with pytest.raises(Exception, match="ZeroDivisionError"):
        generate.execute(worked, {}, course / "data")


def test_is_nbgrader_s_own_reason_told(small_lesson, master):
    del cells(master)["check_scaled"].metadata["nbgrader"]["points"]
    with pytest.raises(ExerciseError, match="nbgrader could not generate 98-scaling"):
        generate.release(samples.LESSON, {"from_scratch": master}, {})
