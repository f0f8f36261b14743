"""The triplet loss: a sum of hinges, one for each triplet.

No triplet is ever drawn near its kink, where libraries differ.
"""

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
    """Add up what each triplet lacks to the margin, component by component."""
    terms = []
    for a, p, n in zip(anchors.tolist(), positives.tolist(), negatives.tolist(), strict=True):
        lacks = margin
        for x, y, z in zip(a, p, n, strict=True):
            lacks += (x - y) ** 2 - (x - z) ** 2
        if lacks > 0:
            terms.append(lacks)
    return np.array(math.fsum(terms))


def by_index(anchors, positives, negatives, margin):
    """Add up only the entries above zero, picked by a boolean index."""
    lacks = margin + ((anchors - positives) ** 2 - (anchors - negatives) ** 2).sum(axis=1)
    return lacks[lacks > 0].sum()


def factored(anchors, positives, negatives, margin):
    """Use x² − y² = (x − y)(x + y) for the difference of the two distances; the answer is a float."""
    lacks = ((negatives - positives) * (2.0 * anchors - positives - negatives)).sum(axis=1) + margin
    return float(lacks.clip(min=0).sum())


def halved_absolute(anchors, positives, negatives, margin):
    """Use max(0, z) = (z + |z|) / 2."""
    lacks = np.square(anchors - positives).sum(1) - np.square(anchors - negatives).sum(1) + margin
    return np.sum(lacks + np.abs(lacks)) / 2


TORCH_RELU = """
def triplet_loss(anchors, positives, negatives, margin):
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return torch.relu(margin + d_ap - d_an).sum()
"""

TORCH_LIBRARY = """
def triplet_loss(anchors, positives, negatives, margin):
    a, p, n = as_floats(anchors, positives, negatives)
    return F.triplet_margin_with_distance_loss(
        a, p, n, distance_function=lambda x, y: (x - y).square().sum(-1), margin=margin, reduction="sum"
    )
"""

TORCH_LOOP = """
def triplet_loss(anchors, positives, negatives, margin):
    total = 0 * sum(t.sum() for t in as_floats(anchors, positives, negatives))
    for near, far in zip(*triplet_distances(anchors, positives, negatives)):
        if near - far + margin > 0:
            total = total + (near - far + margin)
    return total
"""

exercise = Exercise(
    title="The triplet loss",
    points=2,
    minutes=10,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, equation 3",
    kind=Function(),
    hints=[
        "By how much does one triplet miss what is asked of it, d_ap + margin ≤ d_an?",
        "A triplet that keeps its distance costs nothing. It must not pay for another one.",
        "Cut each triplet off at zero first, and add up after that.",
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
            "Good triplets were paid out: their terms are negative. The loss of a "
            "triplet is never below zero.",
            edit=[("np.maximum(slack, 0)", "slack")],
        ),
        Mistake(
            "max_of_the_sum",
            "The batch as a whole was cut off at zero. Each triplet should be, before they are added.",
            edit=[("np.sum(np.maximum(slack, 0))", "np.maximum(np.sum(slack), 0)")],
        ),
        Mistake(
            "margin_sign",
            "The margin works the wrong way: it should make a triplet costlier, not cheaper.",
            edit=[("- d_an + margin", "- d_an - margin")],
        ),
        Mistake(
            "no_margin",
            "The margin is missing. Without it one point for all images costs nothing.",
            edit=[("- d_an + margin", "- d_an")],
        ),
        Mistake(
            "swapped",
            "Positive and negative have changed places: this loss pushes images of one person apart.",
            edit=[("d_ap - d_an", "d_an - d_ap")],
        ),
        Mistake(
            "mean",
            "This is the mean over the triplets. The sum is asked.",
            edit=[("np.sum(", "np.mean(")],
        ),
        Mistake(
            "mean_over_active",
            "This is the mean over the active triplets. The sum is asked.",
            edit=[
                ("np.sum(np.maximum(slack, 0))", "np.sum(np.maximum(slack, 0)) / max(np.sum(slack > 0), 1)")
            ],
        ),
        Mistake(
            "not_squared",
            "The distances are not squared here. FaceNet's are.",
            edit=[("d_ap - d_an", "np.sqrt(d_ap) - np.sqrt(d_an)")],
        ),
        Mistake(
            "margin_as_floor",
            "Each term was held above the margin. The margin is added, and the floor is zero.",
            edit=[
                ("slack = d_ap - d_an + margin", "slack = d_ap - d_an"),
                ("np.maximum(slack, 0)", "np.maximum(slack, margin)"),
            ],
        ),
        Mistake(
            "absolute",
            "The absolute value was taken. A triplet better than asked then costs as much as a worse one.",
            edit=[("np.maximum(slack, 0)", "np.abs(slack)")],
        ),
        Mistake(
            "softplus",
            "This is the smooth form, log(1 + eˣ). It never lets go of a good triplet; the hinge does.",
            edit=[("np.maximum(slack, 0)", "np.logaddexp(slack, 0)")],
        ),
        Mistake(
            "positive_to_negative",
            "The negative's distance was taken from the positive. Both distances start at the anchor.",
            edit=[
                (
                    "triplet_distances(anchors, positives, negatives)",
                    "(np.sum((anchors - positives) ** 2, axis=1), np.sum((positives - "
                    "negatives) ** 2, axis=1))",
                )
            ],
        ),
        Mistake(
            "not_summed",
            "There is one number for each triplet. Add them up: the loss is a single number.",
            edit=[("np.sum(np.maximum(slack, 0))", "np.maximum(slack, 0)")],
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the embeddings. "
            "Stay with tensors that autograd follows.",
            edit=[("return slack", "return slack.detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "negatives_detached",
            "A gradient arrives, but negatives were held fixed. They are pushed away as well.",
            edit=[
                (
                    "triplet_distances(anchors, positives, negatives)",
                    "triplet_distances(anchors, positives, negatives.detach() + 0 * negatives)",
                )
            ],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Keep the arguments' dtype.",
            edit=[("return slack", "return slack.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("boolean_index", function=by_index, track="from_scratch"),
        Right("factored", function=factored, track="from_scratch"),
        Right("halved_absolute", function=halved_absolute, track="from_scratch"),
        Right("relu", source=TORCH_RELU, track="pytorch"),
        Right("library_with_own_distance", source=TORCH_LIBRARY, track="pytorch"),
        Right("loop_with_if", source=TORCH_LOOP, track="pytorch"),
    ],
)
