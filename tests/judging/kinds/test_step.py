"""A step function is run over a sequence."""

import numpy as np

from autograder.judging.exercise import Case, Step
from tests.judging.kinds.small import exercise, mistake, verdict


def sequence(rng):
    return {
        "S": rng.random((2, 3)),
        "Z": rng.random(2),
        "key": rng.random((5, 2)),
        "value": rng.normal(size=(5, 3)),
    }


def oracle(S, Z, key, value):
    outputs = []
    for k, v in zip(key, value, strict=True):
        S, Z = S + np.outer(k, v), Z + k
        outputs.append((k @ S) / (k @ Z))
    return np.array(outputs), S, Z


def step(state, key, value):
    S, Z = state
    S, Z = S + key[:, None] * value[None], Z + key
    return (S, Z), (key @ S) / (key @ Z)


def reads_first(state, key, value):
    S, Z = state
    output = (key @ S) / (key @ Z)
    return (S + key[:, None] * value[None], Z + key), output


def in_place(state, key, value):
    S, Z = state
    S += key[:, None] * value[None]
    Z += key
    return (S, Z), (key @ S) / (key @ Z)


RUNNING = exercise(
    Step(state=("S", "Z"), over=("key", "value")),
    Case("five", "five steps", sequence),
    oracle=oracle,
    mistakes=[mistake("reads_first", reads_first)],
)


def test_does_a_right_step_pass_in_both_tracks():
    assert verdict(RUNNING, step).passed
    assert verdict(RUNNING, step, "pytorch", framework="numpy").passed


def test_may_the_state_come_back_as_a_list():
    assert verdict(
        RUNNING, lambda state, key, value: [list(step(state, key, value)[0]), step(state, key, value)[1]]
    ).passed


def test_is_a_step_that_reads_too_early_named():
    assert verdict(RUNNING, reads_first).mistake == "reads_first"


def test_must_the_given_state_stay_as_it_was():
    assert verdict(RUNNING, in_place).breaks == ("changes_arguments",)


def test_is_the_form_of_a_step_explained():
    assert "the new state and the output" in verdict(RUNNING, lambda state, key, value: value).says
    assert "(state, key, value)" in verdict(RUNNING, lambda state, key: key).says
