"""Hand-written backward passes."""

import numpy as np
import torch

from autograder.judging.exercise import AutogradFunction, Case
from tests.judging.kinds.small import exercise, mistake, verdict


def make(forward_factor=1.0, backward_factor=1.0):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, scale):
            ctx.save_for_backward(x, y)
            ctx.scale = scale
            return forward_factor * scale * x * y

        @staticmethod
        def backward(ctx, upstream):
            x, y = ctx.saved_tensors
            return backward_factor * ctx.scale * upstream * y, ctx.scale * upstream * x, None

    return Product


class Stub(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, scale):
        raise NotImplementedError()

    @staticmethod
    def backward(ctx, upstream):
        raise NotImplementedError()


PRODUCT = exercise(
    AutogradFunction(),
    Case("five", "", lambda rng: {"x": rng.normal(size=5), "y": rng.normal(size=5), "scale": 1.5}),
    oracle=lambda x, y, scale: np.array([scale * a * b for a, b in zip(x, y, strict=True)]),
    mistakes=[mistake("doubled", make(2.0, 2.0))],
)


def test_does_a_right_class_pass():
    assert verdict(PRODUCT, make(), "pytorch").passed


def test_is_a_wrong_forward_named():
    assert verdict(PRODUCT, make(2.0, 2.0), "pytorch").mistake == "doubled"


def test_is_a_wrong_backward_seen():
    assert verdict(PRODUCT, make(1.0, 3.0), "pytorch").breaks == ("gradient",)


def test_is_a_stub_not_attempted():
    assert verdict(PRODUCT, Stub, "pytorch").outcome == "not_attempted"


def test_is_a_function_refused():
    assert "torch.autograd.Function" in verdict(PRODUCT, lambda x, y, scale: x * y, "pytorch").says


def test_does_a_limit_on_memory_hold_for_the_backward_pass():
    class Wide(make()):
        @staticmethod
        def backward(ctx, upstream):
            x, y = ctx.saved_tensors
            table = torch.diag(ctx.scale * upstream)
            return table @ y, table @ x, None

    def draw(rng):
        return {"x": rng.normal(size=40), "y": rng.normal(size=40), "scale": 1.5}

    narrow = Case("narrow", "", draw, largest_bytes=lambda a: 20 * a["x"].nbytes)
    bounded = exercise(AutogradFunction(), narrow, oracle=lambda x, y, scale: scale * x * y)
    assert verdict(bounded, make(), "pytorch").passed
    assert verdict(bounded, Wide, "pytorch").breaks == ("memory",)


def test_is_a_wrong_formula_in_backward_not_taken_for_a_step_outside_autograd():
    assert "what backward returns" in verdict(PRODUCT, make(1.0, 2.0), "pytorch").says
