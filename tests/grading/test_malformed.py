"""Whatever is handed in, it becomes a row with a status and a reason, and never stops the class."""

import copy
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.grading.classroom import grade_class
from autograder.grading.mark import Task
from autograder.grading.run import STATUSES
from autograder.sandbox import best_tier
from tests import samples
from tests.grading.desk import DIES, ESSAY, HALF, RIGHT, SCALED, SQUARE, TRACK, Desk, cell, own

HONEST = 5


def edited(change):
    """A right notebook after a change of it."""

    def make(desk):
        notebook = desk.filled(RIGHT)
        return json.dumps(change(notebook) or notebook).encode()

    return make


def at(cell_id, **fields):
    return edited(lambda nb: cell(nb, cell_id).update(fields))


def marks(cell_id, **fields):
    return edited(lambda nb: cell(nb, cell_id)["metadata"]["nbgrader"].update(fields))


def every(**fields):
    return edited(lambda nb: [c.update(copy.deepcopy(fields)) for c in nb["cells"]] and None)


def without(cell_id):
    return edited(lambda nb: nb["cells"].remove(cell(nb, cell_id)))


def twice(cell_id):
    return edited(lambda nb: nb["cells"].append(copy.deepcopy(cell(nb, cell_id))))


def raw(change):
    return lambda desk: change(desk.bytes(RIGHT))


def third_format(desk):
    cells = [{**c, "input": c["source"]} for c in desk.filled(RIGHT)["cells"]]
    for each in cells:
        each.pop("source")
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()


def nested(depth):
    return edited(lambda nb: nb["metadata"].update(deep=json.loads("[" * depth + "]" * depth)))


UNREADABLE = {
    "empty": lambda desk: b"",
    "blank": lambda desk: b"\n \t\n",
    "truncated": raw(lambda data: data[: len(data) // 2]),
    "last_byte_gone": raw(lambda data: data[:-1]),
    "binary": lambda desk: os.urandom(2000),
    "zip": lambda desk: b"PK\x03\x04" + b"\0" * 100,
    "a_python_file": lambda desk: SCALED.encode(),
    "html": lambda desk: b"<!doctype html><title>Sign in</title>",
    "json_list": lambda desk: b"[]",
    "json_number": lambda desk: b"17",
    "json_null": lambda desk: b"null",
    "no_cells": lambda desk: b'{"metadata": {}, "nbformat": 4}',
    "cells_a_dict": edited(lambda nb: nb.update(cells={"0": nb["cells"][0]})),
    "cells_a_text": edited(lambda nb: nb.update(cells="none")),
    "cells_null": edited(lambda nb: nb.update(cells=None)),
    "nan_for_a_notebook": lambda desk: b"NaN",
    "deep_nesting": lambda desk: b'{"cells":' + b"[" * 200_000,
    "merge_conflict": raw(
        lambda data: b"<<<<<<< HEAD\n" + data + b"\n=======\n" + data + b"\n>>>>>>> mine\n"
    ),
    "null_bytes_between": raw(lambda data: b"\0".join(data[i : i + 1] for i in range(300))),
    "latin_1": raw(lambda data: data.replace(b"# Scaling", "# Gr\xf6\xdfe".encode("latin-1"))),
    "5000_cells": edited(lambda nb: nb["cells"].extend(own(f"a{i} = {i}") for i in range(5000))),
    "a_huge_number": raw(lambda data: data.replace(b'"points": 2', b'"points": ' + b"9" * 6000)),
}

READABLE = {
    "honest": (raw(lambda data: data), HONEST),
    "utf_8_with_bom": (raw(lambda data: b"\xef\xbb\xbf" + data), HONEST),
    "utf_16": (raw(lambda data: data.decode().encode("utf-16")), HONEST),
    "nbformat_3": (third_format, HONEST),
    "nbformat_99": (edited(lambda nb: nb.update(nbformat=99)), HONEST),
    "nbformat_a_text": (edited(lambda nb: nb.update(nbformat="four", nbformat_minor=None)), HONEST),
    "no_metadata_at_all": (edited(lambda nb: nb.pop("metadata") and None), HONEST),
    "cells_without_metadata": (every(metadata={}), HONEST),
    "metadata_null": (every(metadata=None), HONEST),
    "metadata_a_list": (every(metadata=[1, 2]), HONEST),
    "marks_of_wrong_type": (every(metadata={"nbgrader": "yes", "tags": 3}), HONEST),
    "ids_all_the_same": (every(id="x"), HONEST),
    "ids_numbers": (every(id=7), HONEST),
    "another_kernel": (edited(lambda nb: nb["metadata"].update(kernelspec={"name": "ir"})), HONEST),
    "language_of_wrong_type": (edited(lambda nb: nb["metadata"].update(language_info=[])), HONEST),
    "schema_version_1": (marks("check_scaled", schema_version=1), HONEST),
    "schema_version_99": (marks("check_scaled", schema_version=99), HONEST),
    "grade_flag_removed": (marks("check_scaled", grade=False), HONEST),
    "points_raised": (marks("check_scaled", points=1000), HONEST),
    "points_negative": (marks("check_scaled", points=-5), HONEST),
    "locks_removed": (marks("setup", locked=False), HONEST),
    "grade_id_of_another": (marks("expand_square", grade_id="scaled"), HONEST),
    "grade_id_a_number": (marks("scaled", grade_id=4), HONEST),
    "check_twice": (twice("check_scaled"), HONEST),
    "answer_twice": (twice("scaled"), HONEST),
    "written_answer_twice": (twice("say_why"), HONEST),
    "check_deleted": (without("check_scaled"), HONEST),
    "setup_deleted": (without("setup"), HONEST),
    "imports_deleted": (without("setup-1"), HONEST),
    "question_deleted": (without("question_say_why"), HONEST),
    "answer_deleted": (without("scaled"), 3),
    "all_cells_gone": (edited(lambda nb: nb.update(cells=[])), 0),
    "cells_reversed": (edited(lambda nb: nb["cells"].reverse()), HONEST),
    "cells_of_odd_types": (
        edited(lambda nb: nb["cells"].extend([None, 3, "x", [], {}, {"cell_type": 5}])),
        HONEST,
    ),
    "sources_in_lists": (
        edited(lambda nb: [c.update(source=c["source"].splitlines(True)) for c in nb["cells"]] and None),
        HONEST,
    ),
    "source_null": (at("scaled", source=None), 3),
    "source_a_dict": (at("scaled", source={"a": 1}), 3),
    "source_list_of_odd_types": (at("scaled", source=[SCALED, 3, None]), HONEST),
    "answer_now_markdown": (at("scaled", cell_type="markdown"), 3),
    "answer_now_raw": (at("scaled", cell_type="raw"), 3),
    "written_answer_now_code": (at("say_why", cell_type="code", source=ESSAY), HONEST),
    "outputs_of_wrong_type": (every(outputs="none"), HONEST),
    "huge_outputs": (at("scaled", outputs=[{"output_type": "stream", "text": "x" * 5_000_000}]), HONEST),
    "outputs_that_lie": (at("check_scaled", outputs=[{"output_type": "execute_result", "data": {}}]), HONEST),
    "attachments_everywhere": (
        every(attachments={"a.png": {"image/png": "QUJD", "x": 1}, "b": None}),
        HONEST,
    ),
    "attachments_of_wrong_type": (every(attachments=[["a"]]), HONEST),
    "nul_in_source": (at("scaled", source=SCALED + "\0"), HONEST),
    "surrogate_in_source": (at("scaled", source=SCALED + '"\ud800"\n'), HONEST),
    "form_feed_in_source": (at("scaled", source="\x0c" + SCALED), HONEST),
    "windows_line_ends": (at("scaled", source=SCALED.replace("\n", "\r\n")), HONEST),
    "tabs_and_spaces": (at("scaled", source="def scaled(x, factor):\n\tif 1:\n        return x\n"), 3),
    "deep_expression": (at("scaled", source="y = " + "(" * 3000 + ")" * 3000), 3),
    "deep_metadata": (nested(200), HONEST),
    "long_line": (at("scaled", source=SCALED + "# " + "x" * 300_000), HONEST),
    "too_long_a_cell": (at("scaled", source="x = 1\n" * 200_000), 3),
    "1900_cells": (edited(lambda nb: nb["cells"].extend(own("") for _ in range(1900))), HONEST),
    "magics": (at("scaled", source="%matplotlib inline\n" + SCALED), HONEST),
    "dies": (edited(lambda nb: cell(nb, "expand_square").update(source=DIES["expand_square"])), 2),
    "cell_deletes_the_tools": (
        edited(lambda nb: nb["cells"].insert(2, own("del lesson\nautograder = None"))),
        HONEST,
    ),
    "exits": (edited(lambda nb: nb["cells"].insert(2, own("raise SystemExit"))), HONEST),
    "interrupts": (edited(lambda nb: nb["cells"].insert(2, own("raise KeyboardInterrupt"))), HONEST),
}


def is_a_row(row):
    shown = json.loads(json.dumps(row.json()))
    assert shown["status"] in STATUSES
    assert shown["status"] == "graded" or all(shown["reasons"])
    assert bool(shown["reasons"]) or shown["status"] == "graded"
    assert 0 <= shown["score"] <= shown["max_score"] == 6
    assert [e["exercise"] for e in shown["exercises"]] == ["scaled", "expand_square", "say_why"]
    assert "grader_failed" not in [e["outcome"] for e in shown["exercises"]]
    return shown


@pytest.mark.parametrize("name", UNREADABLE)
def test_does_what_cannot_be_read_become_a_row_that_says_so(desk, name):
    result = desk.mark(UNREADABLE[name](desk))
    assert (result.status, result.score) == ("malformed", 0)
    assert len(result.reasons[0]) > 30
    assert {e["outcome"] for e in result.exercises} == {"not_yet"}
    assert result.notebook["cells"][0]["id"] == "notice"


@pytest.mark.parametrize("name", READABLE)
def test_does_what_can_be_read_keep_its_points(desk, name):
    make, points = READABLE[name]
    result = desk.mark(make(desk))
    assert result.score == points
    assert result.status == ("crashed" if name == "dies" else "graded")
    assert "grader_failed" not in [e["outcome"] for e in result.exercises]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_does_a_class_of_nothing_but_such_files_get_through(classroom, desk, capsys):
    made = {**UNREADABLE, **{name: make for name, (make, _) in list(READABLE.items())[::4]}}
    for name, make in made.items():
        path = desk.submit(classroom, name, make(desk))
        (path.parent / "timestamp.txt").write_text("some day")
    desk.submit(classroom, "a_folder", b"").unlink()
    (classroom / "submitted" / "a_folder" / samples.LESSON / f"{TRACK}.ipynb").mkdir()
    (classroom / "submitted" / "no_lesson").mkdir()
    (classroom / "submitted" / "a_link").symlink_to(classroom / "submitted" / "honest")
    here = Desk(classroom)
    rows = {r["student"]: r for r in grade_class(here.course, here.lesson, best_tier(), jobs=2).rows}
    assert {*rows} == {*made, "a_folder", "no_lesson", "a_link"}
    assert [rows[s]["status"] for s in ("a_folder", "no_lesson", "a_link")] == [
        "malformed",
        "missing",
        "malformed",
    ]
    assert all(row["reasons"] for row in rows.values() if row["status"] != "graded")
    assert not [r for row in rows.values() for r in row["reasons"] if "gradebook" in r]
    pages = {p.parts[-3] for p in (classroom / "grading" / "feedback").rglob("*.html")}
    assert pages == {*rows} - {"no_lesson"}


# --------------------------------------------------------------------------- mutated notebooks

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.sampled_from(
    [SCALED, SQUARE, "", "1 / 0", "def f(", "%time", "scaled = 3", "del np", "x = '\\d'"]
)


def paths(tree, path=()):
    """Return where every value of a JSON tree lies."""
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield from paths(value, (*path, key))


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


@st.composite
def mutations(draw, notebook):
    """A valid notebook after one to six changes: junk for a value, a cell moved, copied, dropped or rewritten."""
    made = copy.deepcopy(notebook)
    for _ in range(draw(st.integers(1, 6))):
        cells = made.get("cells") if isinstance(made, dict) else None
        kind = draw(st.sampled_from(["junk", "junk", "drop", "copy", "move", "rewrite"]))
        if kind == "junk" or not isinstance(cells, list) or not cells:
            path = draw(st.sampled_from([p for p in paths(made) if p] or [("cells",)]))
            put(made, path, draw(JUNK))
            continue
        here, there = (draw(st.integers(0, len(cells) - 1)) for _ in range(2))
        if kind == "drop":
            del cells[here]
        elif kind == "copy":
            cells.insert(there, copy.deepcopy(cells[here]))
        elif kind == "move":
            cells.insert(there, cells.pop(here))
        elif isinstance(cells[here], dict):
            cells[here]["source"] = draw(SOURCES)
    return made


@pytest.fixture(scope="module")
def honest(desk):
    return desk.filled(HALF)


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_does_a_mutated_notebook_become_a_row(desk, honest, data):
    notebook = data.draw(mutations(honest))
    result = desk.mark(json.dumps(notebook).encode())
    assert result.status in STATUSES
    assert 0 <= result.score <= 5
    assert "grader_failed" not in [e["outcome"] for e in result.exercises]
    assert result.status == "graded" or result.reasons


@settings(max_examples=100, deadline=None, derandomize=True)
@given(start=st.integers(0, 4000), length=st.integers(1, 40), junk=st.binary(max_size=40))
def test_do_damaged_bytes_become_a_row(desk, start, length, junk):
    whole = desk.bytes({})
    data = whole[:start] + junk + whole[start + length :]
    result = desk.marker.mark(Task("ada", TRACK, data[: len(data) // 2]))
    assert (result.status, bool(result.reasons)) == ("malformed", True)
