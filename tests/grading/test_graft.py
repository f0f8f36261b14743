"""Answers on the released notebook: everything locked is as released again."""

import json

import pytest

from autograder.grading.graft import Released, attempted, graft, with_notice
from autograder.grading.reduce import read_cells, reduce
from tests.grading.desk import RIGHT, SCALED, TRACK, cell, own


@pytest.fixture
def grafted(desk):
    """Reduce a notebook and graft it."""
    released = desk.key.released[TRACK]

    def make(notebook, everything=False):
        cells = read_cells(json.dumps(notebook).encode())
        return graft(released, reduce(cells, released.cells, released.names), everything)

    return make


def test_does_grafting_the_released_notebook_change_nothing(desk, grafted):
    assert grafted(desk.released()).notebook == desk.key.released[TRACK].notebook


def test_is_every_cell_but_the_answers_as_released(desk, grafted):
    notebook = desk.filled(RIGHT)
    for one in notebook["cells"]:
        one["metadata"] = {"nbgrader": {"grade": False, "grade_id": one["id"], "points": 100}}
        one["outputs"] = [{"output_type": "stream", "name": "stderr", "text": "x"}]
    cell(notebook, "check_scaled")["source"] = "2.0"
    assert grafted(notebook).notebook == desk.filled(RIGHT)


def test_is_grafting_twice_the_same_as_once(desk, grafted):
    notebook = desk.filled(RIGHT)
    notebook["cells"].insert(4, own("half = 0.5"))
    once = grafted(notebook).notebook
    assert grafted(once).notebook == once


def test_is_the_released_notebook_left_alone(desk, grafted):
    before = json.dumps(desk.key.released[TRACK].notebook)
    grafted(desk.filled(RIGHT))
    assert json.dumps(desk.key.released[TRACK].notebook) == before


def test_has_every_cell_a_role(desk, grafted):
    notebook = desk.released()
    notebook["cells"].insert(4, own("half = 0.5"))
    assert grafted(notebook).roles == [
        "text",
        "code",
        "code",
        "text",
        "own",
        "answer:scaled",
        "check:scaled",
        "study",
        "answer:expand_square",
        "check:expand_square",
        "text",
        "text",
    ]


def test_are_notes_kept_only_where_everything_is_asked_for(desk, grafted):
    notebook = desk.released()
    notebook["cells"].insert(4, own("A note.", "markdown"))
    sources = [
        [c["source"] for c in grafted(notebook, everything).notebook["cells"]] for everything in (True, False)
    ]
    assert ["A note." in each for each in sources] == [True, False]


def test_are_cell_ids_unique(desk, grafted):
    notebook = desk.released()
    notebook["cells"][2:2] = [own(f"a = {i}") for i in range(20)]
    ids = [c["id"] for c in grafted(notebook).notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_what_counts_as_attempted(desk):
    released = desk.key.released[TRACK]

    def names(answers):
        cells = read_cells(json.dumps(desk.filled(answers)).encode())
        return list(attempted(released, reduce(cells, released.cells, released.names)))

    assert names({}) == []
    assert names({"scaled": released.stub("scaled") + "\n\n"}) == []
    assert names({"scaled": SCALED, "say_why": "So."}) == ["scaled", "say_why"]


def test_does_a_notice_stand_above_the_released_cells(desk):
    released = desk.key.released[TRACK]
    made = with_notice(released, "Your file could not be read.", "It is empty.")
    assert "It is empty." in made["cells"][0]["source"]
    assert made["cells"][1:] == released.cells


def test_are_sources_in_lists_read_as_text():
    cells = [{"cell_type": "code", "metadata": {}, "source": ["a = 1\n", "b = 2"]}]
    assert Released.from_text(json.dumps({"cells": cells})).cells[0]["source"] == "a = 1\nb = 2"
