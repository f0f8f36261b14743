"""A submission's own selection of a class's draws."""

import threading
from collections import Counter

import numpy as np
import pytest

from autograder.grading.draws import DRAWS, Draws
from tests.grading.desk import TRACK


@pytest.fixture
def draws(desk):
    return Draws(desk.key, b"secret")


def inputs(draws, submission):
    return [case.arguments["x"].tobytes() for case in draws.fresh("scaled", TRACK, submission).cases]


def many(draws):
    return [inputs(draws, f"submission {number}".encode()) for number in range(40 * DRAWS)]


def test_are_the_cases_those_of_the_exercise_in_their_order(draws):
    cases = draws.fresh("scaled", TRACK, b"a").cases
    assert [case.name for case in cases] == ["typical", "one_row"]
    assert [case.repeat for case in cases] == [True, False]
    assert [len(case.arguments["x"]) for case in cases] == [3, 1]


def test_are_they_the_same_when_grading_is_resumed(desk, draws):
    assert inputs(draws, b"a") == inputs(Draws(desk.key, b"secret"), b"a")


def test_has_another_secret_other_draws(desk, draws):
    ours, theirs = many(draws), many(Draws(desk.key, b"another"))
    for mine, others in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        assert not set(mine) & set(others)


def test_is_each_case_drawn_just_so_often_and_each_draw_used(draws):
    for found in zip(*many(draws), strict=True):
        used = Counter(found)
        assert len(used) == DRAWS
        assert min(used.values()) > 10


def test_is_a_case_chosen_independently_of_the_others(draws):
    selections = many(draws)
    assert len({tuple(found[:2]) for found in selections}) == DRAWS**2


def test_is_what_is_drawn_in_many_threads_the_same(draws, desk):
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: inputs(draws, b"a")})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[n] == inputs(Draws(desk.key, b"secret"), b"a") for n in range(8))


def test_are_the_known_mistakes_told_on_the_very_same_cases(draws):
    plain, told = draws.fresh("scaled", TRACK, b"a"), draws.explained("scaled", TRACK, b"a")
    assert set(told.mistakes) == {"added", "divided"}
    assert not plain.mistakes
    for before, after in zip(plain.cases, told.cases, strict=True):
        assert after.arguments["x"] is before.arguments["x"]
        assert np.array_equal(after.wrong["added"]["result"], before.arguments["x"] + before.arguments["factor"])


def test_is_a_mistake_run_once_for_a_draw(draws):
    first = draws.explained("scaled", TRACK, b"a").cases[0].wrong["added"]
    assert draws.explained("scaled", TRACK, b"a").cases[0].wrong["added"] is first


def test_is_an_exercise_without_an_oracle_there_too(draws):
    assert draws.fresh("expand_square", TRACK, b"a").kind == "derivation"
    assert set(draws.explained("expand_square", TRACK, b"a").mistakes) == {"no_cross_term"}
