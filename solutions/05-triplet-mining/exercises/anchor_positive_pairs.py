"""Ordered anchor–positive pairs of a batch, sorted."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def batch(*sizes):
    """Return a draw of shuffled labels with these class sizes; labels are neither sorted nor dense."""

    def draw(rng):
        names = rng.choice(60, size=len(sizes), replace=False) * 3 - 20
        return {"labels": rng.permutation(np.repeat(names, sizes))}

    return draw


def mixed(rng):
    """Draw labels of which equal ones never stand side by side."""
    return {"labels": np.array([9, -2, 9, 4, -2, 9, 30, 4]) + int(rng.integers(100))}


def oracle(labels):
    """Look at every ordered pair of positions in turn."""
    names = labels.tolist()
    pairs = [(i, j) for i, a in enumerate(names) for j, b in enumerate(names) if i != j and a == b]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def by_class(labels):
    """Pair up within each class, then sort by anchor and positive."""
    pairs = []
    for name in set(np.asarray(labels).tolist()):
        members = np.flatnonzero(labels == name)
        pairs += [(i, j) for i in members for j in members if i != j]
    return np.array(sorted(pairs)).reshape(-1, 2)


def from_nonzero(labels):
    """Take the columns of a mask's coordinates."""
    equal = np.equal.outer(labels, labels) & ~np.eye(len(labels), dtype=bool)
    return np.column_stack(np.nonzero(equal))


def in_pairs(labels):
    """Answer with a list of tuples, or an empty array of two columns."""
    from itertools import permutations

    found = [pair for pair in permutations(range(len(labels)), 2) if labels[pair[0]] == labels[pair[1]]]
    return found or np.zeros((0, 2), dtype=int)


TORCH_LOOP = """
def anchor_positive_pairs(labels):
    rows = [(i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j and labels[i] == labels[j]]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 2)
"""

TORCH_ARGWHERE = """
def anchor_positive_pairs(labels):
    equal = labels.unsqueeze(0).eq(labels.unsqueeze(1))
    return torch.argwhere(equal & ~torch.eye(labels.numel(), dtype=torch.bool, device=labels.device))
"""

TORCH_BOTH_HALVES = """
def anchor_positive_pairs(labels):
    half = torch.triu(labels[:, None] == labels, diagonal=1)
    i, j = (half | half.T).nonzero().unbind(dim=1)
    return torch.stack((i, j), dim=1).int()
"""

exercise = Exercise(
    title="All anchor–positive pairs",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 3.2 (all anchor-positive pairs of a mini-batch)",
    kind=Function(integer=True),
    hints=[
        "Compare every label with every other: a (B, B) table of True and False.",
        "Which entries of that table pair an image with itself? The coordinates of what remains are the answer, "
        "and come out in the right order.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 3, 1, 4 and 2 images, shuffled", batch(3, 1, 4, 2)),
        Case("mixed", "equal labels never side by side", mixed),
        Case("alone", "every image is alone: an empty result of shape (0, 2)", batch(1, 1, 1, 1)),
        Case("one_image", "one image", batch(1)),
        Case("one_class", "one class only", batch(4)),
        Case("pairs", "classes of two", batch(2, 2, 2)),
    ],
    mistakes=[
        Mistake(
            "itself",
            "Images are paired with themselves. Anchor and positive are two different images.",
            edit=[("    np.fill_diagonal(same, False)\n", "")],
        ),
        Mistake(
            "each_pair_once",
            "Each pair stands here once. (a, p) and (p, a) are both asked: either image can be the anchor.",
            edit=[("return np.argwhere(same)", "return np.argwhere(np.triu(same))")],
        ),
        Mistake(
            "larger_first",
            "Each pair stands here once, the larger index first. Both orders are asked.",
            edit=[("return np.argwhere(same)", "return np.argwhere(np.tril(same))")],
        ),
        Mistake(
            "negatives",
            "These are the pairs of different labels. A positive has the anchor's label.",
            edit=[
                ("    np.fill_diagonal(same, False)\n", ""),
                ("labels[:, None] == labels[None, :]", "labels[:, None] != labels[None, :]"),
            ],
        ),
        Mistake(
            "sorted_by_positive",
            "The pairs are sorted by their positive. The anchor comes first.",
            edit=[("return np.argwhere(same)", "return np.argwhere(same)[:, ::-1]")],
        ),
        Mistake(
            "neighbours_only",
            "Only neighbouring images were compared. Equal labels may stand anywhere in the batch.",
            edit=[
                (
                    "return np.argwhere(same)",
                    "return np.argwhere(same & (np.abs(np.subtract.outer(range(len(same)), range(len(same)))) == 1))",
                )
            ],
        ),
        Mistake(
            "labels_for_positions",
            "These are labels. The pairs are asked as positions in the batch.",
            edit=[("return np.argwhere(same)", "return labels[np.argwhere(same)]")],
        ),
    ],
    also_right=[
        Right("by_class", function=by_class, track="from_scratch"),
        Right("from_nonzero", function=from_nonzero, track="from_scratch"),
        Right("list_of_tuples", function=in_pairs, track="from_scratch"),
        Right("python_loop", source=TORCH_LOOP, track="pytorch"),
        Right("argwhere", source=TORCH_ARGWHERE, track="pytorch"),
        Right("both_halves", source=TORCH_BOTH_HALVES, track="pytorch"),
    ],
)
