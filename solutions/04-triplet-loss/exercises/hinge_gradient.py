"""The derivative of a sum of hinges: the forum's question in one variable.

The lesson fixes the value at the kink, zero, so that a weight of zero may be judged too.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def numbers(count, w):
    """Return a draw of `count` numbers of both signs, none near zero, and the weight `w`."""

    def draw(rng):
        size = rng.uniform(0.2, 3, size=count)
        sign = np.where(np.arange(count) % 3 == rng.integers(3), -1.0, 1.0)
        return {"w": w, "x": size * sign}

    return draw


def one_number(sign):
    """Return a draw of a single number of this sign."""
    return lambda rng: {"w": 0.8, "x": sign * rng.uniform(0.5, 2, size=1)}


def weight_as_array(rng):
    """Draw a weight that is an array without axes."""
    return {"w": np.array(-0.6), "x": numbers(6, 1.0)(rng)["x"]}


def whole_numbers(rng):
    """Draw whole numbers of both signs, a zero among them."""
    return {
        "w": 2.0,
        "x": np.array([3.0, -2.0, 0.0, 5.0, -1.0]) + rng.integers(0, 2) * np.array([1, 0, 0, 1, 0]),
    }


def oracle(w, x):
    """Add up the slope of one hinge after the other."""
    slopes = []
    for number in x.tolist():
        if float(w) * number > 0:
            slopes.append(number)
    return np.array(math.fsum(slopes))


def by_loop(w, x):
    """Collect the numbers whose product with w is positive; the answer is a Python float."""
    return float(sum(number for number in x if w * number > 0))


def by_signs(w, x):
    """Keep the numbers that have the sign of w."""
    return x[np.sign(x) == np.sign(w)].sum() if w else 0.0


def by_product(w, x):
    """Take the gate times the numbers as one matrix product, as the forum does."""
    return np.dot((w * x) > 0, x.T)


TORCH_AUTOGRAD = """
def hinge_gradient(w, x):
    (x,) = as_floats(x)
    with torch.enable_grad():
        weight = torch.as_tensor(w).to(x.dtype).detach().to(x.device).requires_grad_()
        (slope,) = torch.autograd.grad(torch.relu(weight * x).sum(), weight, create_graph=True)
    return slope
"""

TORCH_INDEXED = """
def hinge_gradient(w, x):
    (x,) = as_floats(x)
    return x @ (w * x > 0).to(x.dtype)
"""

TORCH_WHERE = """
def hinge_gradient(w, x):
    (x,) = as_floats(x)
    return torch.where(w * x > 0, x, torch.zeros_like(x)).sum(dim=-1)
"""

exercise = Exercise(
    title="The slope of a sum of hinges",
    points=1,
    minutes=5,
    difficulty=1,
    source="the hinge max(0, ·) of Schroff et al. 2015, FaceNet, equation 3, in one variable",
    kind=Function(),
    hints=[
        "Take one hinge, max(0, w·x). What is its slope in w where w·x is positive, and "
        "where it is negative?",
        "Only some of the numbers have a slope that is not zero. Which ones depends on w and on the number.",
        "A comparison gives True and False; times a number these act as one and zero.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "seven numbers of both signs", numbers(7, 0.7)),
        Case("negative_weight", "a negative weight", numbers(8, -1.3)),
        Case("one_open", "one number, its hinge open", one_number(1.0)),
        Case("one_closed", "one number, its hinge closed", one_number(-1.0)),
        Case("kink", "w = 0: every hinge is at its kink", numbers(5, 0.0), gradients=False),
        Case("weight_array", "w as an array without axes", weight_as_array),
        Case("tiny_weight", "a weight of one thousandth", numbers(6, 1e-3)),
        Case("float32", "float32 input", numbers(9, 0.4), dtype="float32"),
        Case("integers", "whole numbers as input", whole_numbers, dtype="int64", gradients=False),
        Case("strided", "every other entry of a larger array", numbers(7, -0.5), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "no_gate",
            "All numbers were added up. A hinge that is closed has slope zero and adds nothing.",
            edit=[("x * (w * x > 0)", "x")],
        ),
        Mistake(
            "gate_without_weight",
            "The numbers alone decided which hinges are open. The weight's sign has a say in it too.",
            edit=[("(w * x > 0)", "(x > 0)")],
        ),
        Mistake(
            "gate_inverted",
            "The closed hinges were added up instead of the open ones. On which side of "
            "zero is max(0, z) flat?",
            edit=[("> 0", "< 0")],
        ),
        Mistake(
            "value_not_slope",
            "This is J itself. Its derivative with respect to w is asked.",
            edit=[("x * (w * x > 0)", "w * x * (w * x > 0)")],
        ),
        Mistake(
            "counted",
            "The open hinges were counted. Each has a slope of its own.",
            edit=[("x * (w * x > 0)", "w * x > 0")],
        ),
        Mistake(
            "mean",
            "This is the mean of the slopes. J is a sum, and so is its derivative.",
            edit=[("np.sum", "np.mean")],
        ),
        Mistake(
            "open_at_kink",
            "At w = 0 every hinge is at its kink, where this lesson takes the slope as zero.",
            edit=[("> 0", ">= 0")],
        ),
        Mistake(
            "absolute_values",
            "The slopes lost their signs. With a negative weight the open hinges slope downwards.",
            edit=[("np.sum(x *", "np.sum(np.abs(x) *")],
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach x. Stay with tensors that autograd follows.",
            edit=[("(x * (w", "(x.detach() * (w")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("(x,) = as_floats(x)", "x = x.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("python_loop", function=by_loop, track="from_scratch"),
        Right("same_sign", function=by_signs, track="from_scratch"),
        Right("one_product", function=by_product, track="from_scratch"),
        Right("autograd_relu", source=TORCH_AUTOGRAD, track="pytorch"),
        Right("product_in_torch", source=TORCH_INDEXED, track="pytorch"),
        Right("where", source=TORCH_WHERE, track="pytorch"),
    ],
)
