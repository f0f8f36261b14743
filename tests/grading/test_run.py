"""A grafted notebook in the sandbox: what does each exercise get?"""

import pytest

from autograder.grading import run
from tests.grading.desk import DIES, HALF, RIGHT, SCALED, SQUARE, WRONG, cell, outcomes, own


def insert(notebook, before, source):
    notebook["cells"].insert(notebook["cells"].index(cell(notebook, before)), own(source))
    return notebook


def test_does_a_right_notebook_get_every_point_that_a_machine_gives(desk):
    result = desk.mark(desk.filled(RIGHT))
    assert (result.status, result.score, result.max_score) == ("graded", 5, 6)
    assert outcomes(result) == {"scaled": "passed", "expand_square": "passed", "say_why": "pending"}


def test_is_a_known_mistake_named(desk):
    result = desk.mark(desk.filled(WRONG))
    assert [e["diagnosis"]["mistake"] for e in result.exercises] == ["added", "no_cross_term", None]
    assert result.comments["scaled"] == "The factor was added, but it should multiply."


def test_is_the_released_notebook_not_attempted(desk):
    result = desk.mark(desk.released())
    assert set(outcomes(result).values()) == {"not_attempted"}
    assert result.status == "graded"


def test_is_the_number_that_nbgrader_reads_in_the_outputs(desk):
    result = desk.mark(desk.filled(HALF))
    index = [c["id"] for c in result.notebook["cells"]].index("check_scaled")
    (output,) = result.outputs[str(index)]
    assert output["data"]["text/plain"] == "2.0"
    assert "scaled" in output["data"]["text/html"]


def test_does_what_was_defined_at_the_check_count(desk):
    notebook = desk.filled(RIGHT)
    notebook["cells"].append(own("scaled = None\ndel expand_square"))
    assert desk.mark(notebook).score == 5


def test_does_a_helper_of_the_students_own_run(desk):
    notebook = desk.filled({"scaled": "def scaled(x, factor):\n    return times(x, factor)\n"})
    assert (
        outcomes(desk.mark(insert(notebook, "scaled", "def times(a, b):\n    return a * b")))["scaled"]
        == "passed"
    )


def test_is_an_answer_in_a_cell_of_its_own_an_answer(desk):
    notebook = desk.released()
    notebook["cells"].remove(cell(notebook, "scaled"))
    assert outcomes(desk.mark(insert(notebook, "check_scaled", SCALED)))["scaled"] == "passed"


def test_do_figures_not_run(desk):
    notebook = desk.filled(RIGHT)
    cell(notebook, "check_scaled-1")["source"] = "while True:\n    pass"
    assert desk.mark(notebook).status == "graded"


def test_is_a_failing_cell_quoted(desk):
    result = desk.mark(desk.filled({"scaled": "def scaled(x, factor):\n    return x *\n"}))
    says = result.exercises[0]["diagnosis"]["says"]
    assert "The cell that defines scaled failed with SyntaxError" in says
    assert "In line 2" in says


def test_is_a_renamed_function_missed_by_its_name(desk):
    result = desk.mark(desk.filled({"scaled": "def scale(x, factor):\n    return x * factor\n"}))
    assert "scaled is not defined" in result.exercises[0]["diagnosis"]["says"]


def test_does_an_error_in_one_cell_leave_the_others_alone(desk):
    result = desk.mark(desk.filled({"scaled": "1 / 0", "expand_square": SQUARE}))
    assert outcomes(result)["expand_square"] == "passed"


def test_does_death_cost_one_exercise_and_keep_the_rest(desk):
    result = desk.mark(desk.filled(DIES))
    assert (result.status, result.score) == ("crashed", 2)
    assert outcomes(result)["scaled"] == "passed"
    assert "ended the Python process" in result.reasons[0]
    assert "ended the Python process" in result.exercises[1]["diagnosis"]["says"]


def test_does_death_in_a_call_leave_later_exercises_alone(desk):
    deadly = "import os\n\ndef scaled(x, factor):\n    os._exit(1)\n"
    result = desk.mark(desk.filled({"scaled": deadly, "expand_square": SQUARE}))
    assert (result.status, result.score) == ("crashed", 3)


def test_is_a_call_that_never_ends_given_up(desk, monkeypatch):
    monkeypatch.setattr(run, "CALL_LIMIT_S", 1.0)
    loops = "def scaled(x, factor):\n    while True:\n        pass\n"
    result = desk.mark(desk.filled({"scaled": loops, "expand_square": SQUARE}))
    assert (result.status, result.score) == ("timed_out", 3)
    assert "scaled did not come back" in result.reasons[0]


def test_is_a_cell_that_never_ends_given_up(desk, monkeypatch):
    monkeypatch.setattr(run, "CELL_LIMIT_S", 1.0)
    result = desk.mark(insert(desk.filled(RIGHT), "scaled", "while True:\n    pass"))
    assert (result.status, result.score) == ("timed_out", 5)


def test_is_crashed_graver_than_timed_out(desk, monkeypatch):
    monkeypatch.setattr(run, "CALL_LIMIT_S", 1.0)
    loops = "def scaled(x, factor):\n    while True:\n        pass\n"
    result = desk.mark(desk.filled({"scaled": loops, "expand_square": DIES["expand_square"]}))
    assert (result.status, len(result.reasons)) == ("crashed", 2)


def test_is_a_run_given_up_that_dies_again_and_again(desk):
    notebook = desk.filled(RIGHT)
    notebook["cells"][2:2] = [own(f"import os\nos._exit({i})") for i in range(1, 9)]
    result = desk.mark(notebook)
    assert (result.status, result.score) == ("crashed", 0)
    assert "died too often" in result.exercises[0]["diagnosis"]["says"]
    index = [c["id"] for c in result.notebook["cells"]].index("check_scaled")
    assert "died too often" in result.outputs[str(index)][0]["data"]["text/html"]


def test_is_a_failure_of_the_grader_never_the_students(desk, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(run, "judge", broken)
    result = desk.mark(desk.filled(HALF))
    assert (result.status, outcomes(result)["scaled"]) == ("crashed", "grader_failed")
    assert "not the submission" in result.reasons[0]


def test_is_a_refused_path_noted(desk):
    notebook = desk.filled(RIGHT)
    notebook["cells"].append(own("open('/etc/shadow').read()"))
    result = desk.mark(notebook)
    if result.tier == "none":
        pytest.skip("nothing is hidden or refused without a sandbox")
    assert any("/etc/shadow" in what for what in result.noted)


def test_is_only_text_of_a_students_output_kept(desk):
    notebook = desk.filled({"scaled": f"print('<b>hi</b>')\n{SCALED}"})
    result = desk.mark(notebook)
    index = [c["id"] for c in result.notebook["cells"]].index("scaled")
    assert result.outputs[str(index)] == [{"output_type": "stream", "name": "stdout", "text": "<b>hi</b>\n"}]
