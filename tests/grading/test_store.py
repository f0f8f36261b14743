"""Results are kept whole or not at all."""

import dataclasses

import pytest

from autograder.grading.store import Result, Store, result_key

RESULT = Result(
    "graded", [{"points": 2.0}, {"points": 0.5}], {"cells": []}, {"3": []}, key="abc", max_score=6
)


def test_does_a_result_come_back_as_it_was(tmp_path):
    store = Store(tmp_path / "results")
    store.put(RESULT)
    assert Store(tmp_path / "results").get("abc") == RESULT
    assert store.get("abd") is None


def test_is_the_score_the_sum_of_points():
    assert RESULT.score == 2.5


@pytest.mark.parametrize("damage", ["", "{", "[1]", "null", '{"status": "graded"}', '{"odd": 1}'])
def test_does_a_damaged_file_count_as_none(tmp_path, damage):
    store = Store(tmp_path)
    (tmp_path / "abc.json").write_text(damage)
    assert store.get("abc") is None
    store.put(RESULT)
    assert store.get("abc") == RESULT


def test_is_a_later_result_put_in_the_place_of_the_first(tmp_path):
    store = Store(tmp_path)
    store.put(RESULT)
    store.put(dataclasses.replace(RESULT, status="crashed"))
    assert store.get("abc").status == "crashed"
    assert [path.name for path in tmp_path.iterdir()] == ["abc.json"]


def test_depends_the_key_on_all_four_parts():
    parts = [b"submission", "version", "track", b"secret"]
    keys = {result_key(*parts)}
    for index in range(4):
        keys.add(result_key(*[part * 2 if i == index else part for i, part in enumerate(parts)]))
    assert len(keys) == 5


def test_is_the_boundary_between_parts_part_of_the_key():
    assert result_key(b"a", "bc", "d", b"") != result_key(b"a", "b", "cd", b"")
