"""Which triplets are above zero: the only ones with a gradient."""

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
    """Ask one triplet after the other."""
    found = []
    for b in range(len(anchors)):
        near = sum((x - y) ** 2 for x, y in zip(anchors[b], positives[b], strict=True))
        far = sum((x - y) ** 2 for x, y in zip(anchors[b], negatives[b], strict=True))
        if near + margin > far:
            found.append(b)
    return np.array(found, dtype=np.int64)


def by_list(anchors, positives, negatives, margin):
    """Collect the indices in a list."""
    rows = enumerate(zip(anchors, positives, negatives, strict=True))
    return [b for b, (a, p, n) in rows if ((a - p) ** 2).sum() - ((a - n) ** 2).sum() > -margin]


def by_order(anchors, positives, negatives, margin):
    """Sort by loss, cut where it turns negative, and sort the indices."""
    lacks = margin + np.sum((anchors - positives) ** 2 - (anchors - negatives) ** 2, axis=1)
    return np.sort(np.argsort(-lacks)[: np.count_nonzero(lacks > 0)])


def by_nonzero(anchors, positives, negatives, margin):
    """Ask where the loss itself is not zero."""
    lacks = margin + np.sum((anchors - positives) ** 2 - (anchors - negatives) ** 2, axis=1)
    return np.nonzero(np.maximum(lacks, 0))[0].astype(np.int32)


TORCH_WHERE = """
def active_triplets(anchors, positives, negatives, margin):
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return torch.where(d_ap + margin > d_an)[0]
"""

TORCH_RANGE = """
def active_triplets(anchors, positives, negatives, margin):
    d_ap, d_an = triplet_distances(anchors.detach(), positives.detach(), negatives.detach())
    return torch.arange(len(anchors), device=anchors.device)[torch.relu(d_ap - d_an + margin) > 0]
"""

TORCH_ARGWHERE = """
def active_triplets(anchors, positives, negatives, margin):
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return torch.argwhere(d_an - d_ap < margin)[:, 0]
"""

exercise = Exercise(
    title="Which triplets are active?",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 3.2: triplets that violate the constraint",
    kind=Function(integer=True),
    hints=[
        "A triplet is active where its term in the loss is above zero. The margin belongs to the term.",
        "You need the places where a comparison holds, not the comparison's Trues and Falses.",
        "The library has a function that returns the indices of what is not zero, in order.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "nine triplets: easy, semi-hard and hard", triplets(9, 4), gradients=False),
        Case("square", "as many triplets as components", triplets(5, 5), gradients=False),
        Case("one_active", "one triplet, above zero", triplets(1, 3, wanted=all_active), gradients=False),
        Case(
            "one_inactive", "one triplet, already good", triplets(1, 3, wanted=none_active), gradients=False
        ),
        Case("all_active", "every triplet above zero", triplets(4, 3, wanted=all_active), gradients=False),
        Case("none_active", "no triplet above zero", triplets(4, 3, wanted=none_active), gradients=False),
        Case("small_margin", "a margin of 0.3", triplets(8, 2, margin=0.3), gradients=False),
        Case("large_margin", "a margin of 3", triplets(7, 4, margin=3.0), gradients=False),
        Case("float32", "float32 input", triplets(10, 3), dtype="float32", gradients=False),
        Case("integers", "whole numbers as input", whole_triplets, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", triplets(7, 3), layout="fortran", gradients=False),
        Case(
            "strided",
            "every other column of a larger array",
            triplets(6, 5),
            layout="strided",
            gradients=False,
        ),
    ],
    mistakes=[
        Mistake(
            "mask_not_indices",
            "This says True or False for each triplet. The indices of the active ones are asked.",
            edit=[("np.flatnonzero(d_ap - d_an + margin > 0)", "d_ap - d_an + margin > 0")],
        ),
        Mistake(
            "inactive",
            "These are the triplets that cost nothing. The others are asked.",
            edit=[("margin > 0", "margin < 0")],
        ),
        Mistake(
            "no_margin",
            "The margin was left out: only hard triplets were found. Those within the "
            "margin cost something too.",
            edit=[(" + margin > 0", " > 0")],
        ),
        Mistake(
            "margin_sign",
            "The margin works the wrong way. It should make more triplets active, not fewer.",
            edit=[("+ margin", "- margin")],
        ),
        Mistake(
            "swapped",
            "Positive and negative have changed places.",
            edit=[("d_ap - d_an", "d_an - d_ap")],
        ),
        Mistake(
            "from_one",
            "The indices start at one. Rows are counted from zero.",
            edit=[("margin > 0)", "margin > 0) + 1")],
        ),
        Mistake(
            "descending",
            "The indices run backwards. They should be in ascending order.",
            edit=[("margin > 0)", "margin > 0)[::-1]")],
        ),
        Mistake(
            "counted",
            "This is how many there are. Which ones is asked.",
            edit=[("np.flatnonzero(d_ap", "np.count_nonzero(d_ap")],
        ),
        Mistake(
            "within_the_margin_only",
            "Only the semi-hard triplets were found. The hard ones are active as well.",
            edit=[("d_ap - d_an + margin > 0", "(d_ap - d_an + margin > 0) & (d_ap < d_an)")],
        ),
        Mistake(
            "left_in_tuple",
            "The result has an axis too many: where and nonzero give a tuple with one array per axis.",
            edit=[("np.flatnonzero(d_ap - d_an + margin > 0)", "np.where(d_ap - d_an + margin > 0)")],
        ),
        Mistake(
            "two_axes",
            "The result is a column. A plain list of indices is asked.",
            edit=[(".flatten()", "")],
            track="pytorch",
        ),
    ],
    also_right=[
        Right("list", function=by_list, track="from_scratch"),
        Right("sorted_by_loss", function=by_order, track="from_scratch"),
        Right("nonzero_loss", function=by_nonzero, track="from_scratch"),
        Right("where", source=TORCH_WHERE, track="pytorch"),
        Right("arange_indexed", source=TORCH_RANGE, track="pytorch"),
        Right("argwhere", source=TORCH_ARGWHERE, track="pytorch"),
    ],
)
