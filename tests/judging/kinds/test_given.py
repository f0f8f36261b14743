"""Functions that are given functions, here and over a pipe."""

import numpy as np
import pytest
import torch

from autograder.judging.exercise import Case, Function, Given
from autograder.judging.judge import judge
from autograder.judging.kinds.proxy import Answering, stand_in
from autograder.judging.observe import observe
from tests.judging.kinds.small import exercise, prepared, verdict


def running(x):
    return x.cumsum(0)


def total(x):
    return x * 0 + x.sum(0)


CASES = [Case(f.__name__, "", lambda rng, f=f: {"f": Given(f.__name__)}) for f in (running, total)]
CAUSAL = exercise(
    Function(plain=True, integer=True),
    *CASES,
    oracle=lambda f: f is running,
    given={"running": running, "total": total},
)


def is_causal(f):
    x = np.ones((4, 2))
    changed = x.copy()
    changed[3] = 5.0
    return bool(np.allclose(f(x)[:3], f(changed)[:3]))


def is_causal_by_gradient(f):
    x = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    f(x)[1].sum().backward()
    return not x.grad[2:].any()


def test_is_a_right_test_right():
    assert verdict(CAUSAL, is_causal).passed


def test_is_a_lazy_test_wrong():
    assert not verdict(CAUSAL, lambda f: True).passed


@pytest.mark.parametrize(
    ("track", "answer"), [("from_scratch", is_causal), ("pytorch", is_causal_by_gradient)]
)
def test_can_the_functions_be_elsewhere(track, answer):
    made = prepared(CAUSAL, track)
    elsewhere = Answering({"running": running, "total": total}, made.framework)

    def give(name):
        return stand_in(elsewhere, name, made.framework)

    assert judge(made, lambda case: observe(answer, made.call(case), give)).passed
    assert elsewhere.calls >= 2


@pytest.mark.parametrize(
    "request_",
    [{}, {"arguments": 3}, {"arguments": ["a"]}, {"arguments": [np.ones(2)] * 9}, {"arguments": None}],
)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_is_a_hostile_request_an_error(request_, framework):
    assert "error" in Answering({"running": running}, framework)("running", request_)
    assert "error" in Answering({"running": running}, framework)("__class__", request_)


def test_may_a_function_to_a_scalar_be_given():
    gradient = exercise(
        Function(),
        Case("cube", "", lambda rng: {"function": Given("cube"), "x": rng.normal(size=(2, 2))}),
        oracle=lambda function, x: 3 * x**2,
        given={"cube": lambda x: float((x**3).sum())},
        rtol=1e-5,
    )

    def differences(function, x):
        result = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-5
            result[index] = (function(x + step) - function(x - step)) / 2e-5
        return result

    assert verdict(gradient, differences).passed
