"""Batch-hard mining: per anchor the farthest positive and the closest negative."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def batch(*sizes, dim=4, spread=0.6):
    """Return a draw of unit rows around one centre per class, classes shuffled, labels not dense."""

    def draw(rng):
        names = rng.choice(60, size=len(sizes), replace=False) * 3 - 20
        owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        rows = rng.normal(size=(len(sizes), dim))[owner] + spread * rng.normal(size=(len(owner), dim))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return {"embeddings": rows, "labels": names[owner]}

    return draw


def any_length(rng):
    """Draw rows that are not of unit length."""
    drawn = batch(3, 4, 2, 3, dim=3)(rng)
    drawn["embeddings"] = drawn["embeddings"] * rng.uniform(0.5, 2.5, size=(12, 1))
    return drawn


def on_a_line(rng):
    """Draw points of a line at whole numbers, so that both choices tie."""
    places = np.array([0, 1, 1, -1, 2, -2, 2, 3, -3, 4, 0, 5]) * (1 if rng.random() < 0.5 else -1)
    labels = np.array([5, 5, 8, 8, 2, 2, 8, 5, 2, 8, 9, 11])
    order = rng.permutation(len(places))
    flat = np.stack([places, np.zeros(len(places))], axis=1).astype(np.float64)
    return {"embeddings": flat[order], "labels": labels[order]}


def oracle(embeddings, labels):
    """Compare one pair at a time, keeping the first of equals."""
    rows, names = embeddings.tolist(), labels.tolist()
    triplets = []
    for a, name in enumerate(names):
        farthest = closest = None
        for j, other in enumerate(names):
            d = sum((x - y) ** 2 for x, y in zip(rows[a], rows[j], strict=True))
            if other == name and j != a and (farthest is None or d > farthest[0]):
                farthest = (d, j)
            if other != name and (closest is None or d < closest[0]):
                closest = (d, j)
        if farthest and closest:
            triplets.append((a, farthest[1], closest[1]))
    return np.array(triplets, dtype=np.int64).reshape(-1, 3)


SORTED = """
def mine_hardest(embeddings, labels):
    distances = pairwise_squared_distances(embeddings)
    chosen = []
    for a, row in enumerate(distances):
        friends = [i for i in np.argsort(-row, kind="stable") if labels[i] == labels[a] and i != a]
        others = [i for i in np.argsort(row, kind="stable") if labels[i] != labels[a]]
        chosen += [(a, friends[0], others[0])] if friends and others else []
    return np.array(chosen).reshape(-1, 3)
"""

FROM_PAIRS = """
def mine_hardest(embeddings, labels):
    distances, best = pairwise_squared_distances(embeddings), {}
    for a, p in np.asarray(anchor_positive_pairs(labels)).tolist():
        if a not in best or distances[a, p] > distances[a, best[a]]:
            best[a] = p
    rows = []
    for a, p in best.items():
        others = np.flatnonzero(labels != labels[a])
        if others.size:
            rows.append([a, p, others[distances[a, others].argmin()]])
    return rows or np.empty((0, 3), int)
"""

LARGE_NUMBERS = """
def mine_hardest(embeddings, labels):
    distances = np.asarray(pairwise_squared_distances(embeddings), dtype=float)
    equal = np.equal.outer(labels, labels)
    top = distances.max() + 1
    p = (distances * equal - np.eye(len(labels))).argmax(axis=1)
    for a in range(len(labels)):
        friends = np.flatnonzero(equal[a] & (np.arange(len(labels)) != a))
        p[a] = friends[distances[a, friends].argmax()] if friends.size else 0
    n = (distances + top * equal).argmin(axis=1)
    usable = (equal.sum(axis=1) > 1) & (equal.sum(axis=1) < len(labels))
    return np.stack([np.arange(len(labels)), p, n], axis=1)[usable]
"""

TORCH_LOOP = """
def mine_hardest(embeddings, labels):
    distances = pairwise_squared_distances(embeddings.detach())
    rows = []
    for a in range(len(labels)):
        friends = [i for i in range(len(labels)) if labels[i] == labels[a] and i != a]
        others = [i for i in range(len(labels)) if labels[i] != labels[a]]
        if friends and others:
            rows.append((a, max(friends, key=lambda i: distances[a, i]), min(others, key=lambda i: distances[a, i])))
    return torch.tensor(rows, dtype=torch.int32).reshape(-1, 3)
"""

TORCH_SORTED = """
def mine_hardest(embeddings, labels):
    distances = pairwise_squared_distances(embeddings.detach())
    equal = labels[:, None] == labels
    mate = equal & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    p = torch.where(mate, distances, -1.0).sort(dim=1, descending=True, stable=True).indices[:, 0]
    n = torch.where(equal, torch.inf, distances).sort(dim=1, stable=True).indices[:, 0]
    every = torch.stack([torch.arange(len(labels), device=p.device), p, n], dim=1)
    return every[mate.any(dim=1) & (~equal).any(dim=1)]
"""

TORCH_ROWS = """
def mine_hardest(embeddings, labels):
    distances, rows = pairwise_squared_distances(embeddings.detach()), []
    index = torch.arange(len(labels), device=labels.device)
    for a in range(len(labels)):
        friends, others = index[(labels == labels[a]) & (index != a)], index[labels != labels[a]]
        if friends.numel() and others.numel():
            p, n = friends[distances[a, friends].argmax()], others[distances[a, others].argmin()]
            rows.append(torch.stack([index[a], p, n]))
    return torch.stack(rows) if rows else labels.new_empty((0, 3)).long()
"""

exercise = Exercise(
    title="The hardest of the batch",
    points=2,
    minutes=10,
    difficulty=2,
    source="Hermans et al. 2017, In Defense of the Triplet Loss, equation 5 (batch hard); the argmax and argmin of "
    "Schroff et al. 2015, FaceNet, section 3.2, taken within the batch",
    kind=Function(integer=True),
    hints=[
        "Two masked tables: one in which only positives can win a maximum, one in which only negatives can win a "
        "minimum.",
        "Minus infinity never wins a maximum, infinity never a minimum. An anchor is no positive of its own.",
        "argmax and argmin keep the first of equals. Last, leave out anchors that have no positive or no negative.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 3, 4, 1 and 2 images, shuffled", batch(3, 4, 1, 2)),
        Case("more", "six classes of five", batch(*[5] * 6, dim=8)),
        Case("any_length", "rows that are not of unit length", any_length),
        Case("one_class", "no negatives: an empty result of shape (0, 3)", batch(5)),
        Case("alone", "no positives: an empty result of shape (0, 3)", batch(1, 1, 1, 1)),
        Case("on_a_line", "whole-number distances that tie: the lowest index wins", on_a_line),
        Case("integers", "whole numbers as input", on_a_line, dtype="int64"),
        Case("float32", "float32 input", batch(3, 4, 2), dtype="float32"),
        Case("strided", "every other row of a larger array", batch(2, 3, 3), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "closest_positive",
            "The closest positive was taken. The hardest one is the farthest.",
            edit=[
                (
                    "np.where(positive, distances, -np.inf).argmax(axis=1)",
                    "np.where(positive, distances, np.inf).argmin(axis=1)",
                )
            ],
        ),
        Mistake(
            "farthest_negative",
            "The farthest negative was taken. The hardest one is the closest.",
            edit=[
                (
                    "np.where(same, np.inf, distances).argmin(axis=1)",
                    "np.where(same, -np.inf, distances).argmax(axis=1)",
                )
            ],
        ),
        Mistake(
            "zeros_win",
            "Masked entries were set to zero, and a zero wins every minimum: the negative is an image of the anchor's "
            "own identity.",
            edit=[("np.where(same, np.inf, distances)", "np.where(same, 0, distances)")],
        ),
        Mistake(
            "singletons_kept",
            "Anchors without a positive were kept. There is no triplet to be made for them.",
            edit=[("positive.any(axis=1) & ~same.all(axis=1)", "~same.all(axis=1)")],
        ),
        Mistake(
            "no_negative_kept",
            "Anchors without a negative were kept. There is no triplet to be made for them.",
            edit=[("positive.any(axis=1) & ~same.all(axis=1)", "positive.any(axis=1)")],
        ),
        Mistake(
            "seen_from_the_positive",
            "The negative is the closest to the positive here. Distances are taken from the anchor.",
            edit=[("closest[anchors]", "closest[farthest[anchors]]")],
        ),
        Mistake(
            "one_for_the_batch",
            "Only the hardest anchor of the batch is given. Every anchor has a triplet.",
            edit=[
                (
                    "return np.stack([anchors, farthest[anchors], closest[anchors]], axis=1)",
                    "gap = (distances[anchors, farthest[anchors]] - distances[anchors, closest[anchors]])\n"
                    "    anchors = anchors[gap == gap.max(initial=-np.inf)][:1]\n"
                    "    return np.stack([anchors, farthest[anchors], closest[anchors]], axis=1)",
                )
            ],
        ),
        Mistake(
            "last_of_equals",
            "Of negatives equally close the last was taken. Ties go to the lowest index.",
            edit=[
                (
                    "np.where(same, np.inf, distances).argmin(axis=1)",
                    "len(labels) - 1 - np.where(same, np.inf, distances)[:, ::-1].argmin(axis=1)",
                )
            ],
        ),
    ],
    also_right=[
        Right("sorted_rows", source=SORTED, track="from_scratch"),
        Right("from_pairs", source=FROM_PAIRS, track="from_scratch"),
        Right("large_numbers", source=LARGE_NUMBERS, track="from_scratch"),
        Right("python_loop", source=TORCH_LOOP, track="pytorch"),
        Right("sorted_rows", source=TORCH_SORTED, track="pytorch"),
        Right("anchor_by_anchor", source=TORCH_ROWS, track="pytorch"),
    ],
)
