"""The same three gradients from the active triplets alone: gather, compute, scatter.

Two points are for the gradients.  One is for leaving the inactive triplets alone: there the
negatives are infinitely far away, so that zero times their difference is not a number.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Right

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


def few_active(rng):
    """Draw twelve triplets, two of them active, the other negatives infinitely far away."""
    drawn = triplets(12, 5, wanted=all_active)(rng)
    inactive = rng.permutation(12)[2:]
    drawn["negatives"][inactive] = np.inf
    return drawn


def few_of_many(rng):
    """Draw four hundred triplets, eight of them active."""
    anchors = rng.normal(size=(400, 32))
    positives = anchors + 0.2 * rng.normal(size=anchors.shape)
    reach = np.full((400, 1), 3.0)
    reach[rng.permutation(400)[:8]] = 0.1
    negatives = anchors + reach * rng.normal(size=anchors.shape)
    return {"anchors": anchors, "positives": positives, "negatives": negatives, "margin": 1.2}


def enough_for_distances(tables):
    """Return a limit of so many tables: the differences, their squares and the result, no masked ones."""
    return lambda drawn: tables * drawn["anchors"].nbytes


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


def one_at_a_time(anchors, positives, negatives, margin):
    """Go through the active triplets in a Python loop."""
    result = tuple(np.zeros(anchors.shape) for _ in range(3))
    lacks = np.sum((anchors - positives) ** 2, 1) - np.sum((anchors - negatives) ** 2, 1) + margin
    for b in np.nonzero(lacks > 0)[0]:
        a, p, n = anchors[b], positives[b], negatives[b]
        for table, row in zip(result, (n - p, p - a, a - n), strict=True):
            table[b] = 2 * row
    return result


def by_boolean_index(anchors, positives, negatives, margin):
    """Pick the rows by a boolean index and put them back by the same."""
    near, far = anchors - positives, anchors - negatives
    keep = (near * near).sum(axis=1) + margin > (far * far).sum(axis=1)
    result = [np.zeros_like(anchors, dtype=np.float64) for _ in range(3)]
    result[0][keep] = 2 * (near[keep] - far[keep])
    result[1][keep] = -2 * near[keep]
    result[2][keep] = 2 * far[keep]
    return tuple(result)


def added_at(anchors, positives, negatives, margin):
    """Gather by take and scatter by add.at."""
    lacks = np.sum((anchors - positives) ** 2, -1) - np.sum((anchors - negatives) ** 2, -1) + margin
    rows = np.argwhere(lacks > 0).ravel()
    a, p, n = (table.take(rows, axis=0) for table in (anchors, positives, negatives))
    result = np.zeros((3, *anchors.shape))
    for table, slope in zip(result, (2 * (n - p), 2 * (p - a), 2 * (a - n)), strict=True):
        np.add.at(table, rows, slope)
    return result[0], result[1], result[2]


TORCH_COPY = """
def gathered_triplet_gradients(anchors, positives, negatives, margin):
    with torch.no_grad():
        tables = as_floats(anchors, positives, negatives)
        d_ap, d_an = triplet_distances(*tables)
        rows = (margin + d_ap > d_an).nonzero().squeeze(1)
        a, p, n = (table.index_select(0, rows) for table in tables)
        slopes = 2 * (n - p), 2 * (p - a), 2 * (a - n)
        return tuple(torch.zeros_like(tables[0]).index_copy(0, rows, slope) for slope in slopes)
"""

TORCH_BOOLEAN = """
@torch.no_grad()
def gathered_triplet_gradients(anchors, positives, negatives, margin):
    anchors, positives, negatives = as_floats(anchors, positives, negatives)
    near, far = anchors - positives, anchors - negatives
    keep = near.square().sum(1) - far.square().sum(1) + margin > 0
    result = [anchors.new_zeros(anchors.shape) for _ in range(3)]
    result[0][keep] = 2 * (near[keep] - far[keep])
    result[1][keep] = -2 * near[keep]
    result[2][keep] = 2 * far[keep]
    return result
"""

TORCH_AUTOGRAD = """
def gathered_triplet_gradients(anchors, positives, negatives, margin):
    tables = [t.detach() for t in as_floats(anchors, positives, negatives)]
    d_ap, d_an = triplet_distances(*tables)
    rows = torch.where(d_ap - d_an + margin > 0)[0]
    few = [t[rows].requires_grad_() for t in tables]
    near, far = triplet_distances(*few)
    slopes = torch.autograd.grad((near - far).sum(), few)
    return tuple(torch.zeros_like(t).index_add_(0, rows, s) for t, s in zip(tables, slopes))
"""

exercise = Exercise(
    title="Only the active ones",
    points=3,
    minutes=20,
    difficulty=2,
    source="the forum's open question; the gradient of Schroff et al. 2015, FaceNet, equation 3",
    kind=Function(returns=("d_anchors", "d_positives", "d_negatives")),
    hints=[
        "You can already find the active triplets. What are their rows of the three tables?",
        "On those few rows no gate is needed: all of them are open.",
        "Begin with zeros for everybody, and write the few computed rows where they came from.",
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
        Case(
            "far_negatives",
            "two of twelve active, the other negatives infinitely far",
            few_active,
            gradients=False,
            worth=1,
        ),
        Case(
            "few_of_many",
            "eight of 400 active: what is computed for the others shows in memory",
            few_of_many,
            gradients=False,
            total_bytes=enough_for_distances(9.5),
            tracks=("from_scratch",),
        ),
        Case(
            "few_tensors_of_many",
            "eight of 400 active: what is computed for the others shows in memory",
            few_of_many,
            gradients=False,
            total_bytes=enough_for_distances(12),
            tracks=("pytorch",),
        ),
        Case(
            "many",
            "cost grows no faster than the batch",
            triplets(32, 8),
            gradients=False,
            linear=Linear(grow=NAMES),
        ),
    ],
    mistakes=[
        Mistake(
            "masked",
            "Inactive triplets were computed too and then multiplied by zero. That saves "
            "nothing, and zero times "
            "infinity is not a number. Compute on the active rows alone.",
            edit=[
                (
                    "    a, p, n = anchors[active], positives[active], negatives[active]  # (A, E)\n",
                    "    gate = np.zeros((len(anchors), 1))\n    gate[active] = 2\n",
                ),
                ("    gradients = np.zeros((3, *anchors.shape))\n", ""),
                (
                    "gradients[:, active] = 2 * np.stack([n - p, p - a, a - n])",
                    "gradients = gate * np.stack([negatives - positives, positives - "
                    "anchors, anchors - negatives])",
                ),
            ],
        ),
        Mistake(
            "masked_with_where",
            "Every triplet's gradient was computed and then hidden by a mask. Pick the active rows first.",
            edit=[
                (
                    "    a, p, n = anchors[active], positives[active], negatives[active]  # (A, E)\n",
                    "    gate = np.zeros((len(anchors), 1), dtype=bool)\n    gate[active] = True\n",
                ),
                ("    gradients = np.zeros((3, *anchors.shape))\n", ""),
                (
                    "gradients[:, active] = 2 * np.stack([n - p, p - a, a - n])",
                    "gradients = [np.where(gate, 2 * slope, 0.0) for slope in\n"
                    "                 (negatives - positives, positives - anchors, anchors - negatives)]",
                ),
            ],
            breaks="memory",
            track="from_scratch",
        ),
        Mistake(
            "masked_tensors",
            "Every triplet's gradient was computed and then hidden by a mask. Pick the active rows first.",
            edit=[
                (
                    "    a, p, n = anchors[active], positives[active], negatives[active]  # (A, E)\n",
                    "    gate = torch.zeros(len(anchors), 1, dtype=torch.bool)\n    gate[active] = True\n",
                ),
                ("    gradients = anchors.new_zeros(3, *anchors.shape)\n", ""),
                (
                    "gradients[:, active] = 2 * torch.stack([n - p, p - a, a - n])",
                    "gradients = [torch.where(gate, 2 * slope, 0.0) for slope in\n"
                    "                 (negatives - positives, positives - anchors, anchors - negatives)]",
                ),
            ],
            breaks="memory",
            track="pytorch",
        ),
        Mistake(
            "not_scattered",
            "The rows of the active triplets came back alone. Put them into tables of the batch's size.",
            edit=[("gradients[:, active] = 2 *", "gradients = 2 *")],
        ),
        Mistake(
            "first_rows",
            "The computed rows were written to the top of the tables. Each belongs where its triplet stands.",
            edit=[("gradients[:, active]", "gradients[:, : len(active)]")],
        ),
        Mistake(
            "whole_batch_or_nothing",
            "All triplets were computed as soon as one was active. Pick the active rows.",
            edit=[
                (
                    "a, p, n = anchors[active], positives[active], negatives[active]",
                    "active = slice(None) if len(active) else active\n    a, p, n = "
                    "anchors[active], positives[active], "
                    "negatives[active]",
                )
            ],
        ),
        Mistake(
            "inactive_gathered",
            "The good triplets were gathered and the others left out.",
            edit=[
                (
                    "active = active_triplets(anchors, positives, negatives, margin)",
                    "active = np.delete(np.arange(len(anchors)), "
                    "active_triplets(anchors, positives, negatives, margin))",
                )
            ],
        ),
        Mistake(
            "no_margin",
            "Triplets were picked without the margin: those within it still cost something.",
            edit=[("positives, negatives, margin)\n    a,", "positives, negatives, 0.0)\n    a,")],
        ),
        Mistake(
            "factor_two",
            "All gradients are half of what they should be. What is the slope of a square?",
            edit=[("= 2 * np.stack", "= np.stack")],
        ),
        Mistake(
            "anchor_sign",
            "The anchor moves the wrong way. Descent takes the negative of the gradient.",
            edit=[("[n - p,", "[p - n,")],
        ),
        Mistake(
            "positives_and_negatives_swapped",
            "The gradients of positives and negatives have changed places.",
            edit=[("p - a, a - n]", "a - n, p - a]")],
        ),
        Mistake(
            "mean_over_active",
            "The gradients were divided by the number of active triplets. The loss is a sum.",
            edit=[("2 * np.stack", "2 / max(len(active), 1) * np.stack")],
        ),
        Mistake(
            "others_left_open",
            "Rows of inactive triplets are not zero. Begin with zeros.",
            edit=[("np.zeros((3, *anchors.shape))", "np.ones((3, *anchors.shape))")],
        ),
        Mistake(
            "written_over_anchors",
            "The caller's anchors were changed. Write into new tables.",
            edit=[("    return tuple(gradients)", "    anchors[active] = 0\n    return tuple(gradients)")],
            breaks="changes_arguments",
            track="from_scratch",
        ),
        Mistake(
            "scattered_by_one_hot",
            "The rows were put back by a product with a (B, A) table. That grows with "
            "the square of the batch.",
            edit=[
                (
                    "gradients[:, active] = 2 * np.stack([n - p, p - a, a - n])",
                    "place = (np.arange(len(anchors))[:, None] == active).astype(np.float64)\n"
                    "    gradients += place @ (2 * np.stack([n - p, p - a, a - n]))",
                )
            ],
            breaks="not_linear",
            track="from_scratch",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Keep the arguments' dtype.",
            edit=[("return tuple(gradients)", "return tuple(gradients.float())")],
            track="pytorch",
            breaks="dtype",
        ),
        Mistake(
            "default_dtype",
            "The tables of zeros have the default dtype and device. Take them from the arguments.",
            edit=[("anchors.new_zeros(3, *anchors.shape)", "torch.zeros(3, *anchors.shape)")],
            track="pytorch",
            breaks="error",
        ),
    ],
    also_right=[
        Right("one_at_a_time", function=one_at_a_time, track="from_scratch"),
        Right("boolean_index", function=by_boolean_index, track="from_scratch"),
        Right("add_at", function=added_at, track="from_scratch"),
        Right("index_copy", source=TORCH_COPY, track="pytorch"),
        Right("boolean_in_torch", source=TORCH_BOOLEAN, track="pytorch"),
        Right("autograd_on_the_few", source=TORCH_AUTOGRAD, track="pytorch"),
    ],
)
