"""J₁ of the forum: the sum of the differences, without margin and without max."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right

NAMES = ("anchors", "positives", "negatives")


def slacks(drawn):
    """Return d_ap − d_an + margin of every triplet."""
    near = ((drawn["anchors"] - drawn["positives"]) ** 2).sum(axis=1)
    far = ((drawn["anchors"] - drawn["negatives"]) ** 2).sum(axis=1)
    return near - far + drawn["margin"]


def has_all_sorts(slack, margin):
    """Whether there are easy, semi-hard and hard triplets among them."""
    return bool((slack < 0).any() and ((slack > 0) & (slack < margin)).any() and (slack > margin).any())


def triplets(count, dim, margin=1.2, wanted=has_all_sorts):
    """Return a draw of `count` triplets in `dim` dimensions, none of them near the kink."""

    def draw(rng):
        while True:
            anchors = rng.normal(size=(count, dim))
            steps = rng.uniform(0.2, 1.6, size=(2, count, 1)) * rng.normal(size=(2, count, dim))
            positives, negatives = anchors + steps
            drawn = {"anchors": anchors, "positives": positives, "negatives": negatives, "margin": margin}
            slack = slacks(drawn)
            if np.abs(slack).min() > 0.05 and np.abs(slack - margin).min() > 0.05 and wanted(slack, margin):
                return drawn

    return draw


def all_active(slack, margin):
    """Whether every triplet is above zero."""
    return bool(slack.min() > 0)


def none_active(slack, margin):
    """Whether no triplet is above zero."""
    return bool(slack.max() < 0)


def whole_triplets(rng):
    """Draw whole numbers, of all sorts."""
    while True:
        drawn = {name: rng.integers(-3, 4, size=(8, 3)).astype(np.float64) for name in NAMES} | {
            "margin": 2.5
        }
        if has_all_sorts(slacks(drawn), 2.5):
            return drawn


def oracle(anchors, positives, negatives, margin):
    """Add up both squared distances of every triplet, one sum for each."""
    near = [(x - y) ** 2 for x, y in zip(anchors.ravel().tolist(), positives.ravel().tolist(), strict=True)]
    far = [(x - y) ** 2 for x, y in zip(anchors.ravel().tolist(), negatives.ravel().tolist(), strict=True)]
    return np.array(math.fsum(near) - math.fsum(far))


def by_whole_tables(anchors, positives, negatives, margin):
    """Take the squared norms of whole tables."""
    return np.linalg.norm(anchors - positives) ** 2 - np.linalg.norm(anchors - negatives) ** 2


def factored(anchors, positives, negatives, margin):
    """Use x² − y² = (x − y)(x + y)."""
    return np.vdot(negatives - positives, 2.0 * anchors - positives - negatives)


def by_loop(anchors, positives, negatives, margin):
    """Add up in a Python loop; the answer is a float."""
    total = 0.0
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        total += float((a - p) @ (a - p) - (a - n) @ (a - n))
    return total


TORCH_WHOLE = """
def ungated_objective(anchors, positives, negatives, margin):
    a, p, n = as_floats(anchors, positives, negatives)
    return (a - p).pow(2).sum() - (a - n).pow(2).sum()
"""

TORCH_FACTORED = """
def ungated_objective(anchors, positives, negatives, margin):
    a, p, n = as_floats(anchors, positives, negatives)
    return torch.einsum("be,be->", n - p, 2 * a - p - n)
"""

TORCH_MSE = """
def ungated_objective(anchors, positives, negatives, margin):
    a, p, n = as_floats(anchors, positives, negatives)
    return F.mse_loss(a, p, reduction="sum") - F.mse_loss(a, n, reduction="sum")
"""

exercise = Exercise(
    title="The objective without a gate",
    points=1,
    minutes=5,
    difficulty=1,
    source="the forum's J₁; Schroff et al. 2015, FaceNet, equation 3 without its max",
    kind=Function(),
    hints=[
        "No term is cut off, and no margin is added. What is left of the loss?",
        "The two distances of each triplet are all you need; the margin is taken but not used.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "nine triplets: easy, semi-hard and hard", triplets(9, 4)),
        Case("square", "as many triplets as components", triplets(5, 5)),
        Case("one_active", "one triplet, above zero", triplets(1, 3, wanted=all_active)),
        Case("one_inactive", "one triplet, already good", triplets(1, 3, wanted=none_active)),
        Case("all_active", "every triplet above zero", triplets(4, 3, wanted=all_active)),
        Case("none_active", "no triplet above zero", triplets(4, 3, wanted=none_active)),
        Case("small_margin", "a margin of 0.3", triplets(8, 2, margin=0.3)),
        Case("large_margin", "a margin of 3", triplets(7, 4, margin=3.0)),
        Case("float32", "float32 input", triplets(10, 3), dtype="float32"),
        Case("integers", "whole numbers as input", whole_triplets, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", triplets(7, 3), layout="fortran"),
        Case("strided", "every other column of a larger array", triplets(6, 5), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "margin_added",
            "A margin was added to every triplet. J₁ has none.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(d_ap - d_an + margin)")],
        ),
        Mistake(
            "margin_added_once",
            "The margin was added. J₁ has none.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(d_ap - d_an) + margin")],
        ),
        Mistake(
            "gated",
            "This is J₂, the gated loss. J₁ lets good triplets count below zero.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(np.maximum(d_ap - d_an + margin, 0))")],
        ),
        Mistake(
            "gated_without_margin",
            "The terms were cut off at zero. J₁ lets good triplets count below zero.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(np.maximum(d_ap - d_an, 0))")],
        ),
        Mistake(
            "mean",
            "This is the mean over the triplets. The sum is asked.",
            edit=[("np.sum(d_ap", "np.mean(d_ap")],
        ),
        Mistake(
            "swapped",
            "The sign is the wrong way round: J₁ falls as negatives move away.",
            edit=[("d_ap - d_an)", "d_an - d_ap)")],
        ),
        Mistake(
            "absolute",
            "Absolute differences were added up. A good triplet's term is negative here.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(np.abs(d_ap - d_an))")],
        ),
        Mistake(
            "not_squared",
            "The distances are not squared here. FaceNet's are.",
            edit=[("np.sum(d_ap - d_an)", "np.sum(np.sqrt(d_ap) - np.sqrt(d_an))")],
        ),
        Mistake(
            "not_summed",
            "There is one number for each triplet. Add them up.",
            edit=[("np.sum(d_ap - d_an)", "d_ap - d_an")],
        ),
        Mistake(
            "detached",
            "The value is right, but gradients no longer reach the embeddings. "
            "Stay with tensors that autograd follows.",
            edit=[("(d_ap - d_an)", "(d_ap - d_an).detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Keep the arguments' dtype.",
            edit=[("(d_ap - d_an)", "(d_ap - d_an).float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("whole_tables", function=by_whole_tables, track="from_scratch"),
        Right("factored", function=factored, track="from_scratch"),
        Right("loop", function=by_loop, track="from_scratch"),
        Right("whole_in_torch", source=TORCH_WHOLE, track="pytorch"),
        Right("factored_in_torch", source=TORCH_FACTORED, track="pytorch"),
        Right("mse_sums", source=TORCH_MSE, track="pytorch"),
    ],
)
