"""Scalar multiplications of the matrix products of softmax and of random-feature attention."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def sizes(n, d, m, r):
    """Return these sizes as a case's arguments."""
    return lambda rng: {"n": n, "d": d, "m": m, "r": r}


def random_sizes(rng):
    """Draw four sizes that are all different."""
    n, d, m, r = (int(size) for size in rng.choice(np.arange(3, 400), size=4, replace=False))
    return {"n": n, "d": d, "m": m, "r": r}


def oracle(n, d, m, r):
    """List the shapes of all matrix products and count a·b·c for each (a, b) by (b, c)."""
    softmax = [(n, d, n), (n, n, m)]
    features = [(n, d, r), (n, d, r), (2 * r, n, m), (n, 2 * r, m), (n, 2 * r, 1)]
    return tuple(sum(a * b * c for a, b, c in products) for products in (softmax, features))


def one_product_at_a_time(n, d, m, r):
    """Add the products up with their names, and answer with a list."""
    scores, mixing = n * n * d, n * n * m
    angles, table, reading, normaliser = n * r * d, 2 * r * n * m, n * 2 * r * m, n * 2 * r
    return [scores + mixing, 2 * angles + table + reading + normaliser]


def with_numpy_integers(n, d, m, r):
    """Count with NumPy's whole numbers."""
    length, width = np.int64(n), np.int64(2 * r)
    return length**2 * (d + m), length * width * (d + 2 * m + 1)


def per_position(n, d, m, r):
    """Count one position and repeat it n times."""
    each = 2 * r * (d + 1) + 4 * r * m
    return sum([n * (d + m)] * n), sum([each] * n)


RANDOM = "2 * n * r * d + 4 * n * r * m + 2 * n * r"

exercise = Exercise(
    title="Counting multiplications",
    points=2,
    minutes=10,
    difficulty=1,
    source="Peng et al. 2021, Random Feature Attention, section 3.1; Katharopoulos et al. 2020, section 3.2.1",
    kind=Function(returns=("softmax", "random_features"), integer=True, plain=True),
    hints=[
        "A product of an (a, b) matrix with a (b, c) matrix takes a·b·c multiplications.",
        "There are C = 2R features. Which of the products see R columns, which see 2R?",
        "Random features need five products: angles of Q, angles of K, keys with values, queries with that table, "
        "queries with the sum.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "sizes all different", sizes(7, 5, 3, 4)),
        Case("random", "random sizes", random_sizes),
        Case("one_position", "one position", sizes(1, 6, 2, 9)),
        Case("one_frequency", "one frequency", sizes(11, 4, 7, 1)),
        Case("one_value", "values with one column", sizes(5, 8, 1, 3)),
        Case("usual", "a usual head: 4096 positions, D = M = 64, R = 128", sizes(4096, 64, 64, 128)),
        Case("book", "a million positions", sizes(1_000_000, 128, 256, 512)),
    ],
    mistakes=[
        Mistake(
            "features_not_doubled",
            "Each frequency gives a sine and a cosine, so the products with features see 2R columns.",
            edit=[(RANDOM, "2 * n * r * d + 2 * n * r * m + n * r")],
        ),
        Mistake(
            "angles_doubled",
            "Sine and cosine share one angle: the products Wx see R columns, not 2R.",
            edit=[("2 * n * r * d", "4 * n * r * d")],
        ),
        Mistake(
            "angles_once",
            "The angles were counted for the queries or the keys alone. Both need them.",
            edit=[("2 * n * r * d", "n * r * d")],
        ),
        Mistake(
            "angles_forgotten",
            "The products Wx are missing. Features have to be computed before they can be used.",
            edit=[("2 * n * r * d + ", "")],
        ),
        Mistake(
            "table_forgotten",
            "Only one product with the values was counted. There are two: keys with values, and queries with "
            "the table that this makes.",
            edit=[("4 * n * r * m", "2 * n * r * m")],
        ),
        Mistake(
            "normaliser_forgotten",
            "The denominator is missing: the product of the queries' features with the sum of the keys'.",
            edit=[(" + 2 * n * r\n", "\n")],
        ),
        Mistake(
            "normaliser_with_values",
            "The denominator is one number for each position. It does not meet the M columns of the values.",
            edit=[(" + 2 * n * r\n", " + 2 * n * r * m\n")],
        ),
        Mistake(
            "operations_doubled",
            "Additions were counted as well. Here only multiplications count.",
            edit=[("n**2 * (d + m)", "2 * n**2 * (d + m)"), (RANDOM, f"2 * ({RANDOM})")],
        ),
        Mistake(
            "quadratic_term_kept",
            "The random features still have a term in n². Nothing there compares all pairs.",
            edit=[(RANDOM, f"{RANDOM} + n**2")],
        ),
        Mistake(
            "larger_of_two",
            "Softmax makes two products, one with D and one with M. Their costs add up.",
            edit=[("(d + m)", "max(d, m)")],
        ),
        Mistake(
            "causal_half",
            "Softmax was counted for half of the pairs. Without a mask all n² are needed.",
            edit=[("n**2 * (d + m)", "n * (n + 1) // 2 * (d + m)")],
        ),
        Mistake(
            "floats",
            "The counts are floats. Whole numbers are asked for: Python's are exact whatever their size.",
            edit=[("return softmax, random_features", "return float(softmax), float(random_features)")],
            breaks="type",
        ),
        Mistake(
            "order_swapped",
            "The two counts have changed places: softmax comes first.",
            edit=[("return softmax, random_features", "return random_features, softmax")],
        ),
    ],
    also_right=[
        Right("one_product_at_a_time", function=one_product_at_a_time),
        Right("numpy_integers", function=with_numpy_integers),
        Right("position_by_position", function=per_position),
    ],
)
