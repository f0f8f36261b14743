"""Easy, semi-hard and hard: the three kinds of negatives, with the borders fixed."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def around(*shape):
    """Return a draw of distances of which all three kinds occur, d_ap and d_an of one shape."""

    def draw(rng):
        d_ap = rng.uniform(0.2, 1.5, size=shape)
        return {"d_ap": d_ap, "d_an": d_ap + rng.uniform(-0.2, 0.6, size=shape), "margin": 0.2}

    return draw


def table(pairs, batch, margin):
    """Return a draw of a column of d_ap against a table of d_an."""

    def draw(rng):
        return {
            "d_ap": rng.uniform(0, 2, size=(pairs, 1)),
            "d_an": rng.uniform(0, 3, size=(pairs, batch)),
            "margin": margin,
        }

    return draw


def crossed(rng):
    """Draw a column against a row."""
    return {"d_ap": rng.uniform(0, 2, size=(4, 1)), "d_an": rng.uniform(0, 3, size=7), "margin": 0.7}


def one_number(rng):
    """Draw one distance against many."""
    return {"d_ap": rng.uniform(0.5, 1), "d_an": rng.uniform(0, 2, size=9), "margin": 0.4}


def borders(rng):
    """Put distances exactly on both borders, in numbers that a float holds exactly."""
    d_ap = rng.integers(1, 9, size=5) / 4
    return {
        "d_ap": d_ap[:, None],
        "d_an": d_ap[:, None] + np.array([-0.25, 0, 0.25, 0.5, 0.75]),
        "margin": 0.5,
    }


def oracle(d_ap, d_an, margin):
    """Decide one pair of distances at a time."""
    positives, negatives = np.broadcast_arrays(d_ap, d_an)
    kinds = []
    for near, far in zip(positives.ravel().tolist(), negatives.ravel().tolist(), strict=True):
        if far <= near:
            kinds.append(2)
        elif far < near + margin:
            kinds.append(1)
        else:
            kinds.append(0)
    return np.array(kinds).reshape(positives.shape)


def by_counting(d_ap, d_an, margin):
    """Count how many of the two borders lie at or above the negative."""
    return (np.asarray(d_an) <= d_ap).astype(int) + (d_an < np.asarray(d_ap) + margin)


def by_select(d_ap, d_an, margin):
    """Choose by a list of conditions."""
    d_ap, d_an = np.broadcast_arrays(d_ap, d_an)
    return np.select([d_an <= d_ap, d_an < d_ap + margin], [2, 1], 0)


def in_lists(d_ap, d_an, margin):
    """Answer with nested lists of ints."""
    return oracle(d_ap, d_an, margin).tolist()


TORCH_COUNT = """
def classify_negatives(d_ap, d_an, margin):
    return (d_an <= d_ap).int() + (d_an < d_ap + margin).int()
"""

TORCH_INDEXED = """
def classify_negatives(d_ap, d_an, margin):
    kinds = torch.ones_like(d_an - d_ap, dtype=torch.uint8)
    kinds[(d_an >= d_ap + margin).expand(kinds.shape)] = 0
    kinds[(d_an <= d_ap).expand(kinds.shape)] = 2
    return kinds
"""

TORCH_FLOATS = """
def classify_negatives(d_ap, d_an, margin):
    two = torch.full_like(d_an - d_ap, 2.0)
    return torch.where(d_an <= d_ap, two, torch.where(d_an < d_ap + margin, two - 1, two - 2)).long()
"""

exercise = Exercise(
    title="Easy, semi-hard, hard",
    points=2,
    minutes=10,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, equation 4 and the sentence after it",
    kind=Function(integer=True),
    hints=[
        "Two borders cut the line of distances in three: d_ap, and d_ap + margin. Which kind lies between them?",
        "Semi-hard is strict at both ends. A negative exactly at d_ap is hard, one exactly at d_ap + margin is easy.",
        "`where` takes a condition and two answers, and the second answer may be another `where`.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "ten pairs of distances", around(10)),
        Case("table", "a column of positives against a table of negatives", table(5, 8, 0.2)),
        Case("large_margin", "a margin of 1.5", table(3, 6, 1.5)),
        Case("crossed", "a column against a row", crossed),
        Case("one_number", "one positive against nine negatives", one_number, tracks=("from_scratch",)),
        Case("borders", "negatives exactly on a border", borders),
        Case("float32", "float32 input", around(4, 6), dtype="float32"),
        Case("strided", "every other entry of a larger array", around(6, 4), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "no_upper_bound",
            "Every negative farther than the positive counts as semi-hard here. FaceNet's equation 4 prints only "
            "this bound; the next sentence adds the other.",
            edit=[("d_an >= d_ap + margin", "d_an == np.inf")],
        ),
        Mistake(
            "hard_and_semi_hard_swapped",
            "Hard and semi-hard are swapped. Hard negatives are nearer than the positive.",
            edit=[("np.where(d_an > d_ap, 1, 2)", "np.where(d_an > d_ap, 2, 1)")],
        ),
        Mistake(
            "easy_and_hard_swapped",
            "Easy and hard are swapped. An easy negative is already farther than the margin asks.",
            edit=[
                ("d_an >= d_ap + margin, 0", "d_an >= d_ap + margin, 2"),
                ("d_an > d_ap, 1, 2", "d_an > d_ap, 1, 0"),
            ],
        ),
        Mistake(
            "margin_on_the_other_side",
            "The band lies below d_ap here. Semi-hard negatives are farther than the positive.",
            edit=[
                ("d_an >= d_ap + margin", "d_an >= d_ap"),
                ("d_an > d_ap, 1, 2", "d_an > d_ap - margin, 1, 2"),
            ],
        ),
        Mistake(
            "tie_with_the_positive",
            "A negative exactly as far as the positive counts as semi-hard here. It violates the order: it is hard.",
            edit=[("d_an > d_ap, 1, 2", "d_an >= d_ap, 1, 2")],
        ),
        Mistake(
            "tie_with_the_margin",
            "A negative exactly at d_ap + margin counts as semi-hard here. Its loss is zero: it is easy.",
            edit=[("d_an >= d_ap + margin", "d_an > d_ap + margin")],
        ),
        Mistake(
            "margin_squared",
            "The margin was squared. Distances are squared already, and the margin is on them as they are.",
            edit=[("d_ap + margin", "d_ap + margin**2")],
        ),
        Mistake(
            "no_margin",
            "There is no band at all: the margin was left out.",
            edit=[("d_ap + margin", "d_ap")],
        ),
        Mistake(
            "rooted",
            "Roots were taken before comparing. The distances are squared, and so is what the margin refers to.",
            edit=[("d_an >= d_ap + margin", "np.sqrt(d_an) >= np.sqrt(d_ap) + margin")],
        ),
    ],
    also_right=[
        Right("by_counting", function=by_counting, track="from_scratch"),
        Right("by_select", function=by_select, track="from_scratch"),
        Right("in_lists", function=in_lists, track="from_scratch"),
        Right("count_of_borders", source=TORCH_COUNT, track="pytorch"),
        Right("indexed", source=TORCH_INDEXED, track="pytorch"),
        Right("through_floats", source=TORCH_FLOATS, track="pytorch"),
    ],
)
