"""The three gradients of the triplet loss by hand, gated by the max.

No triplet is ever drawn near its kink.
"""

from __future__ import annotations

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
    """Add up each active triplet's slopes, component by component, from the two squares."""
    gradients = np.zeros((3, *anchors.shape))
    for b in range(len(anchors)):
        lacks = margin
        for e in range(anchors.shape[1]):
            lacks += (anchors[b, e] - positives[b, e]) ** 2 - (anchors[b, e] - negatives[b, e]) ** 2
        if lacks <= 0:
            continue
        for e in range(anchors.shape[1]):
            to_positive = anchors[b, e] - positives[b, e]
            to_negative = anchors[b, e] - negatives[b, e]
            gradients[0, b, e] += 2 * to_positive - 2 * to_negative
            gradients[1, b, e] -= 2 * to_positive
            gradients[2, b, e] += 2 * to_negative
    return tuple(gradients)


def by_where(anchors, positives, negatives, margin):
    """Choose between the slope and zero, entry by entry."""
    near = np.einsum("be,be->b", anchors - positives, anchors - positives)
    far = np.einsum("be,be->b", anchors - negatives, anchors - negatives)
    closed = (near - far + margin <= 0)[:, np.newaxis]
    slopes = (negatives - positives, positives - anchors, anchors - negatives)
    return [np.where(closed, 0.0, slope + slope) for slope in slopes]


def by_loop(anchors, positives, negatives, margin):
    """Go through the triplets with an if; the answer is made of lists."""
    rows = []
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        open_gate = (a - p) @ (a - p) + margin > (a - n) @ (a - n)
        rows.append([2 * (n - p), 2 * (p - a), 2 * (a - n)] if open_gate else [0 * a, 0 * a, 0 * a])
    return tuple(list(column) for column in zip(*rows, strict=True))


def by_balance(anchors, positives, negatives, margin):
    """Get the anchor's gradient from the other two: the three add up to nothing."""
    pulled, pushed = 2.0 * (positives - anchors), 2.0 * (anchors - negatives)
    lacks = (pulled**2).sum(axis=1) / 4 - (pushed**2).sum(axis=1) / 4 + margin
    pulled[lacks < 0] = 0
    pushed[lacks < 0] = 0
    return -pulled - pushed, pulled, pushed


exercise = Exercise(
    title="Gradients, gated",
    points=3,
    minutes=20,
    difficulty=2,
    source="the gradient of Schroff et al. 2015, FaceNet, equation 3",
    kind=Function(returns=("d_anchors", "d_positives", "d_negatives")),
    hints=[
        "First leave the max aside: what are the slopes of d_ap − d_an in a, in p and in n?",
        "The max lets the slope through where the triplet's term is above zero, and nothing elsewhere.",
        "The gate is one number per triplet, a column beside the (B, E) tables. The "
        "anchor stands in both distances.",
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
            "factor_two",
            "All gradients are half of what they should be. What is the slope of a square?",
            edit=[("gate = (", "gate = 0.5 * (")],
        ),
        Mistake(
            "no_gate",
            "Good triplets push and pull too. Where the max is at zero its slope is zero.",
            edit=[("gate = (d_ap - d_an + margin > 0)[:, None]", "gate = np.ones_like(d_ap)[:, None]")],
        ),
        Mistake(
            "gate_inverted",
            "The gate is open for the good triplets and closed for the others.",
            edit=[("margin > 0", "margin < 0")],
        ),
        Mistake(
            "gate_without_margin",
            "The gate forgets the margin: triplets that are right, but not by the "
            "margin, still cost something.",
            edit=[(" + margin > 0", " > 0")],
        ),
        Mistake(
            "gate_of_the_batch",
            "One gate was used for the whole batch. Each triplet has its own.",
            edit=[("gate = (d_ap - d_an + margin > 0)[:, None]", "gate = np.sum(d_ap - d_an + margin) > 0")],
        ),
        Mistake(
            "anchor_sign",
            "The anchor moves the wrong way. Descent takes the negative of the gradient.",
            edit=[("(negatives - positives)", "(positives - negatives)")],
        ),
        Mistake(
            "positive_sign",
            "The positive is pushed away. Descent takes the negative of the gradient.",
            edit=[("(positives - anchors)", "(anchors - positives)")],
        ),
        Mistake(
            "negative_sign",
            "The negative is pulled in. Descent takes the negative of the gradient.",
            edit=[("(anchors - negatives)", "(negatives - anchors)")],
        ),
        Mistake(
            "anchor_in_one_distance",
            "The anchor's gradient comes from d_ap alone. The anchor stands in d_an as well.",
            edit=[("(negatives - positives)", "(anchors - positives)")],
        ),
        Mistake(
            "anchor_held_fixed",
            "The anchor was held fixed. It moves too.",
            edit=[("(negatives - positives)", "(anchors - anchors)")],
        ),
        Mistake(
            "anchor_signs_mixed",
            "The anchor's two terms were added. The distance to the negative enters with a minus.",
            edit=[("(negatives - positives)", "(2 * anchors - positives - negatives)")],
        ),
        Mistake(
            "mean",
            "The gradients are those of the mean. The loss is a sum over the batch.",
            edit=[("gate = (", "gate = 1 / len(anchors) * (")],
        ),
        Mistake(
            "times_the_loss",
            "The gate was replaced by the loss of the triplet. The slope of a hinge is one or zero.",
            edit=[
                (
                    "gate = (d_ap - d_an + margin > 0)[:, None]",
                    "gate = np.maximum(d_ap - d_an + margin, 0)[:, None]",
                )
            ],
        ),
        Mistake(
            "ascent",
            "All three have the other sign: this is the direction of a step, not the gradient.",
            edit=[("gate = (", "gate = -1 * (")],
        ),
    ],
    also_right=[
        Right("where", function=by_where, track="from_scratch"),
        Right("loop_with_if", function=by_loop, track="from_scratch"),
        Right("by_balance", function=by_balance, track="from_scratch"),
    ],
)
