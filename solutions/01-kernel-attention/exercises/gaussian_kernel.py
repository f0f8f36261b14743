"""The Gaussian kernel exp(−‖q − k‖² / 2σ²), with σ² given as an argument.

σ² is never 1 and never √D, because either would hide the usual slips.
"""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def points(n_queries, n_keys, dim, sigma2):
    """Return a draw of Gaussian queries (n_queries, dim) and keys (n_keys, dim), with this σ²."""

    def draw(rng):
        return {
            "queries": rng.normal(size=(n_queries, dim)),
            "keys": rng.normal(size=(n_keys, dim)),
            "sigma2": sigma2,
        }

    return draw


def uneven_points(rng):
    """Draw rows whose norms run from short to long, in another order for the keys."""
    queries = rng.normal(size=(5, 6)) * np.linspace(0.1, 2, 5)[:, None]
    keys = rng.normal(size=(8, 6)) * np.linspace(2.2, 0.2, 8)[:, None]
    return {"queries": queries, "keys": keys, "sigma2": 3.3}


def shared_points(rng):
    """Draw queries that are some of the keys, off the diagonal: there the kernel is 1."""
    keys = rng.normal(size=(6, 4))
    return {"queries": keys[[4, 0, 2]], "keys": keys, "sigma2": 1.7}


def whole_points(rng):
    """Draw whole numbers, with a whole σ²."""
    return {
        "queries": rng.integers(-2, 3, size=(4, 3)).astype(np.float64),
        "keys": rng.integers(-2, 3, size=(5, 3)).astype(np.float64),
        "sigma2": 5,
    }


def oracle(queries, keys, sigma2):
    """Multiply one one-dimensional Gaussian per component."""
    rows = [
        [
            math.prod(math.exp(-((a - b) ** 2) / (2.0 * sigma2)) for a, b in zip(q, k, strict=True))
            for k in keys.tolist()
        ]
        for q in queries.tolist()
    ]
    return np.array(rows, dtype=np.float64)


def with_lists(queries, keys, sigma2):
    """Answer with nested lists instead of an array."""
    return [[math.exp(-(math.dist(q, k) ** 2) / 2 / sigma2) for k in keys] for q in queries]


def from_normalised_points(queries, keys, sigma2):
    """Measure in units of σ first, so that the exponent is half a squared distance."""
    left, right = queries / np.sqrt(sigma2), keys / np.sqrt(sigma2)
    halves = (left**2).sum(1)[:, None] / 2 + (right**2).sum(1) / 2 - left @ right.T
    return np.exp(-halves)


NUMPY_POWER = """
def gaussian_kernel(queries, keys, sigma2):
    base = np.exp(-1 / (2 * sigma2))
    return base ** squared_distances(queries, keys)
"""

TORCH_PRODUCT = """
def gaussian_kernel(queries, keys, sigma2):
    queries, keys = as_floats(queries, keys)
    gaussians = torch.exp(-(queries.unsqueeze(1) - keys.unsqueeze(0)) ** 2 / (2 * sigma2))
    return gaussians.prod(dim=-1)
"""

TORCH_CDIST = """
def gaussian_kernel(queries, keys, sigma2):
    queries, keys = as_floats(queries, keys)
    return (-0.5 * (torch.cdist(queries, keys) / sigma2 ** 0.5).pow(2)).exp()
"""

TORCH_FACTORS = """
def gaussian_kernel(queries, keys, sigma2):
    queries, keys = as_floats(queries, keys)
    products = torch.exp(queries @ keys.mT / sigma2)
    left = torch.exp(-queries.norm(dim=1, keepdim=True) ** 2 / (2 * sigma2))
    right = torch.exp(-keys.norm(dim=1) ** 2 / (2 * sigma2))
    return left * products * right
"""

exercise = Exercise(
    title="Gaussian kernel",
    points=1,
    minutes=5,
    difficulty=1,
    source="Rahimi and Recht 2007, Random Features for Large-Scale Kernel Machines, figure 1; "
    "Choromanski et al. 2021, Rethinking Attention with Performers, section 2.2",
    kind=Function(),
    hints=[
        "The kernel is 1 where query and key agree, and falls towards 0 as they part. Which function of the "
        "distance does that?",
        "You already have all squared distances. What is left is a division and an exponential.",
        "The argument is σ², not σ: there is nothing to square. Mind the 2, and that all of 2σ² is a "
        "divisor.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "sizes all different, σ² = 2.7", points(4, 7, 5, 2.7)),
        Case("narrow", "a narrow kernel, σ² = 0.4", points(6, 3, 2, 0.4)),
        Case("wide", "a wide kernel, σ² = 30", points(3, 6, 4, 30.0)),
        Case("one_key", "one key only", points(5, 1, 3, 2.2)),
        Case("one_query", "one query only", points(1, 6, 4, 3.1)),
        Case("one_each", "one query and one key", points(1, 1, 3, 0.7)),
        Case("uneven", "norms that differ from row to row", uneven_points),
        Case("shared", "queries that are also keys", shared_points),
        Case("float32", "float32 input", points(3, 8, 6, 3.6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_points, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", points(7, 3, 4, 2.9), layout="fortran"),
        Case("strided", "every other row of a larger array", points(3, 5, 7, 4.1), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "two_lost",
            "The squared distance is divided by σ² alone. A Gaussian has one more factor there.",
            edit=[("(2 * sigma2)", "sigma2")],
        ),
        Mistake(
            "squared_again",
            "The argument is σ² already; here it was squared once more.",
            edit=[("(2 * sigma2)", "(2 * sigma2**2)")],
        ),
        Mistake(
            "root_taken",
            "The exponent is divided by 2σ. It needs the variance, which is the argument as it comes.",
            edit=[("(2 * sigma2)", "(2 * np.sqrt(sigma2))")],
        ),
        Mistake(
            "only_half_divided",
            "This divides by 2 and then multiplies by σ². All of 2σ² is a divisor.",
            edit=[("/ (2 * sigma2)", "/ 2 * sigma2")],
        ),
        Mistake(
            "sigma_ignored",
            "The result does not depend on sigma2. A narrow kernel and a wide one should differ.",
            edit=[("(2 * sigma2)", "2")],
        ),
        Mistake(
            "own_sigma",
            "This uses σ² = √D whatever is given. That choice comes later: here σ² is an argument.",
            edit=[("(2 * sigma2)", "(2 * np.sqrt(queries.shape[1]))")],
        ),
        Mistake(
            "sign_lost",
            "The exponent is positive, so that far keys count more than near ones.",
            edit=[("-squared_distances", "squared_distances")],
        ),
        Mistake(
            "distance_not_squared",
            "The exponent uses the distance itself. That is a Laplacian kernel; the Gaussian one takes "
            "its square.",
            edit=[("-squared_distances(queries, keys)", "-np.sqrt(squared_distances(queries, keys))")],
        ),
        Mistake(
            "density",
            "This is the normal density. The kernel has no constant in front: it is 1 where query and "
            "key agree.",
            edit=[
                (
                    "return np.exp(",
                    "return (2 * np.pi * sigma2) ** (-queries.shape[1] / 2) * np.exp(",
                )
            ],
        ),
        Mistake(
            "normalised",
            "Each row was divided by its sum. The kernel compares one pair and knows nothing of the "
            "other keys.",
            edit=[
                (
                    "return np.exp(-squared_distances(queries, keys) / (2 * sigma2))",
                    "kernel = np.exp(-squared_distances(queries, keys) / (2 * sigma2))\n"
                    "    return kernel / kernel.sum(axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "no_exponential",
            "This is the exponent. The kernel is still one step away, and lies between 0 and 1.",
            edit=[
                (
                    "np.exp(-squared_distances(queries, keys) / (2 * sigma2))",
                    "-squared_distances(queries, keys) / (2 * sigma2)",
                )
            ],
        ),
        Mistake(
            "detached",
            "The values are right, but gradients no longer reach the queries and keys. "
            "Stay with tensors that autograd follows.",
            edit=[("-squared_distances(queries, keys)", "-squared_distances(queries, keys).detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Keep the dtype of the distances.",
            edit=[("-squared_distances(queries, keys)", "-squared_distances(queries, keys).float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("nested_lists", function=with_lists, track="from_scratch"),
        Right("points_in_units_of_sigma", function=from_normalised_points, track="from_scratch"),
        Right("power_of_a_constant", source=NUMPY_POWER, track="from_scratch"),
        Right("product_of_gaussians", source=TORCH_PRODUCT, track="pytorch"),
        Right("cdist_over_sigma", source=TORCH_CDIST, track="pytorch"),
        Right("three_factors", source=TORCH_FACTORS, track="pytorch"),
    ],
)
