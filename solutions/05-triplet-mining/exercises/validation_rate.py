"""VAL at a FAR: the share of same pairs accepted where at most a share of different pairs is.

Every case is drawn so that the last pair within the target is a same pair: then every convention for choosing
among thresholds with one VAL accepts the same pairs.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def pairs(n_same, n_different, far_target, shift=1.0):
    """Return a draw of distances; one same pair lies just before the first different pair too many."""

    def draw(rng):
        different = np.sort(shift + rng.gamma(3, 0.4, size=n_different))
        allowed = int(np.sum(np.arange(1, n_different + 1) / n_different <= far_target))
        same = rng.gamma(3, 0.35, size=n_same)
        if 0 < allowed < n_different:
            same[0] = (different[allowed - 1] + different[allowed]) / 2
        elif allowed == 0:
            same[0] = different[0] / 2
        else:
            same[0] = different[-1] + 0.5
        return {
            "same_distances": rng.permutation(same),
            "different_distances": rng.permutation(different),
            "far_target": far_target,
        }

    return draw


def nothing_accepted(rng):
    """Draw distances of which the closest is a different pair, with no room for even one."""
    different = rng.uniform(0.1, 2, size=30)
    return {
        "same_distances": rng.uniform(0.5, 2, size=12) + different.min(),
        "different_distances": different,
        "far_target": 0.02,
    }


def tied(rng):
    """Draw distances on a coarse grid, with many exact ties between same and different pairs."""
    shift = int(rng.integers(3)) / 8
    same = np.array([1, 1, 2, 2, 2, 3, 3, 4, 5, 6]) / 8 + shift
    different = np.array([2, 4, 4, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9]) / 8 + shift
    return {
        "same_distances": rng.permutation(same),
        "different_distances": rng.permutation(different),
        "far_target": 0.1,
    }


def oracle(same_distances, different_distances, far_target):
    """Try every distance there is as threshold, from the smallest."""
    best = (-1.0, 0.0, 0.0)
    for threshold in sorted([*same_distances.tolist(), *different_distances.tolist()]):
        val = sum(d <= threshold for d in same_distances.tolist()) / len(same_distances)
        far = sum(d <= threshold for d in different_distances.tolist()) / len(different_distances)
        if far <= far_target and val > best[1]:
            best = (threshold, val, far)
    return best


SWEEP = """
def validation_rate(same_distances, different_distances, far_target):
    best = (-np.inf, 0.0, 0.0)
    for threshold in np.sort(np.concatenate([same_distances, different_distances])):
        far = float((different_distances <= threshold).mean())
        if far <= far_target:
            best = (float(threshold), float((same_distances <= threshold).mean()), far)
    return best
"""

BISECTED = """
def validation_rate(same_distances, different_distances, far_target):
    import bisect

    different = sorted(np.asarray(different_distances).tolist())
    n = len(different)
    allowed = max([k for k in range(n + 1) if k / n <= far_target])
    if allowed == n:
        return 1e9, 1.0, 1.0
    inside = [d for d in [*same_distances.tolist(), *different] if d < different[allowed]]
    threshold = max(inside, default=-np.inf)
    val = float(np.mean(same_distances <= threshold))
    return threshold, val, bisect.bisect_right(different, threshold) / n if val else 0.0
"""

SORTED_TOGETHER = """
def validation_rate(same_distances, different_distances, far_target):
    both = np.concatenate([same_distances, different_distances])
    is_same = np.arange(len(both)) < len(same_distances)
    order = np.argsort(both, kind="stable")
    values, is_same = both[order], is_same[order]
    val, far = np.cumsum(is_same) / len(same_distances), np.cumsum(~is_same) / len(different_distances)
    last = np.append(values[1:] != values[:-1], True)
    fine = np.flatnonzero(last & (far <= far_target) & (val > 0))
    return (values[fine[-1]], val[fine[-1]], far[fine[-1]]) if fine.size else (0.0 * values[0] - 1, 0, 0)
"""

TORCH_SWEEP = """
def validation_rate(same_distances, different_distances, far_target):
    best = (float("-inf"), 0.0, 0.0)
    for threshold in same_distances.sort().values:
        far = (different_distances <= threshold).double().mean().item()
        if far <= far_target:
            best = (threshold.item(), (same_distances <= threshold).double().mean().item(), far)
    return best
"""

TORCH_TABLE = """
def validation_rate(same_distances, different_distances, far_target):
    tried = torch.cat([same_distances, different_distances]).sort().values
    val = (same_distances[None] <= tried[:, None]).double().mean(dim=1)
    far = (different_distances[None] <= tried[:, None]).double().mean(dim=1)
    val = torch.where(far <= far_target, val, 0.0)
    best = val.argmax()
    return (tried[best], val[best], far[best]) if val[best] > 0 else (torch.tensor(-1.0), val[best], val[best])
"""

TORCH_KTH = """
def validation_rate(same_distances, different_distances, far_target):
    different = different_distances.sort().values
    n = len(different)
    allowed = sum(1 for k in range(1, n + 1) if k / n <= far_target)
    limit = different[allowed] if allowed < n else torch.tensor(float("inf"), dtype=different.dtype)
    inside = same_distances[same_distances < limit]
    if len(inside) == 0:
        return -1.0, 0.0, 0.0
    return inside.max(), len(inside) / len(same_distances), (different <= inside.max()).sum().item() / n
"""

exercise = Exercise(
    title="VAL at a FAR",
    points=3,
    minutes=15,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, section 4, equations 5 to 8",
    kind=Function(
        returns=("threshold", "val", "far"),
        plain=True,
        compare={"threshold": "accepted same_distances different_distances"},
    ),
    hints=[
        "VAL only grows when the threshold passes a same pair. So which distances are worth trying as thresholds?",
        "For a sorted list, a binary search says how many entries are ≤ a threshold. Divide the different pairs' count "
        "by the number of different pairs.",
        "FAR grows with the threshold. Take the largest same distance whose FAR is still allowed, and think of the "
        "case in which there is none.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "40 same and 300 different pairs, FAR 0.01", pairs(40, 300, 0.01)),
        Case("tenth", "25 same and 70 different pairs, FAR 0.1", pairs(25, 70, 0.1, shift=0.4)),
        Case("odd_share", "a target that is no multiple of one pair's share", pairs(30, 90, 0.05, shift=0.3)),
        Case("exact_share", "a target of exactly 29 pairs in 100", pairs(30, 100, 0.29, shift=0.2)),
        Case("none_allowed", "a target below one pair's share", pairs(20, 50, 0.01)),
        Case("everything", "a target of one", pairs(10, 20, 1.0)),
        Case("nothing", "even the closest pair is too much: VAL and FAR are 0", nothing_accepted),
        Case("tied", "exact ties between same and different pairs", tied),
        Case("one_same", "one same pair", pairs(1, 40, 0.1)),
        Case("float32", "float32 input", pairs(15, 60, 0.1, shift=0.3), dtype="float32"),
    ],
    mistakes=[
        Mistake(
            "strictly_below",
            "A pair exactly at the threshold is accepted: the rule is distance ≤ threshold.",
            edit=[
                ('side="right"', 'side="left"'),
                ("np.mean(same <= threshold)", "np.mean(same < threshold)"),
            ],
        ),
        Mistake(
            "ties_not_counted",
            "Different pairs exactly at the threshold were not counted as accepted. The rule is distance ≤ threshold.",
            edit=[('side="right"', 'side="left"')],
        ),
        Mistake(
            "share_of_all_pairs",
            "FAR was divided by the number of all pairs. It is a share of the different pairs alone.",
            edit=[("/ len(different)", "/ (len(different) + len(same))")],
        ),
        Mistake(
            "false_discoveries",
            "This is the share of false ones among the accepted pairs. FAR is a share of the different pairs.",
            edit=[
                (
                    "/ len(different)",
                    '/ (np.searchsorted(different, same, side="right") + np.arange(1, len(same) + 1))',
                )
            ],
        ),
        Mistake(
            "target_not_reached",
            "A FAR of exactly the target is allowed, and was refused.",
            edit=[("far <= far_target", "far < far_target")],
        ),
        Mistake(
            "quantile_of_same_pairs",
            "The threshold was set by the same pairs. The target is about the different ones.",
            edit=[
                (
                    "allowed = np.flatnonzero(far <= far_target)",
                    "allowed = np.flatnonzero(np.arange(1, len(same) + 1) / len(same) <= far_target)",
                )
            ],
        ),
        Mistake(
            "one_too_far",
            "The threshold is one step too large: its FAR exceeds the target.",
            edit=[("last = allowed[-1]", "last = min(allowed[-1] + 1, len(same) - 1)")],
        ),
        Mistake(
            "rejected_share",
            "This is 1 − VAL, the share of same pairs that are rejected.",
            edit=[("np.mean(same <= threshold)", "np.mean(same > threshold)")],
        ),
        Mistake(
            "swapped",
            "VAL and FAR are swapped in the result.",
            edit=[
                (
                    "return threshold, np.mean(same <= threshold), far[last]",
                    "return threshold, far[last], np.mean(same <= threshold)",
                )
            ],
        ),
        Mistake(
            "best_at_any_rate",
            "Where nothing may be accepted the closest same pair was accepted all the same. VAL and FAR are 0 there.",
            edit=[("return -1.0, 0.0, 0.0", "return same[0], 1 / len(same), far[0]")],
        ),
    ],
    also_right=[
        Right("sweep", source=SWEEP, track="from_scratch"),
        Right("bisected", source=BISECTED, track="from_scratch"),
        Right("sorted_together", source=SORTED_TOGETHER, track="from_scratch"),
        Right("sweep", source=TORCH_SWEEP, track="pytorch"),
        Right("table", source=TORCH_TABLE, track="pytorch"),
        Right("limit", source=TORCH_KTH, track="pytorch"),
    ],
)
