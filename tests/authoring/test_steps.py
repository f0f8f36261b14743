from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from autograder.authoring.steps import ClearWorkedSolutions, preprocessors


def test_is_ours_the_one_step_that_differs():
    stock = GenerateAssignment().preprocessors
    changed = [(old, new) for old, new in zip(stock, preprocessors(), strict=True) if old is not new]
    assert changed == [(ClearSolutions, ClearWorkedSolutions)]


def clear(cell):
    cell.metadata["nbgrader"] = {
        "grade": False,
        "solution": True,
        "locked": False,
        "grade_id": "x",
        "schema_version": 3,
    }
    ClearWorkedSolutions().preprocess_cell(cell, {"language": "python"}, 0)
    return cell.source


def test_does_a_function_s_solution_become_a_raise():
    source = clear(new_code_cell("def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"))
    assert source == "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"


def test_does_a_list_s_solution_become_a_comment():
    source = clear(new_code_cell('lines = [\n    ### BEGIN SOLUTION\n    "a",\n    ### END SOLUTION\n]'))
    assert source == "lines = [\n    # YOUR LINES HERE\n]"


def test_is_a_written_answer_left_to_nbgrader():
    assert clear(new_markdown_cell("Because.")) == "YOUR ANSWER HERE"
