"""From whatever was submitted to the answers in it."""

import base64
import json

import pytest

from autograder.grading.reduce import Malformed, defined_names, read_cells, reduce
from tests.grading.desk import ADDED, ESSAY, RIGHT, SCALED, TRACK, cell, own


@pytest.fixture
def answers(desk):
    """Reduce a notebook."""
    released = desk.key.released[TRACK]
    return lambda notebook: reduce(read_cells(json.dumps(notebook).encode()), released.cells, released.names)


def test_are_the_answers_of_an_honest_notebook_all_there(desk, answers):
    found = answers(desk.filled(RIGHT))
    assert {**found.code, **found.written} == RIGHT
    assert (found.extras, found.noted) == ({}, [])


def test_are_answers_found_without_metadata_and_ids(desk, answers):
    notebook = desk.filled(RIGHT)
    for one in notebook["cells"]:
        one["metadata"] = {}
        del one["id"]
    assert {**answers(notebook).code, **answers(notebook).written} == RIGHT


def test_is_an_answer_found_where_only_the_cell_id_is_left(desk, answers):
    notebook = desk.filled({"scaled": "from helpers import scaled"})
    cell(notebook, "scaled")["metadata"] = {}
    assert answers(notebook).code["scaled"] == "from helpers import scaled"


def test_does_the_order_of_cells_not_matter(desk, answers):
    notebook = desk.filled(RIGHT)
    notebook["cells"].reverse()
    found = answers(notebook)
    assert {**found.code, **found.written} == RIGHT
    assert found.extras == {}


def test_is_a_helper_kept_after_the_cell_above_it(desk, answers):
    notebook = desk.filled(RIGHT)
    at = notebook["cells"].index(cell(notebook, "scaled"))
    notebook["cells"].insert(at, own("half = 0.5"))
    assert {i: [e.source for e in extras] for i, extras in answers(notebook).extras.items()} == {
        at - 1: ["half = 0.5"]
    }


def test_is_a_cell_before_all_others_kept(desk, answers):
    notebook = desk.released()
    notebook["cells"].insert(0, own("import math"))
    assert [e.source for e in answers(notebook).extras[-1]] == ["import math"]


def test_is_a_second_try_in_a_copied_cell_kept_behind_the_first(desk, answers):
    notebook = desk.filled({"scaled": ADDED})
    at = notebook["cells"].index(cell(notebook, "scaled"))
    notebook["cells"].insert(at + 1, {**cell(notebook, "scaled"), "source": SCALED})
    found = answers(notebook)
    assert found.code["scaled"] == ADDED
    assert [e.source for e in found.extras[at]] == [SCALED]


def test_is_a_copy_of_a_check_cell_dropped(desk, answers):
    notebook = desk.released()
    notebook["cells"].append({**cell(notebook, "check_scaled"), "source": "2.0"})
    assert answers(notebook).extras == {}


def test_are_edits_of_locked_cells_noted_and_ignored(desk, answers):
    notebook = desk.released()
    cell(notebook, "check_scaled")["source"] = "2.0"
    cell(notebook, "setup")["source"] = "lesson = None"
    found = answers(notebook)
    assert found.noted == [
        "the locked cell setup was edited (ignored)",
        "the locked cell check_scaled was edited (ignored)",
    ]
    assert found.extras == {}


def test_is_a_missing_answer_cell_noted(desk, answers):
    notebook = desk.released()
    notebook["cells"].remove(cell(notebook, "scaled"))
    assert answers(notebook).noted == ["the cell scaled is missing"]


def test_is_an_edited_cell_that_was_not_locked_run_too(desk, answers):
    notebook = desk.released()
    cell(notebook, "setup-1")["source"] = "import numpy as np\nimport math"
    (extra,) = next(iter(answers(notebook).extras.values()))
    assert extra.graded_source == "import numpy as np\nimport math"


def test_are_only_the_definitions_of_an_edited_figure_run(desk, answers):
    notebook = desk.released()
    cell(notebook, "check_scaled-1")["source"] = "def helper():\n    return 1\n\nwhile True:\n    helper()"
    (extra,) = next(iter(answers(notebook).extras.values()))
    assert extra.graded_source == "def helper():\n    return 1"


def test_is_prose_below_the_question_part_of_the_answer(desk, answers):
    notebook = desk.filled({"say_why": ESSAY})
    notebook["cells"].append(own("And so on.", "markdown"))
    assert answers(notebook).written["say_why"] == f"{ESSAY}\n\nAnd so on."


def test_is_other_prose_of_a_student_left_out_of_grading(desk, answers):
    notebook = desk.released()
    notebook["cells"].insert(4, own("A note to myself.", "markdown"))
    (extra,) = next(iter(answers(notebook).extras.values()))
    assert (extra.source, extra.graded_source) == ("A note to myself.", "")


def test_is_a_picture_pasted_into_a_written_answer_kept(desk, answers):
    notebook = desk.filled({"say_why": "![photo](attachment:photo.png)"})
    data = base64.b64encode(b"pixels").decode()
    forms = {"image/png": data, "text/html": "<script>alert(1)</script>"}
    cell(notebook, "say_why")["attachments"] = {"photo.png": forms, "odd": 3}
    assert answers(notebook).pictures["say_why"] == {"photo.png": {"image/png": data}}


def test_is_an_answer_as_released_no_written_answer(desk, answers):
    assert answers(desk.released()).written == {}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"{", "not valid JSON"),
        (b'{"cells": [{"source": "abc', "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[1, 2]", "no list of cells"),
        (b"null", "no list of cells"),
        (b'{"cells": {"a": 1}}', "no list of cells"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"cells": [' + b",".join([b"{}"] * 2001) + b"]}", "2001 cells"),
        (b" " * (2**26 + 1), "64 MB"),
    ],
    ids=["nothing", "blank", "brace", "cut", "bytes", "list", "null", "dict", "deep", "many", "large"],
)
def test_does_what_is_no_notebook_say_what_to_do(data, says):
    with pytest.raises(Malformed, match=says):
        read_cells(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_is_a_file_read_in_any_encoding_of_json(encoding):
    text = '{"cells": [{"cell_type": "code", "source": ["a = ", "1"]}]}'
    assert [given.source for given in read_cells(text.encode(encoding))] == ["a = 1"]


def test_is_the_third_format_of_notebooks_read():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["b = 2"]}]}]}
    assert [given.source for given in read_cells(json.dumps(old).encode())] == ["b = 2"]


def test_do_surrogates_and_nuls_not_survive():
    data = rb'{"cells": [{"cell_type": "code", "source": "x = \"\ud800\u0000\""}]}'
    assert read_cells(data)[0].source == 'x = "?"'


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(): pass\nclass G: pass\nasync def h(): pass", {"f", "G", "h"}),
        ("a = b = 1\nc: int = 2\nd += 1", {"a", "b", "c", "d"}),
        ("%matplotlib inline\n!ls\ndef f(): pass", {"f"}),
        ("def f(:\n  pass\na = 1\nb == 2", {"f", "a"}),
        ("if True:\n    def hidden(): pass", set()),
        ("(" * 5000, set()),
    ],
)
def test_which_names_does_a_cell_define(source, names):
    assert defined_names(source) == names
