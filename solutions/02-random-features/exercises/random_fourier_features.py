"""Sine and cosine features, whose inner product averages cos(w·(q − k)) over the frequencies."""

from __future__ import annotations

import math

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def rows(count, dim, num_frequencies, stretch=1.0):
    """Return a draw of rows (count, dim) and frequencies (num_frequencies, dim)."""

    def draw(rng):
        return {
            "x": stretch * rng.normal(size=(count, dim)),
            "frequencies": rng.normal(size=(num_frequencies, dim)) / 1.6,
        }

    return draw


def uneven_rows(rng):
    """Draw rows and frequencies whose norms run from short to long."""
    x = rng.normal(size=(6, 5)) * np.geomspace(0.1, 4, 6)[:, None]
    return {"x": x, "frequencies": rng.normal(size=(3, 5)) * np.array([[0.2], [1.0], [2.5]])}


def whole_rows(rng):
    """Draw whole numbers."""
    x = rng.integers(-2, 3, size=(4, 3)).astype(np.float64)
    return {"x": x, "frequencies": rng.integers(-2, 3, size=(5, 3)).astype(np.float64)}


def oracle(x, frequencies):
    """Go through rows and frequencies one pair at a time; put a sine beside its cosine."""
    features = np.empty((len(x), 2 * len(frequencies)))
    for n, row in enumerate(x.tolist()):
        for r, frequency in enumerate(frequencies.tolist()):
            angle = math.fsum(a * b for a, b in zip(frequency, row, strict=True))
            features[n, 2 * r] = math.sin(angle) / math.sqrt(len(frequencies))
            features[n, 2 * r + 1] = math.cos(angle) / math.sqrt(len(frequencies))
    return features


def through_complex_numbers(x, frequencies):
    """Take real and imaginary parts of a complex exponential, cosines first."""
    turned = np.exp(1j * np.einsum("nd,rd->nr", x, frequencies)) / len(frequencies) ** 0.5
    return np.hstack([turned.real, turned.imag])


def interleaved(x, frequencies):
    """Answer with nested lists, each sine beside its cosine."""
    scale = len(frequencies) ** -0.5
    angles = [[float(np.dot(w, row)) for w in frequencies] for row in x]
    return [[scale * f(a) for a in row for f in (math.sin, math.cos)] for row in angles]


def shifted(x, frequencies):
    """Shift every angle by an eighth of a turn, which no inner product notices."""
    angles = np.tensordot(x, frequencies, axes=(1, 1)) + np.pi / 4
    return np.sqrt(1 / len(frequencies)) * np.c_[np.cos(angles), -np.sin(angles)]


TORCH_POLAR = """
def random_fourier_features(x, frequencies):
    x, frequencies = as_floats(x, frequencies)
    angles = torch.nn.functional.linear(x, frequencies)
    turned = torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(1) * len(frequencies) ** -0.5
"""

TORCH_SHIFT = """
def random_fourier_features(x, frequencies):
    x, frequencies = as_floats(x, frequencies)
    angles = torch.einsum("nd,rd->nr", x, frequencies)
    return torch.cos(torch.hstack([angles, angles - math.pi / 2])) / math.sqrt(frequencies.shape[0])
"""

TORCH_STACK = """
def random_fourier_features(x, frequencies):
    x, frequencies = as_floats(x, frequencies)
    angles = (frequencies @ x.mT).mT
    both = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return both.reshape(x.shape[0], -1) * frequencies.new_tensor(frequencies.shape[0]).rsqrt()
"""

FEATURES = "np.concatenate([np.sin(angles), np.cos(angles)], axis=1)"

exercise = Exercise(
    title="Random Fourier features",
    points=2,
    minutes=10,
    difficulty=1,
    source="Rahimi & Recht 2007, Random Features for Large-Scale Kernel Machines, section 3; "
    "Peng et al. 2021, Random Feature Attention, section 2.2",
    kind=Function(returns=("features",), compare="columns"),
    hints=[
        "cos(a − b) = cos a cos b + sin a sin b: what of it belongs to q, what to k?",
        "All angles w·x come from one matrix product, rows by frequencies.",
        "Sines and cosines stand side by side. Every feature vector has length 1: use that to find the scale.",
    ],
    oracle=oracle,
    cases=[
        Case("typical", "sizes all different", rows(4, 3, 5)),
        Case("one_row", "one row only", rows(1, 4, 6), gradients=False),
        Case("one_frequency", "one frequency only", rows(5, 3, 1)),
        Case("one_dim", "one dimension", rows(6, 1, 4)),
        Case("more_dims", "more dimensions than frequencies", rows(3, 7, 2)),
        Case("many", "many frequencies", rows(5, 4, 60), gradients=False),
        Case("square", "as many frequencies as dimensions, where a wrong axis still fits", rows(3, 4, 4)),
        Case("uneven", "norms that differ from row to row", uneven_rows),
        Case("long", "long rows, so that angles turn many times", rows(4, 5, 3, stretch=40), gradients=False),
        Case("float32", "float32 input", rows(3, 4, 6), dtype="float32"),
        Case("integers", "whole numbers as input", whole_rows, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", rows(5, 3, 4), layout="fortran"),
        Case("strided", "every other column of a larger array", rows(4, 3, 6), layout="strided"),
    ],
    mistakes=[
        Mistake(
            "not_scaled",
            "The scale is missing. With it every feature vector has length 1, whatever R is.",
            edit=[("return features / np.sqrt(len(frequencies))", "return features")],
        ),
        Mistake(
            "divided_by_count",
            "The features are divided by R. Their inner product multiplies two of them, so R counts twice.",
            edit=[("np.sqrt(len(frequencies))", "len(frequencies)")],
        ),
        Mistake(
            "divided_by_columns",
            "The features are divided by √(2R). There are 2R columns, but sin² + cos² is 1, not 2.",
            edit=[("np.sqrt(len(frequencies))", "np.sqrt(features.shape[1])")],
        ),
        Mistake(
            "doubled",
            "The inner products are twice too large. The factor √(2/R) belongs to another kind of feature, "
            "one cosine with a random phase.",
            edit=[("np.sqrt(len(frequencies))", "np.sqrt(len(frequencies) / 2)")],
        ),
        Mistake(
            "divided_by_dimension",
            "The features are divided by √D. The mean runs over the frequencies, not over the components.",
            edit=[("np.sqrt(len(frequencies))", "np.sqrt(x.shape[1])")],
        ),
        Mistake(
            "cosines_twice",
            "Both halves are cosines. Without the sines the inner product depends on more than q − k.",
            edit=[("np.sin(angles)", "np.cos(angles)")],
        ),
        Mistake(
            "sines_twice",
            "Both halves are sines. Without the cosines the inner product depends on more than q − k.",
            edit=[("np.cos(angles)", "np.sin(angles)")],
        ),
        Mistake(
            "summed",
            "Sines and cosines were added up. They are features of their own and stand side by side.",
            edit=[(FEATURES, "np.sin(angles) + np.cos(angles)")],
        ),
        Mistake(
            "cosines_alone",
            "Only the cosines are there, with no phase to make up for it. The sines are needed too.",
            edit=[(FEATURES, "np.cos(angles)")],
        ),
        Mistake(
            "stacked_below",
            "The cosines stand below the sines. Each row should hold all features of one position.",
            edit=[("axis=1", "axis=0")],
        ),
        Mistake(
            "full_turns",
            "The angles are multiplied by 2π. These frequencies count radians, not turns.",
            edit=[("x @ frequencies.T", "2 * np.pi * x @ frequencies.T")],
        ),
        Mistake(
            "halved_angles",
            "The angles are halved. The 2 of 2σ² is already in how the frequencies were drawn.",
            edit=[("x @ frequencies.T", "x @ frequencies.T / 2")],
        ),
        Mistake(
            "not_transposed",
            "The frequencies lie in rows, like x. Each angle is the dot product of two rows.",
            edit=[("frequencies.T", "frequencies")],
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
        Right("complex_exponential", function=through_complex_numbers, track="from_scratch"),
        Right("interleaved", function=interleaved, track="from_scratch"),
        Right("shifted_phase", function=shifted, track="from_scratch"),
        Right("polar", source=TORCH_POLAR, track="pytorch"),
        Right("cosines_of_shifted_angles", source=TORCH_SHIFT, track="pytorch"),
        Right("stacked_last", source=TORCH_STACK, track="pytorch"),
    ],
)
