"""Positive random features, whose inner product estimates exp(q·k/σ²) itself."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def rows(count, dim, num_frequencies, sigma2, stretch=1.0):
    """Return a draw of rows (count, dim), frequencies (num_frequencies, dim) and this σ²."""

    def draw(rng):
        return {
            "x": stretch * rng.normal(size=(count, dim)),
            "frequencies": rng.normal(size=(num_frequencies, dim)) / math.sqrt(sigma2),
            "sigma2": sigma2,
        }

    return draw


def uneven_rows(rng):
    """Draw rows whose norms run from short to long."""
    made = rows(6, 4, 3, 2.5)(rng)
    return {**made, "x": made["x"] * np.geomspace(0.1, 1.8, 6)[:, None]}


def whole_rows(rng):
    """Draw whole numbers, σ² among them."""
    x = rng.integers(-2, 3, size=(4, 3)).astype(np.float64)
    return {"x": x, "frequencies": rng.integers(-1, 2, size=(5, 3)).astype(np.float64), "sigma2": 3}


def oracle(x, frequencies, sigma2):
    """Complete the square: exp(‖w‖²σ²/2) times a Gaussian bump of width σ around σ²w, pair by pair."""
    features = np.empty((len(x), len(frequencies)))
    for n, row in enumerate(x.tolist()):
        for r, frequency in enumerate(frequencies.tolist()):
            centre = [sigma2 * w for w in frequency]
            bump = -(math.dist(row, centre) ** 2) / sigma2 / 2
            lift = math.fsum(w * w for w in frequency) * sigma2 / 2
            features[n, r] = math.exp(bump + lift) / math.sqrt(len(frequencies))
    return features


def with_logarithms(x, frequencies, sigma2):
    """Gather everything in the exponent, the scale too."""
    half_squares = np.linalg.norm(x, axis=1, keepdims=True) ** 2 / (2 * sigma2)
    exponents = np.einsum("nd,rd->nr", x, frequencies) - half_squares - 0.5 * np.log(frequencies.shape[0])
    return np.exp(exponents)


def other_column_order(x, frequencies, sigma2):
    """Answer with nested lists, the last frequency first."""
    scale = len(frequencies) ** 0.5
    lengths = [math.hypot(*row) for row in x]
    return [
        [math.exp(float(np.dot(w, row)) - length * length / 2 / sigma2) / scale for w in frequencies[::-1]]
        for row, length in zip(x, lengths, strict=True)
    ]


def as_a_product(x, frequencies, sigma2):
    """Multiply two exponentials, one for each term."""
    left = np.exp(np.dot(frequencies, x.T)).T
    right = np.exp(-0.5 * np.diag(x @ x.T) / sigma2)
    return left * right[:, None] * np.reciprocal(np.sqrt(len(frequencies)))


TORCH_SQUARE = """
def positive_random_features(x, frequencies, sigma2):
    x, frequencies = as_floats(x, frequencies)
    gaps = (x[:, None, :] - sigma2 * frequencies[None, :, :]).square().sum(-1)
    lift = sigma2 / 2 * frequencies.square().sum(-1)
    return torch.exp(lift - gaps / (2 * sigma2)) * len(frequencies) ** -0.5
"""

TORCH_SPLIT = """
def positive_random_features(x, frequencies, sigma2):
    x, frequencies = as_floats(x, frequencies)
    root = math.sqrt(sigma2)
    y, standard = x / root, frequencies * root
    norms = torch.linalg.vector_norm(y, dim=1, keepdim=True).square()
    return torch.exp(torch.addmm(-norms / 2, y, standard.T)) / math.sqrt(standard.shape[0])
"""

TORCH_LOG = """
def positive_random_features(x, frequencies, sigma2):
    x, frequencies = as_floats(x, frequencies)
    count = frequencies.new_tensor(frequencies.shape[0])
    exponents = torch.nn.functional.linear(x, frequencies) - torch.einsum("nd,nd->n", x, x)[:, None] / 2 / sigma2
    return torch.exp(exponents - count.log() / 2)
"""

exercise = Exercise(
    title="Positive random features",
    points=3,
    minutes=15,
    difficulty=2,
    source="Choromanski et al. 2021, Rethinking Attention with Performers, lemma 1 and section 2.3",
    kind=Function(returns=("features",), compare="columns", at_least=0.0),
    hints=[
        "The exponent has two terms: one for each pair of row and frequency, one for each row alone.",
        "The first is a matrix product. The second is a column of squared norms that broadcasts.",
        "Only the norm is divided by 2σ². The width is already in the frequencies, so w·x stays as it is.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "sizes all different, σ² = 2.3", rows(4, 3, 5, 2.3)),
        Case("one_row", "one row only", rows(1, 4, 6, 2.0)),
        Case("one_frequency", "one frequency only", rows(5, 3, 1, 1.7)),
        Case("one_dim", "one dimension", rows(6, 1, 4, 0.8)),
        Case("more_dims", "more dimensions than frequencies", rows(3, 7, 2, 4.0, 0.7)),
        Case("narrow", "a narrow kernel, σ² = 0.3", rows(4, 3, 6, 0.3, 0.4)),
        Case(
            "square", "as many frequencies as dimensions, where a wrong axis still fits", rows(3, 4, 4, 2.0)
        ),
        Case("uneven", "norms that differ from row to row", uneven_rows),
        Case("float32", "float32 input", rows(3, 4, 6, 2.0), dtype="float32"),
        Case("integers", "whole numbers as input", whole_rows, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", rows(5, 3, 4, 2.0), layout="fortran"),
        Case("strided", "every other column of a larger array", rows(4, 3, 6, 2.0), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "norm_added",
            "The norm has the wrong sign. It has to take back what the mean of exp(w·x) adds.",
            edit=[("angles - half_squares", "angles + half_squares")],
        ),
        Mistake(
            "half_lost",
            "The squared norm is not halved. The mean of exp(w·x) is exp(‖x‖²/2σ²), with the 2.",
            edit=[("(2 * sigma2)", "sigma2")],
        ),
        Mistake(
            "sigma2_lost",
            "The squared norm is not divided by σ². Only for a width of one would that be right.",
            edit=[("(2 * sigma2)", "2")],
        ),
        Mistake(
            "sigma_for_sigma2",
            "The squared norm is divided by 2σ. The argument is σ² already: no root is needed.",
            edit=[("(2 * sigma2)", "(2 * np.sqrt(sigma2))")],
        ),
        Mistake(
            "sigma2_squared",
            "The squared norm is divided by 2σ⁴. The argument is σ² already.",
            edit=[("(2 * sigma2)", "(2 * sigma2**2)")],
        ),
        Mistake(
            "norm_forgotten",
            "The norm is missing. Without it the mean inner product grows with the lengths of both rows.",
            edit=[("angles - half_squares", "angles")],
        ),
        Mistake(
            "norm_not_squared",
            "The exponent has the norm where its square belongs.",
            edit=[("np.sum(x**2, axis=1, keepdims=True)", "np.linalg.norm(x, axis=1, keepdims=True)")],
        ),
        Mistake(
            "scaled_again",
            "The rows were divided by σ before they met the frequencies. These were drawn for that σ already.",
            edit=[("x @ frequencies.T", "x @ frequencies.T / np.sqrt(sigma2)")],
        ),
        Mistake(
            "not_scaled",
            "The scale is missing: the inner product should be a mean over the frequencies, not a sum.",
            edit=[(" / np.sqrt(len(frequencies))", "")],
        ),
        Mistake(
            "divided_by_count",
            "The features are divided by R. Their inner product multiplies two of them, so R counts twice.",
            edit=[("np.sqrt(len(frequencies))", "len(frequencies)")],
        ),
        Mistake(
            "divided_by_twice_the_count",
            "The features are divided by √(2R). Here there is one feature for each frequency.",
            edit=[("np.sqrt(len(frequencies))", "np.sqrt(2 * len(frequencies))")],
        ),
        Mistake(
            "lowered_by_maximum",
            "Each row was divided by its largest feature. That may be done to queries, where it cancels, "
            "but it is not this feature.",
            edit=[
                (
                    "np.exp(angles - half_squares)",
                    "np.exp(angles - half_squares - np.max(angles - half_squares, axis=1, keepdims=True))",
                )
            ],
        ),
        Mistake(
            "epsilon_added",
            "A constant was added to the features. They are positive without it.",
            edit=[
                (
                    "np.exp(angles - half_squares) / np.sqrt",
                    "(np.exp(angles - half_squares) + 1e-2) / np.sqrt",
                )
            ],
        ),
        Mistake(
            "cosine_inside",
            "The exponential was taken of a cosine. Here the exponential replaces sine and cosine.",
            edit=[("np.exp(angles", "np.exp(np.cos(angles)")],
        ),
        Mistake(
            "cosine_kept",
            "The cosine was kept, so that features can be negative. The exponential replaces it.",
            edit=[("np.exp(angles - half_squares)", "np.cos(angles) * np.exp(-half_squares)")],
        ),
        Mistake(
            "detached",
            "The values are right, but no gradient reaches x. Stay with tensors that autograd follows.",
            edit=[
                (
                    "x, frequencies = as_floats(x, frequencies)",
                    "x, frequencies = as_floats(x.detach(), frequencies)",
                )
            ],
            track="pytorch",
            breaks="autograd",
        ),
        Mistake(
            "norm_detached",
            "A gradient arrives, but the wrong one: the norm was cut off, and it depends on x too.",
            edit=[("x.square()", "x.detach().square()")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "x, frequencies = as_floats(x, frequencies)",
                    "x, frequencies = x.float(), frequencies.float()",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("with_logarithms", function=with_logarithms, track="from_scratch"),
        Right("other_column_order", function=other_column_order, track="from_scratch"),
        Right("as_a_product", function=as_a_product, track="from_scratch"),
        Right("completed_square", source=TORCH_SQUARE, track="pytorch"),
        Right("width_moved_over", source=TORCH_SPLIT, track="pytorch"),
        Right("scale_in_the_exponent", source=TORCH_LOG, track="pytorch"),
    ],
)
