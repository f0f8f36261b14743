"""The state of causal linear attention at every position, all of it at once."""

from __future__ import annotations

import itertools

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Property, Right


def sequence(length, width, depth):
    """Return a draw of positive key features (length, width) and values (length, depth)."""

    def draw(rng):
        return {
            "key_features": np.exp(0.7 * rng.normal(size=(length, width))),
            "values": 1 + rng.normal(size=(length, depth)),
        }

    return draw


def whole_sequence(rng):
    """Draw counts as features and whole values."""
    return {
        "key_features": rng.integers(1, 5, size=(6, 3)).astype(np.float64),
        "values": rng.integers(-3, 4, size=(6, 2)).astype(np.float64),
    }


def oracle(key_features, values):
    """Add up each entry of S and Z with a loop of its own."""
    (length, width), depth = key_features.shape, values.shape[1]
    S, Z = np.zeros((length, width, depth)), np.zeros((length, width))
    for i, c in itertools.product(range(length), range(width)):
        for earlier in range(i + 1):
            Z[i, c] += key_features[earlier, c]
            for m in range(depth):
                S[i, c, m] += key_features[earlier, c] * values[earlier, m]
    return S, Z


def running(key_features, values):
    """Carry S and Z along and keep a copy of each; the answer is a list of two lists."""
    S = Z = 0
    all_s, all_z = [], []
    for key, value in zip(key_features, values, strict=True):
        S, Z = S + np.multiply.outer(key, value), Z + key
        all_s.append(S)
        all_z.append(Z)
    return [all_s, all_z]


def with_triangle(key_features, values):
    """Sum with a triangle of ones."""
    lower = np.tri(len(values))
    return np.einsum("ij,jc,jm->icm", lower, key_features, values), lower @ key_features


def with_ones_column(key_features, values):
    """Let a column of ones among the values become Z."""
    wide = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    both = np.add.accumulate(np.einsum("nc,nm->ncm", key_features, wide))
    return both[..., :-1], both[..., -1]


TORCH_RUNNING = """
def prefix_sums(key_features, values):
    key_features, values = as_floats(key_features, values)
    S, Z, all_s, all_z = 0.0, 0.0, [], []
    for k, v in zip(key_features.unbind(0), values.unbind(0)):
        S, Z = S + torch.outer(k, v), Z + k
        all_s.append(S)
        all_z.append(Z)
    return torch.stack(all_s), torch.stack(all_z)
"""

TORCH_TRIANGLE = """
def prefix_sums(key_features, values):
    key_features, values = as_floats(key_features, values)
    seen = torch.ones_like(key_features[:, :1]) * torch.ones_like(key_features[:, 0])
    lower = seen.tril()
    return torch.einsum("ij,jc,jm->icm", lower, key_features, values), lower @ key_features
"""

TORCH_ONES = """
def prefix_sums(key_features, values):
    key_features, values = as_floats(key_features, values)
    both = torch.einsum("nc,nm->ncm", key_features, F.pad(values, (0, 1), value=1.0)).cumsum(0)
    return both[:, :, :-1], both[:, :, -1]
"""

exercise = Exercise(
    title="All states at once",
    points=2,
    minutes=10,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 10 and 11",
    kind=Function(returns=("S", "Z")),
    hints=[
        "What does one position alone add to S, and of what shape is it?",
        "An outer product for every position is a product of two arrays that were given a new axis each.",
        "Once the products stand in an array (N, C, M), a cumulative sum along the first axis does the rest.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "three sizes, all different", sequence(6, 3, 4)),
        Case("square", "as many features as value columns", sequence(5, 3, 3)),
        Case("cube", "all three sizes the same", sequence(4, 4, 4), gradients=False),
        Case("one", "one position only", sequence(1, 3, 2), gradients=False),
        Case("one_feature", "one feature only", sequence(5, 1, 3), gradients=False),
        Case("float32", "float32 input", sequence(8, 5, 2), dtype="float32"),
        Case("integers", "whole numbers as input", whole_sequence, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", sequence(6, 3, 4), layout="fortran", gradients=False),
        Case("strided", "every other column of a larger array", sequence(5, 4, 2), layout="strided"),
    ],
    properties=(
        Property("causal", of=("key_features", "values")),
        Property("prefix", of=("key_features", "values")),
    ),
    mistakes=[
        Mistake(
            "own_position_left_out",
            "The sums stop before the position itself. They include it: j ≤ i.",
            edit=[
                (
                    "return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)",
                    "return np.cumsum(products, axis=0) - products, np.cumsum(key_features, axis=0) - key_features",
                )
            ],
        ),
        Mistake(
            "not_summed",
            "Each S_i holds its own position alone. It is the sum over all positions up to i.",
            edit=[
                (
                    "return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)",
                    "return products, key_features",
                )
            ],
        ),
        Mistake(
            "total_everywhere",
            "Every position got the sum over the whole sequence, and so the future.",
            edit=[
                (
                    "return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)",
                    "return 0 * products + products.sum(axis=0), 0 * key_features + key_features.sum(axis=0)",
                )
            ],
        ),
        Mistake(
            "summed_from_the_end",
            "The sums run from the end of the sequence. Position i sees what came before it.",
            edit=[
                (
                    "return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)",
                    "return np.cumsum(products[::-1], axis=0)[::-1], np.cumsum(key_features[::-1], axis=0)[::-1]",
                )
            ],
        ),
        Mistake(
            "summed_over_features",
            "S was summed along the features. Positions are the first axis.",
            edit=[("np.cumsum(products, axis=0)", "np.cumsum(products, axis=1)")],
        ),
        Mistake(
            "z_summed_over_features",
            "Z was summed along the features. Positions are the first axis.",
            edit=[("np.cumsum(key_features, axis=0)", "np.cumsum(key_features, axis=1)")],
        ),
        Mistake(
            "product_of_sums",
            "S is the product of two sums. It should be the sum of products: each value stays with its own key.",
            edit=[
                (
                    "products = key_features[:, :, None] * values[:, None, :]",
                    "products = np.diff(np.cumsum(key_features, axis=0)[:, :, None] * "
                    "np.cumsum(values, axis=0)[:, None, :], axis=0, prepend=0)",
                )
            ],
        ),
        Mistake(
            "averaged",
            "The sums were divided by the number of positions. S and Z are plain sums.",
            edit=[
                (
                    "return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)",
                    "count = np.arange(1, len(values) + 1)[:, None]\n"
                    "    return np.cumsum(products, axis=0) / count[:, :, None], np.cumsum(key_features, axis=0) / count",
                )
            ],
        ),
        Mistake(
            "transposed",
            "Each S_i came out as (M, C). Features are the rows of S_i, values its columns.",
            edit=[
                (
                    "key_features[:, :, None] * values[:, None, :]",
                    "key_features[:, None, :] * values[:, :, None]",
                )
            ],
        ),
        Mistake(
            "z_starts_at_one",
            "Z has one too many in every entry. The sum over no positions is zero.",
            edit=[("np.cumsum(key_features, axis=0)", "1 + np.cumsum(key_features, axis=0)")],
        ),
        Mistake(
            "summed_in_place",
            "The caller's key features were changed. Sum into a new array.",
            edit=[("np.cumsum(key_features, axis=0)", "np.cumsum(key_features, axis=0, out=key_features)")],
            breaks="changes_arguments",
        ),
        Mistake(
            "values_detached",
            "The numbers are right, but no gradient reaches the values.",
            edit=[("values[:, None, :]", "values[:, None, :].detach()")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "through_numpy",
            "NumPy did the sums, and autograd could not follow. torch has a cumulative sum of its own.",
            edit=[("products.cumsum(dim=0)", "torch.from_numpy(products.detach().numpy().cumsum(0))")],
            track="pytorch",
            breaks="autograd",
        ),
    ],
    also_right=[
        Right("running", function=running, track="from_scratch"),
        Right("triangle_of_ones", function=with_triangle, track="from_scratch"),
        Right("column_of_ones", function=with_ones_column, track="from_scratch"),
        Right("running_in_torch", source=TORCH_RUNNING, track="pytorch"),
        Right("triangle_in_torch", source=TORCH_TRIANGLE, track="pytorch"),
        Right("column_of_ones_in_torch", source=TORCH_ONES, track="pytorch"),
    ],
)
