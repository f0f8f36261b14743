"""The losses of all valid triplets, by sorting and prefix sums, and how many are above zero."""

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


def many_rows(rng):
    """Draw five classes of twenty."""
    return batch(20, 20, 20, 20, 20, dim=6)(rng)


def oracle(embeddings, labels, margin):
    """Take one anchor and one positive at a time, and add up the losses of all negatives."""
    total, above = 0.0, 0
    for a, name in enumerate(labels.tolist()):
        far = np.sum((embeddings[labels != name] - embeddings[a]) ** 2, axis=1)
        for p in np.flatnonzero(labels == name):
            if p != a:
                losses = np.maximum(np.sum((embeddings[p] - embeddings[a]) ** 2) - far + margin, 0)
                total += float(np.sum(losses))
                above += int(np.count_nonzero(losses))
    return total, above


PAIR_BY_PAIR = """
def batch_all_triplet_loss(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    total, above = 0.0, 0
    for a, p in anchor_positive_pairs(labels):
        gaps = distances[a, p] + margin - distances[a][labels != labels[a]]
        total += gaps[gaps > 0].sum()
        above += int((gaps > 0).sum())
    return total, above
"""

NEGATIVE_BY_NEGATIVE = """
def batch_all_triplet_loss(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    pairs = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    total, above = 0, 0
    for n in range(len(labels)):
        gaps = distances + margin - distances[:, n : n + 1]
        counted = pairs & (labels != labels[n])[:, None] & (gaps > 0)
        total, above = total + gaps[counted].sum(), above + counted.sum()
    return np.array(total), above
"""

SORTED_FROM_BELOW = """
def batch_all_triplet_loss(embeddings, labels, margin):
    names, total, above = labels.tolist(), 0.0, 0
    for a, row in enumerate(pairwise_squared_distances(embeddings).tolist()):
        far = sorted(d for d, name in zip(row, names) if name != names[a])
        for p, limit in enumerate(d + margin for d in row):
            if names[p] == names[a] and p != a:
                for d in far:
                    if d >= limit:
                        break
                    total, above = total + limit - d, above + 1
    return float(total), above
"""

TORCH_PAIRS_IN_CHUNKS = """
def batch_all_triplet_loss(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    total, above = distances.sum() * 0, 0
    for a, p in (chunk.T for chunk in anchor_positive_pairs(labels).split(64)):
        losses = torch.relu(distances[a, p][:, None] + margin - distances[a]) * (labels[a][:, None] != labels)
        total, above = total + losses.sum(), above + int((losses > 0).sum())
    return total, above
"""

TORCH_CLASS_BY_CLASS = """
def batch_all_triplet_loss(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    total, above = distances.sum() * 0, 0
    for name in labels.unique():
        friends = labels == name
        far = distances[friends][:, ~friends]
        near = distances[friends][:, friends]
        for k, row in enumerate(near.unbind(dim=1)):  # one positive for the whole class
            losses = (row[:, None] - far + margin).clamp(min=0)
            losses = losses * (torch.arange(len(row)) != k)[:, None]
            total = total + losses.sum()
            above += int(torch.count_nonzero(losses))
    return total, torch.tensor(above)
"""

TORCH_WEIGHTS = """
def batch_all_triplet_loss(embeddings, labels, margin):
    distances = pairwise_squared_distances(embeddings)
    fixed, weights, above = distances.detach(), torch.zeros_like(distances), 0
    for name in labels.unique():
        friends = (labels == name).nonzero()[:, 0]
        rows = fixed[friends]
        hit = (labels != name) & (rows[:, None] < rows[:, friends][:, :, None] + margin)
        hit[range(len(friends)), range(len(friends))] = False
        weights[friends] -= hit.sum(dim=1)
        weights[friends[:, None], friends] += hit.sum(dim=2)
        above += int(hit.sum())
    return (weights * distances).sum() + margin * above, above
"""

exercise = Exercise(
    title="The loss of all triplets",
    points=4,
    minutes=25,
    difficulty=3,
    source="Schroff et al. 2015, FaceNet, equation 3, summed over all valid triplets of a batch; "
    "batch all in Hermans et al. 2017, In Defense of the Triplet Loss, equation 7",
    kind=Function(returns=("loss", "active"), integer=("active",), plain=("active",)),
    hints=[
        "Fix anchor and positive, and let t = d_ap + margin. The negatives' losses add up to Σ max(0, t − d_an). Which "
        "negatives contribute?",
        "If c negatives are closer than t, that sum is c·t minus the sum of their distances. Sorted distances and "
        "their prefix sums answer both questions.",
        "Put a zero in front of the prefix sums, so that entry c is the sum of the first c. A binary search finds c.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 3, 4, 1 and 2 images, shuffled", batch(3, 4, 1, 2, dim=3)),
        Case("any_length", "rows that are not of unit length", any_length),
        Case(
            "tiny_margin", "a tiny margin: few triplets are active", batch(4, 3, 3, margin=0.01, spread=0.3)
        ),
        Case("large_margin", "a margin of 5: all are active", batch(2, 3, 2, margin=5.0)),
        Case("one_class", "no negatives: a loss of zero", batch(4)),
        Case("alone", "no positives: a loss of zero", batch(1, 1, 1)),
        Case("more", "eight classes of four", batch(*[4] * 8, dim=8), gradients=False),
        Case("float32", "float32 input", batch(3, 4, 2), dtype="float32"),
        Case("strided", "every other row of a larger array", batch(2, 3, 3), layout="strided"),
        Case(
            "memory",
            "100 images: no room for a (B, B, B) intermediate",
            many_rows,
            worth=1,
            gradients=False,
            peak_bytes=memory_allowed,
            wall_limit_s=60,
        ),
    ],
    mistakes=[
        Mistake(
            "itself_as_positive",
            "Anchors were taken as their own positives, at distance zero. They are two different images.",
            edit=[("        same[a] = False\n", "")],
        ),
        Mistake(
            "prefix_off_by_one",
            "The prefix sums are off by one: entry c must be the sum of the first c distances, so entry 0 is zero.",
            edit=[("np.append(0, np.cumsum(nearest))", "np.append(np.cumsum(nearest), np.sum(nearest))")],
        ),
        Mistake(
            "each_pair_once",
            "Each pair counts once here. (a, p) and (p, a) have different negatives, and both count.",
            edit=[("        same[a] = False\n", "        same[: a + 1] = False\n")],
        ),
        Mistake(
            "no_margin",
            "The margin is missing from the limit, so that only hard negatives count.",
            edit=[("row[same] + margin", "row[same]")],
        ),
        Mistake(
            "margin_only_counted",
            "The active triplets are right but not their losses: the margin is part of each.",
            edit=[
                (
                    "np.sum(closer * limits - sums[closer])",
                    "np.sum(closer * (limits - margin) - sums[closer])",
                )
            ],
        ),
        Mistake(
            "all_negatives_counted",
            "All negatives were added, without the max. Those beyond the margin must not count against the others.",
            edit=[("np.searchsorted(nearest, limits)", "np.full(len(limits), len(nearest))")],
        ),
        Mistake(
            "mean_over_active",
            "The sum was divided by the number of active triplets. The plain sum is asked.",
            edit=[("return loss, int(active)", "return loss / max(int(active), 1), int(active)")],
        ),
        Mistake(
            "anchors_among_negatives",
            "Images of the anchor's own identity count as negatives here.",
            edit=[("np.sort(row[~same])", "np.sort(row)")],
        ),
        Mistake(
            "pairs_counted",
            "The count is of anchor–positive pairs with a loss. Triplets are asked.",
            edit=[("active += closer.sum()", "active += (closer > 0).sum()")],
        ),
        Mistake(
            "not_squared",
            "Distances were rooted first. The triplet loss of FaceNet is about squared ones.",
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
            "detached",
            "The values are right, but no gradient reaches the embeddings: nothing would be learnt.",
            edit=[
                (
                    "distances = pairwise_squared_distances(embeddings)",
                    "distances = pairwise_squared_distances(embeddings).detach()",
                )
            ],
            breaks="autograd",
            track="pytorch",
        ),
        Mistake(
            "limits_detached",
            "A gradient arrives, but the wrong one: the positives' distances were cut off.",
            edit=[("limits = distances + margin", "limits = distances.detach() + margin")],
            breaks="gradient",
            track="pytorch",
        ),
        Mistake(
            "sums_detached",
            "A gradient arrives, but the wrong one: the negatives' distances were cut off.",
            edit=[("sums.gather(1, closer)", "sums.detach().gather(1, closer)")],
            breaks="gradient",
            track="pytorch",
        ),
    ],
    also_right=[
        Right("pair_by_pair", source=PAIR_BY_PAIR, track="from_scratch"),
        Right("negative_by_negative", source=NEGATIVE_BY_NEGATIVE, track="from_scratch"),
        Right("sorted_and_stopped", source=SORTED_FROM_BELOW, track="from_scratch"),
        Right("pairs_in_chunks", source=TORCH_PAIRS_IN_CHUNKS, track="pytorch"),
        Right("class_by_class", source=TORCH_CLASS_BY_CLASS, track="pytorch"),
        Right("weights", source=TORCH_WEIGHTS, track="pytorch"),
    ],
)
