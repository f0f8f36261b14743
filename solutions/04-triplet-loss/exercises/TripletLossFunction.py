"""The triplet loss as an operation of its own, its backward pass written by hand.

No triplet is ever drawn near its kink, where a difference quotient would see half a slope.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import AutogradFunction, Case, Exercise, Mistake, Right

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
    """Add up what each triplet lacks to the margin, component by component."""
    terms = []
    for a, p, n in zip(anchors.tolist(), positives.tolist(), negatives.tolist(), strict=True):
        lacks = margin
        for x, y, z in zip(a, p, n, strict=True):
            lacks += (x - y) ** 2 - (x - z) ** 2
        if lacks > 0:
            terms.append(lacks)
    return np.array(math.fsum(terms))


GATHERED = """
class TripletLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, anchors, positives, negatives, margin):
        a, p, n = as_floats(anchors, positives, negatives)
        lacks = (a - p).square().sum(1) - (a - n).square().sum(1) + margin
        rows = lacks.gt(0).nonzero()[:, 0]
        ctx.save_for_backward(a[rows], p[rows], n[rows], rows)
        ctx.count = len(a)
        return lacks[rows].sum()

    @staticmethod
    def backward(ctx, upstream):
        a, p, n, rows = ctx.saved_tensors
        def scatter(slope):
            return slope.new_zeros(ctx.count, slope.shape[1]).index_add(0, rows, 2 * upstream * slope)
        return scatter(n - p), scatter(p - a), scatter(a - n), None
"""

SAVED_SLOPES = """
class TripletLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, anchors, positives, negatives, margin):
        a, p, n = as_floats(anchors, positives, negatives)
        lacks = torch.einsum("be,be->b", n - p, 2 * a - p - n) + margin
        closed = (lacks <= 0)[:, None]
        slopes = [(2 * slope).masked_fill(closed, 0) for slope in (n - p, p - a, a - n)]
        ctx.save_for_backward(*slopes)
        return torch.relu(lacks).sum()

    @staticmethod
    def backward(ctx, upstream):
        return (*(upstream * slope for slope in ctx.saved_tensors), None)
"""

AUTOGRAD_INSIDE = """
class TripletLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, anchors, positives, negatives, margin):
        ctx.save_for_backward(anchors, positives, negatives)
        ctx.margin = margin
        return triplet_loss(anchors, positives, negatives, margin)

    @staticmethod
    def backward(ctx, upstream):
        with torch.enable_grad():
            copies = [t.detach().requires_grad_() for t in ctx.saved_tensors]
            slopes = torch.autograd.grad(triplet_loss(*copies, ctx.margin), copies)
        return slopes[0] * upstream, slopes[1] * upstream, slopes[2] * upstream, None
"""

exercise = Exercise(
    title="A backward pass by hand",
    points=3,
    minutes=25,
    difficulty=3,
    source="the gradient of Schroff et al. 2015, FaceNet, equation 3; torch.autograd.Function",
    kind=AutogradFunction(),
    hints=[
        "Forward returns the loss. Which tensors does backward need? Keep them with ctx.save_for_backward.",
        "Backward is handed the gradient of whatever follows, with respect to your loss. "
        "It multiplies everything.",
        "Backward returns one thing for each argument of forward. The margin needs no "
        "gradient: None stands for that.",
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
            "no_max",
            "Good triplets were paid out in the forward pass: their terms are negative.",
            edit=[("slack.clamp(min=0).sum()", "slack.sum()")],
        ),
        Mistake(
            "no_margin",
            "The margin is missing in the forward pass.",
            edit=[("- d_an + margin", "- d_an")],
        ),
        Mistake(
            "margin_sign",
            "The margin works the wrong way: it should make a triplet costlier, not cheaper.",
            edit=[("- d_an + margin", "- d_an - margin")],
        ),
        Mistake(
            "swapped",
            "Positive and negative have changed places in the forward pass.",
            edit=[("d_ap - d_an + margin", "d_an - d_ap + margin")],
        ),
        Mistake(
            "mean",
            "This is the mean over the triplets. The sum is asked.",
            edit=[(".sum()", ".mean()")],
        ),
        Mistake(
            "max_of_the_sum",
            "The batch as a whole was cut off at zero. Each triplet should be.",
            edit=[("slack.clamp(min=0).sum()", "slack.sum().clamp(min=0)")],
        ),
        Mistake(
            "not_gated",
            "The loss is right. In the backward pass, though, good triplets push and pull too.",
            edit=[("gate[:, None]", "torch.ones_like(gate)[:, None]")],
            breaks="gradient",
        ),
        Mistake(
            "upstream_ignored",
            "The loss is right. The backward pass ignores the gradient that it is "
            "handed: it holds only where "
            "the loss is not scaled.",
            edit=[("2 * loss_gradient * gate", "2.0 * gate")],
            breaks="gradient",
        ),
        Mistake(
            "factor_two",
            "The loss is right. The gradients are half of what they should be.",
            edit=[("2 * loss_gradient", "loss_gradient")],
            breaks="gradient",
        ),
        Mistake(
            "anchor_sign",
            "The loss is right. The anchor's gradient has the wrong sign.",
            edit=[("(negatives - positives)", "(positives - negatives)")],
            breaks="gradient",
        ),
        Mistake(
            "orders_mixed",
            "The loss is right. Gradients must come back in the order of the arguments.",
            edit=[
                (
                    "return d_anchors, d_positives, scale * (anchors - negatives), None",
                    "return d_anchors, scale * (anchors - negatives), d_positives, None",
                )
            ],
            breaks="gradient",
        ),
        Mistake(
            "margin_has_no_place",
            "Backward returned three things. Forward takes four arguments; what doesn't "
            "need a gradient gets None.",
            edit=[("negatives), None", "negatives)")],
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The loss is float32 whatever came in. Keep the arguments' dtype.",
            edit=[("slack.clamp(min=0).sum()", "slack.clamp(min=0).sum().float()")],
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("gathered", source=GATHERED, track="pytorch"),
        Right("slopes_saved", source=SAVED_SLOPES, track="pytorch"),
        Right("autograd_inside", source=AUTOGRAD_INSIDE, track="pytorch"),
    ],
)
