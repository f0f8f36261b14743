"""Semi-hard mining: for every anchor–positive pair its closest negative inside the margin, without (B, B, B)."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def batch(*sizes, dim=4, margin=0.2, spread=0.6):
    """Return a draw of unit rows around one centre per class, classes shuffled, labels not dense."""

    def draw(rng):
        names = rng.choice(60, size=len(sizes), replace=False) * 3 - 20
        owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        rows = rng.normal(size=(len(sizes), dim))[owner] + spread * rng.normal(size=(len(owner), dim))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return {"embeddings": rows, "labels": names[owner], "margin": margin}

    return draw


def any_length(rng):
    """Draw rows that are not of unit length."""
    drawn = batch(3, 4, 2, 3, dim=3, margin=1.7)(rng)
    drawn["embeddings"] = drawn["embeddings"] * rng.uniform(0.5, 2.5, size=(12, 1))
    return drawn


def memory_allowed(arguments):
    """Allow ten float64 tables of B x B; a cube of one byte each is twelve and a half."""
    return 10 * 8 * len(arguments["labels"]) ** 2


def on_a_line(rng):
    """Draw points of a line at whole numbers, so that distances tie with the positive's, the border's, and others."""
    places = np.array([0, 1, 1, -1, 2, -2, 2, 3, -3, 4, 0, 5]) * (1 if rng.random() < 0.5 else -1)
    labels = np.array([5, 5, 8, 8, 2, 2, 8, 5, 2, 8, 9, 9])
    order = rng.permutation(len(places))
    flat = np.stack([places, np.zeros(len(places))], axis=1).astype(np.float64)
    return {"embeddings": flat[order], "labels": labels[order], "margin": 8.0}


def on_the_border(rng):
    """Draw points of a line of which one negative lies exactly at the margin's end, with none before it."""
    places = np.array([0, 1, 3, 1]) * (1 if rng.random() < 0.5 else -1)
    flat = np.stack([places, np.zeros(4)], axis=1).astype(np.float64)
    order = rng.permutation(4)
    return {"embeddings": flat[order], "labels": np.array([4, 4, 9, 4])[order], "margin": 8.0}


def copies(rng):
    """Draw a batch in which some negatives are copies of others."""
    drawn = on_a_line(rng)
    return {
        **drawn,
        "embeddings": np.repeat(drawn["embeddings"], 2, axis=0),
        "labels": np.repeat(drawn["labels"], 2),
    }


def many_rows(rng):
    """Draw five classes of twenty."""
    return batch(20, 20, 20, 20, 20, dim=6)(rng)


def oracle(embeddings, labels, margin):
    """Go through all triplets, and keep the closest negative of each pair that lies inside the margin."""
    rows, names = embeddings.tolist(), labels.tolist()
    apart = [[sum((x - y) ** 2 for x, y in zip(r, s, strict=True)) for s in rows] for r in rows]
    triplets = []
    for a, name in enumerate(names):
        others = [n for n, other in enumerate(names) if other != name]
        for p, positive in enumerate(names):
            if p == a or positive != name:
                continue
            inside = [n for n in others if apart[a][p] < apart[a][n] < apart[a][p] + margin]
            if inside:
                triplets.append((a, p, min(inside, key=lambda n, a=a: apart[a][n])))
    return np.array(triplets, dtype=np.int64).reshape(-1, 3)


MASKED_MINIMUM = """
def mine_semi_hard(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    found = []
    for a, p in anchor_positive_pairs(labels):
        kinds = classify_negatives(distances[a, p], distances[a], margin)
        masked = np.where((kinds == 1) & (labels != labels[a]), distances[a], np.inf)
        if masked.min() < np.inf:
            found.append([a, p, int(masked.argmin())])
    return found or np.zeros((0, 3), dtype=int)
"""

SORTED_SCAN = """
def mine_semi_hard(embeddings, labels, margin):
    distances, names = pairwise_squared_distances(embeddings).tolist(), labels.tolist()
    result = []
    for a, row in enumerate(distances):
        queue = sorted((row[n], n) for n in range(len(names)) if names[n] != names[a])
        for p in range(len(names)):
            if p != a and names[p] == names[a]:
                n = next((n for d, n in queue if row[p] < d), None)
                result += [(a, p, n)] if n is not None and row[n] < row[p] + margin else []
    return np.array(result, dtype=np.int32).reshape(-1, 3)
"""

BY_BISECTION = """
def mine_semi_hard(embeddings, labels, margin):
    import bisect

    kept = []
    for a, row in enumerate(pairwise_squared_distances(embeddings).tolist()):
        others = sorted(np.flatnonzero(labels != labels[a]).tolist(), key=row.__getitem__)
        queue = [row[n] for n in others]
        for p in np.flatnonzero(labels == labels[a]).tolist():
            at = bisect.bisect_right(queue, row[p])
            if p != a and at < len(others) and queue[at] < row[p] + margin:
                kept.append((a, p, others[at]))
    return np.array(kept).reshape(len(kept), 3).astype(float)
"""

TORCH_SORTED = """
def mine_semi_hard(embeddings, labels, margin):
    with torch.no_grad():
        distances = pairwise_squared_distances(embeddings)
        same = labels.unsqueeze(1) == labels
        ordered, order = distances.where(~same, torch.inf).sort(dim=1, stable=True)
        at = torch.searchsorted(ordered, distances, right=True).clamp(max=len(labels) - 1)
        chosen = ordered.gather(1, at)
        found = same & (chosen > distances) & (chosen < distances + margin)
        found.fill_diagonal_(False)
        return torch.column_stack([*found.nonzero().T, order.gather(1, at)[found]])
"""

TORCH_ROWS = """
def mine_semi_hard(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings.detach())
    parts = []
    for a in range(len(labels)):
        friends = (labels == labels[a]).nonzero()[:, 0]
        friends = friends[friends != a]
        others = (labels != labels[a]).nonzero()[:, 0]
        if len(friends) and len(others):
            near, far = distances[a, friends][:, None], distances[a, others][None]
            masked = torch.where((near < far) & (far < near + margin), far, torch.inf)
            best, at = masked.min(dim=1)
            rows = torch.stack([torch.full_like(friends, a), friends, others[at]], dim=1)
            parts.append(rows[best < torch.inf])
    return torch.cat(parts) if parts else labels.new_zeros((0, 3))
"""

TORCH_CLASS_BY_CLASS = """
def mine_semi_hard(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings.detach())
    found = []
    for name in labels.unique():
        friends, others = (labels == name).nonzero()[:, 0], (labels != name).nonzero()[:, 0]
        if len(others):
            near, far = distances[friends][:, friends, None], distances[friends][:, None, others]
            best, at = far.where((far > near) & (far < near + margin), torch.inf).min(dim=2)
            closest, members = others[at].tolist(), friends.tolist()
            for i, j in (best < torch.inf).nonzero().tolist():
                if i != j:
                    found.append((members[i], members[j], closest[i][j]))
    return torch.tensor(sorted(found), dtype=torch.int32).reshape(-1, 3)
"""

exercise = Exercise(
    title="Semi-hard mining",
    points=4,
    minutes=25,
    difficulty=3,
    source="Schroff et al. 2015, FaceNet, section 3.2, equation 4 with the margin of the sentence after it",
    kind=Function(integer=True),
    hints=[
        "Stay with one anchor. All you need of it is one row of your distance table: B numbers, not B².",
        "Of that row, which negatives are farther than the positive? The closest of them is the only one that can be "
        "semi-hard and closest at once; the margin decides.",
        "Either send what is too close to infinity and take the minimum, for a block of pairs at a time. Or sort the "
        "negatives once: bisection on side 'right' finds the first that is strictly farther, and its place in the sorted "
        "order must be mapped back to its place in the batch.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 3, 4, 1 and 2 images, shuffled", batch(3, 4, 1, 2)),
        Case("more", "eight classes of four", batch(*[4] * 8, dim=8)),
        Case("any_length", "rows that are not of unit length", any_length),
        Case(
            "tiny_margin", "a margin so small that most pairs have no negative", batch(4, 3, 3, margin=0.004)
        ),
        Case("large_margin", "a margin of 1.5", batch(3, 3, 3, 1, margin=1.5)),
        Case("one_class", "no negatives: an empty result of shape (0, 3)", batch(5)),
        Case("alone", "no positives: an empty result of shape (0, 3)", batch(1, 1, 1, 1)),
        Case("on_a_line", "whole-number distances that tie with both borders", on_a_line),
        Case("on_the_border", "a negative exactly at the margin's end", on_the_border),
        Case("copies", "copies of negatives: the lowest index wins", copies),
        Case("integers", "whole numbers as input", on_a_line, dtype="int64"),
        Case("float32", "float32 input", batch(3, 4, 2), dtype="float32"),
        Case("strided", "every other row of a larger array", batch(2, 3, 3), layout="strided"),
        Case(
            "memory",
            "100 images: no room for a (B, B, B) intermediate",
            many_rows,
            worth=1,
            peak_bytes=memory_allowed,
            wall_limit_s=60,
        ),
    ],
    mistakes=[
        Mistake(
            "no_upper_bound",
            "The closest negative farther than the positive was taken even where it lies beyond the margin. There its "
            "loss is zero: such a pair has no semi-hard negative.",
            edit=[("found = known[at] < row[positives] + margin", "found = known[at] < np.inf")],
        ),
        Mistake(
            "ties_admitted",
            "A negative exactly as far as the positive was taken. Semi-hard is strictly farther.",
            edit=[('side="right"', 'side="left"')],
        ),
        Mistake(
            "border_admitted",
            "A negative exactly at the margin's end was taken. Its loss is zero.",
            edit=[
                (
                    "known[at] < row[positives] + margin",
                    "(known[at] <= row[positives] + margin) & (known[at] < np.inf)",
                )
            ],
        ),
        Mistake(
            "hardest_negative",
            "The batch's closest negative was taken, however close. Semi-hard ones are farther than the positive.",
            edit=[
                (
                    'np.searchsorted(row[order], row[positives], side="right")',
                    "np.zeros(len(positives), dtype=int)",
                )
            ],
        ),
        Mistake(
            "farthest_semi_hard",
            "The farthest negative inside the margin was taken. The closest teaches most.",
            edit=[
                (
                    'at = np.searchsorted(row[order], row[positives], side="right")',
                    'low = np.searchsorted(row[order], row[positives], side="right")\n'
                    "        at = np.searchsorted(row[order], row[positives] + margin) - 1\n"
                    "        at = np.where(at < low, len(order), at)",
                )
            ],
        ),
        Mistake(
            "place_in_sorted_order",
            "The negative is given by its place in the sorted order. Map it back to its place in the batch.",
            edit=[("order[at[found]]", "at[found]")],
        ),
        Mistake(
            "itself_as_positive",
            "Anchors were taken as their own positives. Anchor and positive are two different images.",
            edit=[("        same[a] = False\n", "")],
        ),
        Mistake(
            "fallback_to_farthest",
            "Where a pair has no semi-hard negative, the farthest was taken, as TensorFlow Addons does. Here such a pair "
            "is left out.",
            edit=[
                (
                    "found = known[at]",
                    "at = np.where(known[at] < row[positives] + margin, at, len(order) - 1)\n        "
                    "found = known[at]",
                ),
                ("< row[positives] + margin\n", "< np.inf\n"),
            ],
        ),
        Mistake(
            "closest_to_the_positive",
            "The negatives' distance was measured from the positive. Mining compares distances from the anchor.",
            edit=[
                (
                    "known = np.append(row[order], np.inf)",
                    "known = np.append(row[order], np.inf)\n        "
                    "order = order[np.argsort(distances[positives[0], order])] if len(positives) else order",
                )
            ],
        ),
        Mistake(
            "half_of_the_pairs",
            "Each pair was mined in one order only. Either image can be the anchor, and its negatives differ.",
            edit=[
                (
                    "found = known[at] < row[positives] + margin",
                    "found = (known[at] < row[positives] + margin) & (positives > a)",
                )
            ],
        ),
        Mistake(
            "not_squared",
            "Distances were rooted before the margin was added. FaceNet's margin is on squared distances.",
            edit=[
                (
                    "distances = pairwise_squared_distances(embeddings)",
                    "distances = np.sqrt(pairwise_squared_distances(embeddings))",
                )
            ],
        ),
        Mistake(
            "cube",
            "Right, but a (B, B, B) table was built. For FaceNet's batch of 1800 that is 5.8 billion entries.",
            edit=[
                (
                    "distances = pairwise_squared_distances(embeddings)",
                    "distances = pairwise_squared_distances(embeddings)\n"
                    "    cube = distances[:, None, :] < distances[:, :, None] + margin\n"
                    "    assert cube.ndim == 3",
                )
            ],
            breaks="memory",
        ),
        Mistake(
            "cube_in_torch",
            "Right, but a (B, B, B) table was built. For FaceNet's batch of 1800 that is 5.8 billion entries.",
            edit=[
                (
                    "        triplets = []\n",
                    "        triplets = []\n"
                    "        cube = distances[:, None, :] < distances[:, :, None] + margin\n"
                    "        assert cube.ndim == 3\n",
                )
            ],
            breaks="memory",
            track="pytorch",
        ),
    ],
    also_right=[
        Right("masked_minimum", source=MASKED_MINIMUM, track="from_scratch"),
        Right("sorted_scan", source=SORTED_SCAN, track="from_scratch"),
        Right("bisection", source=BY_BISECTION, track="from_scratch"),
        Right("sorted_rows", source=TORCH_SORTED, track="pytorch"),
        Right("anchor_by_anchor", source=TORCH_ROWS, track="pytorch"),
        Right("class_by_class", source=TORCH_CLASS_BY_CLASS, track="pytorch"),
    ],
)
