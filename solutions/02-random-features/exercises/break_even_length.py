"""The sequence length from which random features need no more multiplications than softmax."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def sizes(d, m, r):
    """Return these sizes as a case's arguments."""
    return lambda rng: {"d": d, "m": m, "r": r}


def random_sizes(rng):
    """Draw three sizes that are all different."""
    d, m, r = (int(size) for size in rng.choice(np.arange(3, 200), size=3, replace=False))
    return {"d": d, "m": m, "r": r}


def oracle(d, m, r):
    """Try one length after another, counting the products of both sides."""
    n = 1
    while n * n * d + n * n * m < 2 * (n * r * d) + 2 * (n * 2 * r * m) + n * 2 * r:
        n += 1
    return n


def by_bisection(d, m, r):
    """Halve an interval that holds the answer, with the counts of the exercise before."""
    low, high = 0, 10**9
    while high - low > 1:
        middle = (low + high) // 2
        softmax, random_features = attention_counts(middle, d, m, r)
        low, high = (low, middle) if random_features <= softmax else (middle, high)
    return high


def attention_counts(n, d, m, r):
    """Return both counts for one length."""
    return n * n * (d + m), 2 * n * r * (d + 2 * m + 1)


def with_fractions(d, m, r):
    """Round an exact fraction up."""
    return max(1, math.ceil(Fraction(r * (2 * d + 4 * m + 2), d + m)))


def with_remainder(d, m, r):
    """Divide with remainder and go up unless there is none; the answer is a NumPy integer."""
    whole, rest = divmod(r * (2 * d + 4 * m + 2), d + m)
    return np.int64(whole + (rest > 0))


ROUNDED_UP = "-(-linear // (d + m))"

exercise = Exercise(
    title="Where random features break even",
    points=1,
    minutes=5,
    difficulty=1,
    source="From the counts of the exercise before; Peng et al. 2021, Random Feature Attention, section 3.1",
    kind=Function(returns=("length",), integer=True, plain=True),
    hints=[
        "Write both counts down as an inequality in n, and divide both sides by n.",
        "The smallest whole number that is not below a fraction is that fraction rounded up.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "sizes all different", sizes(5, 3, 4)),
        Case("random", "random sizes", random_sizes),
        Case("even", "a length at which both counts are equal", sizes(4, 4, 8)),
        Case("usual", "a usual head, D = M = 64, R = 128", sizes(64, 64, 128)),
        Case("one", "all sizes one", sizes(1, 1, 1)),
        Case("narrow_values", "values with one column", sizes(100, 1, 7)),
        Case("wide_values", "values wider than keys", sizes(2, 300, 11)),
    ],
    mistakes=[
        Mistake(
            "rounded_down",
            "This length is just too short: there random features still need more. Round up.",
            edit=[(ROUNDED_UP, "linear // (d + m)")],
        ),
        Mistake(
            "equal_not_enough",
            "Where both counts are equal random features need no more. That length counts.",
            edit=[(ROUNDED_UP, "linear // (d + m) + 1")],
        ),
        Mistake(
            "rounded_to_nearest",
            "The fraction was rounded to the nearest whole number. The answer must not lie below it.",
            edit=[(ROUNDED_UP, "round(linear / (d + m))")],
        ),
        Mistake(
            "features_not_doubled",
            "Each frequency gives a sine and a cosine, so the products with features see 2R columns.",
            edit=[("2 * r * d + 4 * r * m + 2 * r", "2 * r * d + 2 * r * m + r")],
        ),
        Mistake(
            "angles_forgotten",
            "The products Wx are missing from the count.",
            edit=[("2 * r * d + 4 * r * m + 2 * r", "4 * r * m + 2 * r")],
        ),
        Mistake(
            "normaliser_forgotten",
            "The denominators are missing from the count. With small D and M they decide.",
            edit=[(" + 2 * r\n", "\n")],
        ),
        Mistake(
            "as_many_as_features",
            "This is the number of features. Each position also pays for its angles and both products with values.",
            edit=[(ROUNDED_UP, "2 * r")],
        ),
        Mistake(
            "three_times_r",
            "3R is a good rule where D = M, but not the count itself.",
            edit=[(ROUNDED_UP, "3 * r")],
        ),
        Mistake(
            "float",
            "The length is a float. A whole number is asked for.",
            edit=[(ROUNDED_UP, "np.ceil(linear / (d + m))")],
            track="from_scratch",
            breaks="type",
        ),
    ],
    also_right=[
        Right("bisection", function=by_bisection),
        Right("fractions", function=with_fractions),
        Right("remainder", function=with_remainder),
    ],
)
