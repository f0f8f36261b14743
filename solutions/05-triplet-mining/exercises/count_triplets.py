"""The exact number of valid triplets: Python ints, since int64 overflows for a large collection."""

from __future__ import annotations

from collections import Counter

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def counts(*sizes, spread=7):
    """Return a draw of shuffled labels with these class sizes; labels are neither sorted nor dense."""

    def draw(rng):
        names = rng.choice(10 * spread, size=len(sizes), replace=False) * 3 - 20
        return {"labels": rng.permutation(np.repeat(names, sizes))}

    return draw


def large(*sizes):
    """Return a draw of many labels in order, one byte each."""

    def draw(rng):
        names = rng.permutation(np.arange(-5, 6))[: len(sizes)]
        return {"labels": np.repeat(names.astype(np.int8), np.array(sizes) + rng.integers(0, 50, len(sizes)))}

    return draw


def oracle(labels):
    """Count, for every pair of different labels, the pairs of the one times the images of the other."""
    sizes = Counter(labels.tolist())
    return sum(m * (m - 1) * sizes[n] for a, m in sizes.items() for n in sizes if n != a)


def over_anchors(labels):
    """Let every image count its positives times its negatives, in Python ints."""
    sizes = Counter(np.asarray(labels).tolist())
    return sum(k * (k - 1) * (len(labels) - k) for k in sizes.values())


def with_object_arrays(labels):
    """Let NumPy multiply Python ints."""
    sizes = np.unique(labels, return_counts=True)[1].astype(object)
    return int(np.sum(sizes * (sizes - 1) * (len(labels) - sizes)))


def by_subtraction(labels):
    """Take the third of one label away from any third."""
    sizes = [int(c) for c in np.unique(labels, return_counts=True)[1]]
    pairs = sum(m * (m - 1) for m in sizes)
    return pairs * len(labels) - sum(m * m * (m - 1) for m in sizes)


TORCH_COUNTER = """
def count_triplets(labels):
    from collections import Counter

    sizes = Counter(labels.tolist())
    return sum(k * (k - 1) * (len(labels) - k) for k in sizes.values())
"""

TORCH_SORTED = """
def count_triplets(labels):
    sizes = torch.unique_consecutive(labels.sort().values, return_counts=True)[1]
    whole = [int(size) for size in sizes]
    return sum(k * k - k for k in whole) * len(labels) - sum(k * k * (k - 1) for k in whole)
"""

TORCH_BINCOUNT = """
def count_triplets(labels):
    sizes = torch.bincount(labels.long() - labels.long().min())
    return sum(k * (k - 1) * (labels.numel() - k) for k in map(int, sizes))
"""

exercise = Exercise(
    title="How many triplets are there?",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 3.1 (the set T); counted as Σ m(m − 1)(N − m)",
    kind=Function(integer=True, plain=True),
    hints=[
        "Take one identity with m images out of N. In how many ways can you choose the anchor, then the "
        "positive, then the negative?",
        "Sum that over the identities. A NumPy or torch integer overflows silently at 2⁶³: leave them before "
        "you multiply.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 4, 1, 3 and 2 images", counts(4, 1, 3, 2)),
        Case("alone", "every image is alone in its class", counts(1, 1, 1)),
        Case("one_class", "one class only", counts(5)),
        Case("one_image", "one image", counts(1)),
        Case("two_and_one", "the smallest batch with a triplet", counts(2, 1)),
        Case("many", "sixty classes of uneven size", counts(*range(1, 61), spread=40)),
        Case("beyond_float", "more triplets than a float64 counts exactly", large(350_001, 270_003, 90_001)),
        Case("beyond_int64", "more triplets than an int64 can hold", large(2_000_003, 2_300_001)),
    ],
    mistakes=[
        Mistake(
            "anchor_as_positive",
            "An image was paired with itself. Anchor and positive are two different images.",
            edit=[("m * (m - 1)", "m * m")],
        ),
        Mistake(
            "unordered_pairs",
            "Each pair counts once here. (a, p) and (p, a) are two triplets: either can be the anchor.",
            edit=[("m * (m - 1) * (total - m)", "m * (m - 1) // 2 * (total - m)")],
        ),
        Mistake(
            "any_third_image",
            "The third image may have the anchor's label here. It must be of another identity.",
            edit=[("(total - m)", "total")],
        ),
        Mistake(
            "other_identities",
            "The number of other identities was taken for the number of their images.",
            edit=[("(total - m)", "(len(counts) - 1)")],
        ),
        Mistake(
            "third_image_anywhere_else",
            "Only the two chosen images are excluded as the third. All images of their identity have to be.",
            edit=[("(total - m)", "(total - 2)")],
        ),
        Mistake(
            "average_class",
            "This takes every identity to have the average number of images. Count class by class.",
            edit=[
                ("total = len(labels)", "total = len(labels)\n    mean = total // len(counts)"),
                ("m * (m - 1) * (total - m) for m in", "mean * (mean - 1) * (total - mean) for _ in"),
            ],
        ),
        Mistake(
            "overflow",
            "Right for small batches, but int64 has overflowed for a large one. Python's own ints do not.",
            edit=[("for m in counts.tolist())", "for m in counts)")],
        ),
        Mistake(
            "floats",
            "Right for small batches, but a float64 has 53 bits and this count needs more.",
            edit=[("m * (m - 1) * (total - m)", "int(float(m) * (m - 1) * (total - m))")],
        ),
    ],
    also_right=[
        Right("over_anchors", function=over_anchors, track="from_scratch"),
        Right("object_arrays", function=with_object_arrays, track="from_scratch"),
        Right("by_subtraction", function=by_subtraction, track="from_scratch"),
        Right("counter", source=TORCH_COUNTER, track="pytorch"),
        Right("sorted_runs", source=TORCH_SORTED, track="pytorch"),
        Right("bincount", source=TORCH_BINCOUNT, track="pytorch"),
    ],
)
