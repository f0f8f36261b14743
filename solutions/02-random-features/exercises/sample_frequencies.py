"""Gaussian frequencies for random Fourier features of a kernel of width σ: variance 1/σ²."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Mistake, Right, Sampler, Seed


def sizes(num_frequencies, dim, sigma2):
    """Return a draw of these sizes and a seed."""

    def draw(rng):
        seed = Seed(int(rng.integers(2**31)))
        return {"num_frequencies": num_frequencies, "dim": dim, "sigma2": sigma2, "rng": seed}

    return draw


def by_covariance(num_frequencies, dim, sigma2, rng):
    """Name the covariance matrix itself."""
    return rng.multivariate_normal(np.zeros(dim), np.eye(dim) / sigma2, size=num_frequencies)


def one_by_one(num_frequencies, dim, sigma2, rng):
    """Answer with nested lists, drawn number by number."""
    return [[rng.normal(0, sigma2**-0.5) for _ in range(dim)] for _ in range(num_frequencies)]


def columns_first(num_frequencies, dim, sigma2, rng):
    """Draw the transposed table in float32 and turn it round."""
    drawn = rng.standard_normal((dim, num_frequencies), dtype=np.float32)
    return drawn.T * np.float32(np.reciprocal(np.sqrt(sigma2)))


TORCH_NORMAL = """
def sample_frequencies(num_frequencies, dim, sigma2, rng):
    zeros = torch.zeros(num_frequencies, dim)
    return torch.normal(zeros, torch.full_like(zeros, sigma2**-0.5), generator=rng)
"""

TORCH_IN_PLACE = """
def sample_frequencies(num_frequencies, dim, sigma2, rng):
    empty = torch.empty((num_frequencies, dim), dtype=torch.float64)
    return empty.normal_(0.0, 1 / math.sqrt(sigma2), generator=rng)
"""

TORCH_ROWS = """
def sample_frequencies(num_frequencies, dim, sigma2, rng):
    rows = [torch.randn(dim, generator=rng) for _ in range(num_frequencies)]
    return torch.stack(rows).div(math.sqrt(sigma2))
"""

DRAWN = "rng.normal(size=(num_frequencies, dim)) / np.sqrt(sigma2)"

exercise = Exercise(
    title="Random frequencies",
    points=2,
    minutes=10,
    difficulty=1,
    source="Rahimi & Recht 2007, Random Features for Large-Scale Kernel Machines, section 3; "
    "Peng et al. 2021, Random Feature Attention, section 2.2",
    kind=Sampler(
        statistics=(
            "mean",
            "variance",
            "variance_per_column",
            "covariance",
            "fourth_moment",
            "independent_rows",
        )
    ),
    hints=[
        "A wide kernel changes slowly. Does it need high or low frequencies?",
        "E cos(w·δ) = exp(−τ²‖δ‖²/2) for w ~ N(0, τ²I). Which τ² turns this into exp(−‖δ‖²/2σ²)?",
        "Draw standard normal numbers of the right shape from `rng`, then scale them. Variances scale with "
        "the square of what you multiply by.",
    ],
    cases=[
        Case("many", "8000 frequencies, σ² = 2.3", sizes(8_000, 5, 2.3)),
        Case("narrow", "a narrow kernel, σ² = 0.3", sizes(8_000, 3, 0.3)),
        Case("wide", "a wide kernel in 16 dimensions, σ² = 4", sizes(3_000, 16, 4.0)),
        Case("more_dims", "more dimensions than frequencies", sizes(12, 20, 5.0)),
        Case("one_dim", "one dimension", sizes(8_000, 1, 4.0)),
    ],
    mistakes=[
        Mistake(
            "variance_inverted",
            "The frequencies have variance σ². This is the recipe as it is often printed, and it estimates "
            "another kernel. Wide kernels need low frequencies.",
            edit=[("/ np.sqrt(sigma2)", "* np.sqrt(sigma2)")],
        ),
        Mistake(
            "divided_by_sigma2",
            "The variance is 1/σ⁴: the numbers were divided by the variance. The standard deviation is what "
            "they scale with.",
            edit=[("/ np.sqrt(sigma2)", "/ sigma2")],
        ),
        Mistake(
            "sigma2_ignored",
            "The frequencies have variance 1 whatever σ² is. Only a kernel of width one wants that.",
            edit=[(" / np.sqrt(sigma2)", "")],
        ),
        Mistake(
            "fourth_root",
            "The variance is 1/σ: a root was taken once too often.",
            edit=[("/ np.sqrt(sigma2)", "/ sigma2**0.25")],
        ),
        Mistake(
            "scaled_by_dimension",
            "The variance is 1/D. It should follow the width of the kernel, not the dimension.",
            edit=[("/ np.sqrt(sigma2)", "/ np.sqrt(dim)")],
        ),
        Mistake(
            "two_lost",
            "The variance is 1/2σ². The 2 below the kernel's exponent is there already in E cos(w·δ).",
            edit=[("/ np.sqrt(sigma2)", "/ np.sqrt(2 * sigma2)")],
        ),
        Mistake(
            "uniform",
            "The variance is right, but the numbers are uniform. A Gaussian kernel has Gaussian frequencies.",
            edit=[
                (DRAWN, "rng.uniform(-1, 1, size=(num_frequencies, dim)) * np.sqrt(3 / sigma2)"),
            ],
        ),
        Mistake(
            "one_frequency_repeated",
            "One frequency was drawn and repeated. Each row needs a draw of its own.",
            edit=[(DRAWN, "np.tile(rng.normal(size=dim) / np.sqrt(sigma2), (num_frequencies, 1))")],
        ),
        Mistake(
            "not_centred",
            "The frequencies are all positive. A Gaussian is symmetric about zero.",
            edit=[(DRAWN, "np.abs(rng.normal(size=(num_frequencies, dim))) / np.sqrt(sigma2)")],
        ),
        Mistake(
            "transposed",
            "Rows and columns are swapped: one row is one frequency, with D components.",
            edit=[("size=(num_frequencies, dim)", "size=(dim, num_frequencies)")],
        ),
        Mistake(
            "seed_fixed",
            "Every call gives the same frequencies: a new generator with a fixed seed is made inside. "
            "Use the one that is given.",
            edit=[("rng.normal(", "np.random.default_rng(0).normal(")],
            breaks="seed",
        ),
        Mistake(
            "global_generator",
            "The numbers come from the global generator. Use the one that is given, or runs can't be repeated.",
            edit=[("rng.normal(", "np.random.normal(")],
            breaks="global_rng",
        ),
        Mistake(
            "generator_not_passed",
            "The generator was not passed on, so that torch used its global one.",
            edit=[(", generator=rng", "")],
            track="pytorch",
            breaks="global_rng",
        ),
    ],
    also_right=[
        Right("by_covariance", function=by_covariance, track="from_scratch"),
        Right("one_by_one", function=one_by_one, track="from_scratch"),
        Right("columns_first", function=columns_first, track="from_scratch"),
        Right("torch_normal", source=TORCH_NORMAL, track="pytorch"),
        Right("in_place", source=TORCH_IN_PLACE, track="pytorch"),
        Right("row_by_row", source=TORCH_ROWS, track="pytorch"),
    ],
)
