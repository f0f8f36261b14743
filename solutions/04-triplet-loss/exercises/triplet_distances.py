"""The two squared distances of every triplet."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right

NAMES = ("anchors", "positives", "negatives")


def batch(count, dim, scale=1.0):
    """Return a draw of three Gaussian tables (count, dim), the negatives farther out."""

    def draw(rng):
        tables = [scale * factor * rng.normal(size=(count, dim)) for factor in (1.0, 1.4, 2.2)]
        return dict(zip(NAMES, tables, strict=True))

    return draw


def one_image_twice(rng):
    """Draw triplets whose positive is the anchor itself."""
    anchors = rng.normal(size=(4, 3))
    return {"anchors": anchors, "positives": anchors.copy(), "negatives": rng.normal(size=(4, 3))}


def whole_batch(rng):
    """Draw whole numbers."""
    return {name: rng.integers(-4, 5, size=(5, 3)).astype(np.float64) for name in NAMES}


def oracle(anchors, positives, negatives):
    """Add up the squared differences of one pair at a time."""

    def squared(one, other):
        return math.fsum((x - y) ** 2 for x, y in zip(one, other, strict=True))

    near, far = [], []
    for a, p, n in zip(anchors.tolist(), positives.tolist(), negatives.tolist(), strict=True):
        near.append(squared(a, p))
        far.append(squared(a, n))
    return np.array(near), np.array(far)


def both_at_once(anchors, positives, negatives):
    """Stack the two partners and reduce once."""
    apart = anchors - np.stack([positives, negatives])
    return tuple(np.einsum("tbe,tbe->tb", apart, apart))


def multiplied_out(anchors, positives, negatives):
    """Expand the square: lengths and a dot product."""

    def squared(x, y):
        return (x * x).sum(1) + (y * y).sum(1) - 2 * (x * y).sum(1)

    return squared(anchors, positives), squared(anchors, negatives)


def by_norms(anchors, positives, negatives):
    """Square NumPy's norm, one triplet at a time; the answer is two lists."""
    near = [np.linalg.norm(a - p) ** 2 for a, p in zip(anchors, positives, strict=True)]
    return near, [np.linalg.norm(a - n) ** 2 for a, n in zip(anchors, negatives, strict=True)]


TORCH_STACKED = """
def triplet_distances(anchors, positives, negatives):
    anchors, positives, negatives = as_floats(anchors, positives, negatives)
    apart = anchors - torch.stack([positives, negatives])
    return tuple(torch.einsum("tbe,tbe->tb", apart, apart))
"""

TORCH_EXPANDED = """
def triplet_distances(anchors, positives, negatives):
    a, p, n = as_floats(anchors, positives, negatives)
    def squared(x, y):
        return (x * x).sum(-1) + (y * y).sum(-1) - 2 * (x * y).sum(-1)
    return [squared(a, p), squared(a, n)]
"""

TORCH_MSE = """
def triplet_distances(anchors, positives, negatives):
    a, p, n = as_floats(anchors, positives, negatives)
    return F.mse_loss(a, p, reduction="none").sum(1), F.mse_loss(a, n, reduction="none").sum(1)
"""

DETACHED = "return torch.tensor(d_ap.tolist()).to(anchors), torch.tensor(d_an.tolist()).to(anchors)"

exercise = Exercise(
    title="Two distances per triplet",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, equation 1",
    kind=Function(returns=("d_ap", "d_an")),
    hints=[
        "Both distances start from the anchor. Each is a number per triplet.",
        "Subtract, square, and add up along the axis of the components.",
        "No root: FaceNet compares squared distances.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "six triplets in five dimensions", batch(6, 5)),
        Case("square", "as many triplets as components", batch(4, 4)),
        Case("one_triplet", "one triplet only", batch(1, 6)),
        Case("one_component", "one component only", batch(5, 1)),
        Case("same_image", "the positive is the anchor itself", one_image_twice),
        Case("long", "vectors of length one hundred", batch(3, 4, 50.0), gradients=False),
        Case("float32", "float32 input", batch(8, 3), dtype="float32"),
        Case("integers", "whole numbers as input", whole_batch, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", batch(7, 2), layout="fortran"),
        Case("strided", "every other column of a larger array", batch(3, 6), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "not_squared",
            "These are distances. FaceNet's are squared, which also spares a root with no slope at zero.",
            edit=[("return d_ap, d_an", "return np.sqrt(d_ap), np.sqrt(d_an)")],
        ),
        Mistake(
            "positive_to_negative",
            "The second distance runs from the positive to the negative. Both start from the anchor.",
            edit=[("(anchors - negatives)", "(positives - negatives)")],
        ),
        Mistake(
            "swapped",
            "The two distances are in the other order: first anchor to positive, then anchor to negative.",
            edit=[("return d_ap, d_an", "return d_an, d_ap")],
        ),
        Mistake(
            "mean_over_components",
            "These are mean squared differences. A distance adds the components up.",
            edit=[
                ("return d_ap, d_an", "return d_ap / anchors.shape[1], d_an / anchors.shape[1]"),
            ],
        ),
        Mistake(
            "absolute_differences",
            "The absolute differences were added up. Euclid squares each one first.",
            edit=[
                ("(anchors - positives) ** 2", "np.abs(anchors - positives)"),
                ("(anchors - negatives) ** 2", "np.abs(anchors - negatives)"),
            ],
        ),
        Mistake(
            "over_the_batch",
            "The sum runs over the triplets. It should run over the components of each.",
            edit=[
                ("(anchors - positives) ** 2, axis=1", "(anchors - positives) ** 2, axis=0"),
                ("(anchors - negatives) ** 2, axis=1", "(anchors - negatives) ** 2, axis=0"),
            ],
        ),
        Mistake(
            "whole_batch",
            "The sum runs over the whole batch. One number for each triplet is asked.",
            edit=[
                ("(anchors - positives) ** 2, axis=1", "(anchors - positives) ** 2"),
                ("(anchors - negatives) ** 2, axis=1", "(anchors - negatives) ** 2"),
            ],
        ),
        Mistake(
            "unit_length_assumed",
            "The formula 2 − 2 a·b is for vectors of length one. These have lengths of their own.",
            edit=[
                ("np.sum((anchors - positives) ** 2, axis=1)", "2 - 2 * np.sum(anchors * positives, axis=1)"),
                ("np.sum((anchors - negatives) ** 2, axis=1)", "2 - 2 * np.sum(anchors * negatives, axis=1)"),
            ],
        ),
        Mistake(
            "sum_then_square",
            "The differences were added before they were squared. Square each component first.",
            edit=[
                ("np.sum((anchors - positives) ** 2, axis=1)", "np.sum(anchors - positives, axis=1) ** 2"),
                ("np.sum((anchors - negatives) ** 2, axis=1)", "np.sum(anchors - negatives, axis=1) ** 2"),
            ],
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the embeddings. "
            "Stay with tensors that autograd follows.",
            edit=[("return d_ap, d_an", DETACHED)],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "anchor_detached",
            "A gradient arrives, but the anchor is held fixed in one distance. It moves in both.",
            edit=[("(anchors - negatives)", "(anchors.detach() - negatives)")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("return d_ap, d_an", "return d_ap.float(), d_an.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("both_at_once", function=both_at_once, track="from_scratch"),
        Right("multiplied_out", function=multiplied_out, track="from_scratch"),
        Right("norms_in_lists", function=by_norms, track="from_scratch"),
        Right("stacked", source=TORCH_STACKED, track="pytorch"),
        Right("expanded", source=TORCH_EXPANDED, track="pytorch"),
        Right("mse_without_mean", source=TORCH_MSE, track="pytorch"),
    ],
)
