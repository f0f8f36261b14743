"""Features whose inner product is the squared dot product, compared through their Gram matrix."""

from __future__ import annotations

import itertools

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def rows(count, dim):
    """Return a draw of Gaussian rows (count, dim)."""
    return lambda rng: {"x": rng.normal(size=(count, dim))}


def uneven_rows(rng):
    """Draw rows whose norms run from short to long."""
    return {"x": rng.normal(size=(6, 4)) * np.geomspace(0.05, 5, 6)[:, None]}


def one_hot_rows(rng):
    """Draw rows with a single component, where all products of two different ones vanish."""
    return {"x": np.diag(rng.uniform(0.5, 2, size=4))}


def whole_rows(rng):
    """Draw whole numbers."""
    return {"x": rng.integers(-3, 4, size=(5, 3)).astype(np.float64)}


def oracle(x):
    """Write down all D² ordered products, one after another."""
    dim = x.shape[1]
    return np.array([[row[i] * row[j] for i in range(dim) for j in range(dim)] for row in x.tolist()])


def outer_products(x):
    """Flatten the outer product of each row with itself."""
    x = np.asarray(x, dtype=np.float64)
    return (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)


def by_combinations(x):
    """Answer with nested lists, in another order and with some signs flipped."""
    dim = len(x[0])
    pairs = list(itertools.combinations_with_replacement(reversed(range(dim)), 2))
    return [[(-1) ** i * (1 if i == j else 2**0.5) * row[i] * row[j] for i, j in pairs] for row in x.tolist()]


def with_empty_columns(x):
    """Weigh the full square of products, so that half of its columns are zero."""
    dim = x.shape[1]
    weights = np.triu(np.full((dim, dim), np.sqrt(2))) - (np.sqrt(2) - 1) * np.eye(dim)
    return np.einsum("ni,nj,ij->nij", x, x, weights).reshape(-1, dim * dim)


TORCH_OUTER = """
def quadratic_features(x):
    (x,) = as_floats(x)
    return torch.einsum("ni,nj->nij", x, x).flatten(1)
"""

TORCH_COMBINATIONS = """
def quadratic_features(x):
    (x,) = as_floats(x)
    pairs = torch.combinations(torch.arange(x.shape[1]), 2, with_replacement=True)
    columns = [x[:, i] * x[:, j] * (1 if i == j else math.sqrt(2)) for i, j in pairs.tolist()]
    return torch.stack(columns, dim=-1)
"""

TORCH_HALVES = """
def quadratic_features(x):
    (x,) = as_floats(x)
    full = x.unsqueeze(2) * x.unsqueeze(1)
    above = full.triu(1).flatten(1)
    return torch.hstack([-above, above, torch.diagonal(full, dim1=1, dim2=2)])
"""

exercise = Exercise(
    title="Features of the squared dot product",
    points=2,
    minutes=10,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, section 3.2.1 (polynomial attention)",
    kind=Function(returns=("features",), compare="gram"),
    hints=[
        "Multiply (q₁k₁ + q₂k₂)² out. Sort every term into something of q times the same thing of k.",
        "The mixed term 2·q₁q₂k₁k₂ occurs once for each pair. How does its 2 share itself fairly between "
        "φ(q) and φ(k)?",
        "One column for each square, one for each pair i < j. Only the pairs carry a factor. All D² ordered "
        "products, without any factor, do as well.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "seven rows of five components", rows(7, 5)),
        Case("one_row", "one row only", rows(1, 4)),
        Case("one_component", "one component only", rows(5, 1)),
        Case("two_components", "two components, so one pair", rows(6, 2)),
        Case("uneven", "norms that differ from row to row", uneven_rows, gradients=False),
        Case("one_hot", "rows with one component that is not zero", one_hot_rows),
        Case("wide", "more components than rows", rows(3, 12), gradients=False),
        Case("float32", "float32 input", rows(4, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_rows, dtype="int64", gradients=False),
        Case("fortran", "an array in column order", rows(4, 3), layout="fortran"),
        Case("strided", "every other column of a larger array", rows(5, 4), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "pairs_count_once",
            "The squares are right, but the mixed products count too little. Each pair occurs twice in the "
            "square of a sum.",
            edit=[("np.sqrt(2) * x[:, i]", "x[:, i]")],
        ),
        Mistake(
            "pairs_count_four_times",
            "The mixed products count twice as much as they should. The inner product multiplies two "
            "features, so a factor counts twice; and both orders of a pair need no factor at all.",
            edit=[("np.sqrt(2) * x[:, i]", "2 * x[:, i]")],
        ),
        Mistake(
            "squares_only",
            "Only the squares are there. The square of a sum has mixed terms as well.",
            edit=[("np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j]])", "x**2")],
        ),
        Mistake(
            "pairs_only",
            "Only the mixed products are there. The square of a sum starts with the squares.",
            edit=[
                (
                    "np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j]])",
                    "np.sqrt(2) * x[:, i] * x[:, j]",
                )
            ],
        ),
        Mistake(
            "squares_weighted_too",
            "The squares carry the pairs' factor as well. Each square occurs once.",
            edit=[("x**2", "np.sqrt(2) * x**2")],
        ),
        Mistake(
            "ordered_pairs_weighted",
            "Both orders of each pair are there, and each carries a factor. One or the other is enough.",
            edit=[
                (
                    "np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j]])",
                    "np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j], np.sqrt(2) * x[:, j] * x[:, i]])",
                )
            ],
            same_as="pairs_count_four_times",
        ),
        Mistake(
            "ordered_pairs_with_double_diagonal",
            "The squares are there twice. In the square of a sum each occurs once.",
            edit=[
                (
                    "np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j]])",
                    "np.hstack([x**2, x**2, np.sqrt(2) * x[:, i] * x[:, j]])",
                )
            ],
            same_as="squares_weighted_too",
        ),
        Mistake(
            "constant_added",
            "These are features of q·k squared, plus one: a constant column has slipped in.",
            edit=[("np.hstack([x**2,", "np.hstack([np.ones((len(x), 1)), x**2,")],
        ),
        Mistake(
            "inhomogeneous",
            "These are features of (1 + q·k)². Here the kernel is (q·k)², without the one.",
            edit=[("np.hstack([x**2,", "np.hstack([np.ones((len(x), 1)), np.sqrt(2) * x, x**2,")],
        ),
        Mistake(
            "components_not_squared",
            "The first columns are the components themselves. The kernel needs their squares.",
            edit=[("x**2", "x")],
        ),
        Mistake(
            "scaled_by_dimension",
            "The features are divided by something that depends on D. Here the kernel has no scale.",
            edit=[("np.hstack([x**2, np.sqrt(2)", "x.shape[1] ** -0.5 * np.hstack([x**2, np.sqrt(2)")],
        ),
        Mistake(
            "detached",
            "The values are right, but no gradient reaches x. Stay with tensors that autograd follows.",
            edit=[("(x,) = as_floats(x)", "(x,) = as_floats(x.detach())")],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[("(x,) = as_floats(x)", "x = x.float()")],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("outer_products", function=outer_products, track="from_scratch"),
        Right("combinations", function=by_combinations, track="from_scratch"),
        Right("empty_columns", function=with_empty_columns, track="from_scratch"),
        Right("einsum", source=TORCH_OUTER, track="pytorch"),
        Right("tensor_combinations", source=TORCH_COMBINATIONS, track="pytorch"),
        Right("two_halves", source=TORCH_HALVES, track="pytorch"),
    ],
)
