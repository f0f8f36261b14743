"""Harmonic triplets: anchors are new embeddings; positives and negatives come from either version."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def versions(*sizes, dim=4, margin=0.2, apart=0.5):
    """Return a draw of unit rows in two versions around one centre per class, shuffled, labels not dense."""

    def draw(rng):
        names = rng.choice(60, size=len(sizes), replace=False) * 3 - 20
        owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        centres = rng.normal(size=(len(sizes), dim))[owner]
        old, new = (centres + apart * rng.normal(size=centres.shape) for _ in range(2))
        return {
            "old_embeddings": old / np.linalg.norm(old, axis=1, keepdims=True),
            "new_embeddings": new / np.linalg.norm(new, axis=1, keepdims=True),
            "labels": names[owner],
            "margin": margin,
        }

    return draw


def on_a_line(rng):
    """Draw points of a line at whole numbers, so that negatives tie between indices and between versions."""
    old = np.array([1, 2, 2, -1, 0, -2, 3, 1, -3])
    new = np.array([0, 1, -2, 2, 2, -2, -1, 3, 2])
    labels = np.array([5, 5, 8, 8, 2, 2, 5, 8, 9])
    order = rng.permutation(len(old))
    flat = [
        np.stack([places, np.zeros(len(places))], axis=1).astype(np.float64)[order] for places in (old, new)
    ]
    return {"old_embeddings": flat[0], "new_embeddings": flat[1], "labels": labels[order], "margin": 8.0}


def oracle(old_embeddings, new_embeddings, labels, margin):
    """Go through every anchor, positive and version, and keep the first of the closest negatives inside."""
    rows = (old_embeddings.tolist(), new_embeddings.tolist())
    names, found = labels.tolist(), []
    for a, name in enumerate(names):
        far = [
            [sum((x - y) ** 2 for x, y in zip(rows[1][a], rows[v][j], strict=True)) for v in (0, 1)]
            for j in range(len(names))
        ]
        for p, v in ((p, v) for p in range(len(names)) for v in (0, 1)):
            if p == a or names[p] != name:
                continue
            inside = [
                (far[n][w], n, w)
                for n in range(len(names))
                for w in (0, 1)
                if names[n] != name and far[p][v] < far[n][w] < far[p][v] + margin
            ]
            if inside:
                _, n, w = min(inside)
                found.append((a, p, n, v, w))
    return np.array(found, dtype=np.int64).reshape(-1, 5)


TABLES = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    tables = [((new_embeddings[:, None] - other[None]) ** 2).sum(-1) for other in (old_embeddings, new_embeddings)]
    rows = []
    for a, p in anchor_positive_pairs(labels):
        for v in (0, 1):
            best = None
            for n in np.flatnonzero(labels != labels[a]):
                for w in (0, 1):
                    gap = tables[w][a, n] - tables[v][a, p]
                    if 0 < gap < margin and (best is None or tables[w][a, n] < best[0]):
                        best = (tables[w][a, n], n, w)
            if best:
                rows.append([a, p, best[1], v, best[2]])
    return rows or np.zeros((0, 5), dtype=int)
"""

SORTED_QUEUE = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    rows = []
    for a in range(len(labels)):
        near = [[float(np.sum((new_embeddings[a] - e[j]) ** 2)) for e in (old_embeddings, new_embeddings)]
                for j in range(len(labels))]
        queue = sorted((near[n][w], n, w) for n in range(len(labels)) for w in (0, 1) if labels[n] != labels[a])
        for p in range(len(labels)):
            if p == a or labels[p] != labels[a]:
                continue
            for v in (0, 1):
                beyond = [(d, n, w) for d, n, w in queue if near[p][v] < d < near[p][v] + margin]
                rows += [(a, p, beyond[0][1], v, beyond[0][2])] if beyond else []
    return np.array(rows, dtype=np.int16).reshape(-1, 5)
"""

STACKED = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    both = np.concatenate([old_embeddings, new_embeddings])
    names, size = np.concatenate([labels, labels]), len(labels)
    place = np.concatenate([2 * np.arange(size), 2 * np.arange(size) + 1])
    rows = []
    for a in range(size):
        d = np.sum((both - new_embeddings[a]) ** 2, axis=1)
        for q in np.flatnonzero(names == labels[a]):
            if q % size != a:
                inside = np.flatnonzero((names != labels[a]) & (d > d[q]) & (d < d[q] + margin))
                if inside.size:
                    n = inside[np.lexsort((place[inside], d[inside]))[0]]
                    rows.append((a, q % size, n % size, q // size, n // size))
    return np.array(sorted(rows, key=lambda row: (row[0], row[1], row[3]))).reshape(-1, 5)
"""

TORCH_TABLES = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    old, new = (e.detach() for e in as_floats(old_embeddings, new_embeddings))
    tables = torch.stack([(new[:, None] - other[None]).square().sum(-1) for other in (old, new)], dim=-1)
    rows = []
    for a, p in anchor_positive_pairs(labels).tolist():
        for v in (0, 1):
            near = tables[a, p, v]
            inside = (labels != labels[a])[:, None] & (tables[a] > near) & (tables[a] < near + margin)
            if inside.any():
                at = int(torch.where(inside, tables[a], torch.inf).flatten().argmin())
                rows.append((a, p, at // 2, v, at % 2))
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 5)
"""

TORCH_QUEUE = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    names, rows = labels.tolist(), []
    for a, name in enumerate(names):
        near = [(e.detach() - new_embeddings[a].detach()).square().sum(1).tolist()
                for e in (old_embeddings, new_embeddings)]
        queue = sorted((near[w][n], n, w) for n in range(len(names)) for w in (0, 1) if names[n] != name)
        for p, other in enumerate(names):
            if p != a and other == name:
                for v in (0, 1):
                    beyond = [t for t in queue if near[v][p] < t[0] < near[v][p] + margin]
                    rows += [(a, p, beyond[0][1], v, beyond[0][2])] if beyond else []
    return torch.tensor(rows, dtype=torch.int32).reshape(-1, 5)
"""

TORCH_STACKED = """
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    both = torch.stack([old_embeddings, new_embeddings], dim=1).detach().flatten(0, 1)
    names, rows = labels.repeat_interleave(2), []
    for a in range(len(labels)):
        d = (both - both[2 * a + 1]).square().sum(dim=1)
        for q in (names == labels[a]).nonzero().flatten().tolist():
            if q // 2 != a:
                masked = d.where((names != labels[a]) & (d > d[q]) & (d < d[q] + margin), torch.inf)
                n = int(masked.argmin())
                if masked[n] < torch.inf:
                    rows.append((a, q // 2, n // 2, q % 2, n % 2))
    return torch.tensor(rows).reshape(-1, 5).int()
"""

exercise = Exercise(
    title="Triplets across two versions",
    points=3,
    minutes=20,
    difficulty=3,
    source="Schroff et al. 2015, FaceNet, section 5.4 and appendix (harmonic triplet loss, figures 8 to 10)",
    kind=Function(integer=True),
    hints=[
        "Stay with one new anchor. Lay its distances to all embeddings of both versions out as a table (B, 2), old first.",
        "The rows of its identity, itself left out, give the positives; the rows of others are where the negative is "
        "sought, in both columns at once.",
        "Read row by row, the table's order is by index, then old before new: just the rule for ties. The place of a "
        "minimum in that order gives index and version by division with remainder.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "classes of 3, 4, 1 and 2 images", versions(3, 4, 1, 2)),
        Case("near_versions", "versions that nearly agree", versions(3, 2, 3, apart=0.2, margin=0.7)),
        Case("large_margin", "a margin of 1.5", versions(3, 3, 2, margin=1.5)),
        Case("tiny_margin", "a margin so small that most have no negative", versions(4, 3, 3, margin=0.01)),
        Case("one_class", "no negatives: an empty result of shape (0, 5)", versions(4)),
        Case("alone", "no positives: an empty result of shape (0, 5)", versions(1, 1, 1)),
        Case("on_a_line", "whole-number distances that tie", on_a_line),
        Case("integers", "whole numbers as input", on_a_line, dtype="int64"),
        Case("float32", "float32 input", versions(3, 4, 2), dtype="float32"),
        Case("strided", "every other row of a larger array", versions(2, 3, 3), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "own_old_embedding",
            "An image's own old embedding was taken as its positive. Positives are other images of the identity.",
            edit=[("(0, 1) if p != a else ()", "(0, 1) if p != a else (0,)")],
        ),
        Mistake(
            "old_anchors",
            "The anchors are old embeddings here. Old ones are frozen: nothing is learnt unless the anchor is new.",
            edit=[("enumerate(new_embeddings)", "enumerate(old_embeddings)")],
        ),
        Mistake(
            "new_negatives_only",
            "The negative was sought among new embeddings alone. It is the closest semi-hard one of both versions.",
            edit=[
                (
                    "inside = other[:, None] & (distances > near)",
                    "inside = other[:, None] & np.array([False, True]) & (distances > near)",
                )
            ],
        ),
        Mistake(
            "negatives_of_the_positives_version",
            "The negative was sought in the positive's version alone. Both versions compete for the closest.",
            edit=[
                (
                    "inside = other[:, None] & (distances > near)",
                    "inside = other[:, None] & (np.arange(2) == version) & (distances > near)",
                )
            ],
        ),
        Mistake(
            "new_positives_only",
            "Old positives are missing. They are what ties the new embedding to the old one.",
            edit=[("(0, 1) if p != a else ()", "(1,) if p != a else ()")],
        ),
        Mistake(
            "hardest_negative",
            "The closest negative was taken, however close. Semi-hard ones are farther than the positive.",
            edit=[(" & (distances > near)", "")],
        ),
        Mistake(
            "no_upper_bound",
            "Negatives beyond the margin were taken. Their loss is zero: they are easy.",
            edit=[(" & (distances < near + margin)", "")],
        ),
        Mistake(
            "versions_swapped",
            "The two versions are swapped in the result: 0 is old and 1 is new.",
            edit=[
                (
                    "triplets.append((a, p, n, version, n_version))",
                    "triplets.append((a, p, n, 1 - version, 1 - n_version))",
                )
            ],
        ),
        Mistake(
            "new_before_old",
            "Where an image's two versions tie, the new one was taken. At a tie the old one comes first.",
            edit=[
                (
                    "n, n_version = divmod(int(closest.argmin()), 2)",
                    "flat = int(closest[:, ::-1].argmin())\n                n, n_version = flat // 2, 1 - flat % 2",
                )
            ],
        ),
        Mistake(
            "ties_admitted",
            "A negative exactly as far as the positive was taken. Semi-hard is strictly farther.",
            edit=[("(distances > near)", "(distances >= near)")],
        ),
    ],
    also_right=[
        Right("two_tables", source=TABLES, track="from_scratch"),
        Right("sorted_queue", source=SORTED_QUEUE, track="from_scratch"),
        Right("stacked", source=STACKED, track="from_scratch"),
        Right("two_tables", source=TORCH_TABLES, track="pytorch"),
        Right("sorted_queue", source=TORCH_QUEUE, track="pytorch"),
        Right("stacked", source=TORCH_STACKED, track="pytorch"),
    ],
)
