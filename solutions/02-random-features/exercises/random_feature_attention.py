"""Softmax attention through random Fourier features and the key factor, linear in N and stable.

Denominators of sine and cosine features may come near zero, where nothing can be judged.  So
most cases have rows shorter than σ, whose kernel is near one.  Keys of norm 1000 lie at
right angles to the frequencies in their large part: their features are those of the small part.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Property, Right


def near(length, dim, value_dim, num_frequencies):
    """Return a draw of queries and keys of uneven norms below σ, so that denominators stay away from zero."""

    def draw(rng):
        sigma = dim**0.25
        queries, keys = (spread(rng, length, dim, sigma * longest) for longest in (0.5, 0.9))
        values = 1 + rng.normal(size=(length, value_dim))
        frequencies = np.clip(rng.normal(size=(num_frequencies, dim)), -1.5, 1.5) / sigma
        return {"queries": queries, "keys": keys, "values": values, "frequencies": frequencies / dim**0.25}

    return draw


def spread(rng, length, dim, longest):
    """Draw rows with norms between a fifth of `longest` and all of it."""
    rows = rng.normal(size=(length, dim))
    norms = longest * rng.uniform(0.2, 1, size=(length, 1))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * norms


def with_long_keys(norms):
    """Return a draw that adds a common direction, orthogonal to the frequencies, with these norms to the keys."""

    def draw(rng):
        made = near(len(norms), 6, 3, 9)(rng)
        away = rng.normal(size=6)
        away /= np.linalg.norm(away)
        made["frequencies"] = made["frequencies"] - np.outer(made["frequencies"] @ away, away)
        made["keys"] = made["keys"] - np.outer(made["keys"] @ away, away) + np.outer(norms, away)
        return made

    return draw


def whole(rng):
    """Draw whole numbers for all but the frequencies, which are small whole numbers too."""
    made = near(5, 9, 2, 4)(rng)
    keys = (np.arange(45).reshape(5, 9) % 7 == 0) * 1.0
    queries = (np.arange(45).reshape(5, 9) % 11 == 0) * 1.0
    values = rng.integers(-3, 4, size=(5, 2)).astype(np.float64)
    frequencies = np.where(rng.permutation(36).reshape(4, 9) < 4, 1.0, 0.0)
    return made | {"queries": queries, "keys": keys, "values": values, "frequencies": frequencies}


def oracle(queries, keys, values, frequencies):
    """Estimate each pair's kernel by the mean of cos(w·(q − k)), weigh it with exp(‖k‖²/2√D), average."""
    root = queries.shape[1] ** 0.5
    squares = [float(np.sum(key**2)) for key in keys]
    result = np.empty((len(queries), values.shape[1]))
    for i, query in enumerate(queries):
        total, mean = 0.0, np.zeros(values.shape[1])
        for key, square, value in zip(keys, squares, values, strict=True):
            kernel = float(np.mean(np.cos(frequencies @ (query - key))))
            similarity = kernel * float(np.exp((square - max(squares)) / 2 / root))
            total += similarity
            mean += similarity * value
        result[i] = mean / total
    return result


def with_query_factor(queries, keys, values, frequencies):
    """Keep the query factor, each row's divided by itself, and add the logarithm of the key factor late."""
    root = np.sqrt(queries.shape[1])
    angles = [x @ frequencies.T for x in (queries, keys)]
    left, right = (np.hstack([np.cos(a), np.sin(a)]) for a in angles)
    exponents = np.linalg.norm(keys, axis=1) ** 2 / (2 * root)
    weights = np.exp(exponents - np.max(exponents))
    table = (right * weights[:, None]).T @ np.column_stack([values, np.ones(len(values))])
    both = np.exp(np.sum(queries**2, axis=1, keepdims=True) / (2 * root)) * (left @ table)
    return both[:, :-1] / both[:, -1:]


def with_complex_numbers(queries, keys, values, frequencies):
    """Take the real part of a complex feature map; the longest key fixes the scale."""
    turned_q, turned_k = np.exp(1j * queries @ frequencies.T), np.exp(-1j * keys @ frequencies.T)
    lengths = np.einsum("nd,nd->n", keys, keys)
    factor = np.exp((lengths - lengths.max()) / np.sqrt(4 * keys.shape[1]))
    numerators = (turned_q @ (turned_k.T @ (factor[:, None] * values))).real
    return (numerators / (turned_q @ (turned_k.T @ factor)).real[:, None]).tolist()


def with_values_weighted(queries, keys, values, frequencies):
    """Weigh values and ones with the key factor instead of the keys' features."""
    squares = (keys * keys).sum(1)
    factor = np.exp(0.5 * (squares - squares.max()) / keys.shape[1] ** 0.5)[:, None]
    mapped = [random_phases(x, frequencies) for x in (queries, keys)]
    numerators = mapped[0] @ (mapped[1].T @ (factor * values))
    return numerators / (mapped[0] @ (mapped[1].T @ factor))


def random_phases(x, frequencies):
    """Return cosines and sines of all angles, without a scale: it cancels."""
    return np.concatenate([f(x @ frequencies.T) for f in (np.cos, np.sin)], axis=1)


TORCH_LOGSUMEXP = """
def random_feature_attention(queries, keys, values, frequencies):
    queries, keys, values, frequencies = as_floats(queries, keys, values, frequencies)
    factor = torch.softmax(keys.square().sum(-1) / (2 * keys.shape[-1] ** 0.5), dim=0)
    left, right = (random_fourier_features(x, frequencies) for x in (queries, keys))
    return linear_attention(left, factor[:, None] * right, values)
"""

TORCH_DETACHED_MAXIMUM = """
def random_feature_attention(queries, keys, values, frequencies):
    queries, keys, values, frequencies = as_floats(queries, keys, values, frequencies)
    half_squares = torch.linalg.vector_norm(keys, dim=1).square() / math.sqrt(4 * keys.shape[1])
    factor = torch.exp(half_squares - half_squares.detach().amax())
    left, right = (x @ frequencies.T for x in (queries, keys))
    left, right = (torch.hstack([a.sin(), a.cos()]) for a in (left, right))
    both = left @ ((factor[:, None] * right).T @ torch.nn.functional.pad(values, (0, 1), value=1.0))
    return both[:, :-1] / both[:, -1:]
"""

TORCH_FOUR_PRODUCTS = """
def random_feature_attention(queries, keys, values, frequencies):
    queries, keys, values, frequencies = as_floats(queries, keys, values, frequencies)
    lengths = (keys**2).sum(1)
    factor = ((lengths - lengths.max()) / (2 * queries.shape[1] ** 0.5)).exp()[:, None]
    up, down = 0.0, 0.0
    for f in (torch.sin, torch.cos):
        right = f(keys @ frequencies.T).T
        left = f(queries @ frequencies.T)
        up = up + left @ (right @ (factor * values))
        down = down + left @ (right @ factor)
    return up / down
"""

FACTOR = "np.exp(log_factor - log_factor.max())"
EACH = "random_fourier_features({}, frequencies)"

exercise = Exercise(
    title="Softmax attention through random features",
    points=3,
    minutes=20,
    difficulty=3,
    source="Peng et al. 2021, Random Feature Attention, section 3.1; Rahimi & Recht 2007",
    kind=Function(),
    rtol=5e-6,
    rtol32=5e-4,
    hints=[
        "Lesson 01: softmax similarity = query factor × Gaussian × key factor. Which of the three do the "
        "features stand for, and which one cancels?",
        "Weigh each row of the keys' features with that key's factor. Then `linear_attention` does the rest, "
        "numerator and denominator alike.",
        "exp(‖k‖²/2σ²) overflows for long keys. Every key may be divided by the same number, so lower all "
        "exponents by one common amount before you raise them.",
    ],
    oracle=oracle,
    properties=(Property("permuted", of=("keys", "values")),),
    cases=[
        Case("typical", "sizes all different", near(6, 4, 3, 5)),
        Case("one_position", "one position only", near(1, 4, 3, 6)),
        Case("one_dim", "one dimension, where σ² = 1", near(5, 1, 2, 4)),
        Case("one_frequency", "one frequency only", near(5, 3, 2, 1)),
        Case("sixteen", "sixteen dimensions, where σ² = 4", near(7, 16, 2, 12), gradients=False),
        Case("square", "all sizes the same", near(4, 4, 4, 4), gradients=False),
        Case("float32", "float32 input", near(6, 5, 3, 8), dtype="float32"),
        Case("integers", "whole numbers as input", whole, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", near(6, 3, 4, 5), layout="fortran", gradients=False),
        Case(
            "strided",
            "every other column of a larger array",
            near(5, 3, 4, 6),
            layout="strided",
            gradients=False,
        ),
        Case(
            "long_keys",
            "keys of norm about 1000, no two alike",
            with_long_keys(1000 + 1e-3 * np.array([0.0, 2.0, -1.0, 3.0, 1.0, -2.0, 0.5])),
            gradients=False,
            worth=0.5,
        ),
        Case(
            "one_long_key",
            "key norms from 1 to 1000",
            with_long_keys(np.array([10.0, 1.0, 100.0, 1000.0, 31.6, 3.16])),
            gradients=False,
            worth=0.5,
        ),
        Case(
            "linear",
            "time and memory grow like N",
            near(64, 8, 5, 6),
            gradients=False,
            worth=1,
            linear=Linear(grow=("queries", "keys", "values")),
        ),
    ],
    mistakes=[
        Mistake(
            "no_key_factor",
            "The key factor is missing, or cancels. This smooths with a Gaussian kernel; softmax attention "
            "lets long keys count more.",
            edit=[(" * key_factor[:, None]", "")],
        ),
        Mistake(
            "query_factor_instead",
            "The factor was taken from the queries. One constant for a whole row cancels; the keys' factor doesn't.",
            edit=[
                ("np.sum(keys**2, axis=1)", "np.sum(queries**2, axis=1)"),
                (
                    "random_fourier_features(queries, frequencies)",
                    "random_fourier_features(queries, frequencies) * key_factor[:, None]",
                ),
                (
                    "random_fourier_features(keys, frequencies) * key_factor[:, None]",
                    "random_fourier_features(keys, frequencies)",
                ),
            ],
            same_as="no_key_factor",
        ),
        Mistake(
            "key_factor_inverted",
            "The key factor has the wrong sign in its exponent: long keys count less, instead of more.",
            edit=[(FACTOR, "np.exp(log_factor.min() - log_factor)")],
        ),
        Mistake(
            "two_lost",
            "The key factor's exponent lacks the 2 of 2σ².",
            edit=[("(2 * sigma2)", "sigma2")],
        ),
        Mistake(
            "sigma2_is_dim",
            "The key factor uses σ² = D. It is σ² that equals √D.",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1]")],
        ),
        Mistake(
            "sigma_for_sigma2",
            "The key factor uses σ² = D^¼. That is σ: the variance is its square.",
            edit=[("np.sqrt(queries.shape[1])", "queries.shape[1] ** 0.25")],
        ),
        Mistake(
            "norms_not_squared",
            "The key factor uses ‖k‖. Its exponent has the square.",
            edit=[("np.sum(keys**2, axis=1)", "np.linalg.norm(keys, axis=1)")],
        ),
        Mistake(
            "denominator_without_factor",
            "The key factor weighs the values, but not the denominator. It stands in both sums.",
            edit=[
                (
                    "random_fourier_features(keys, frequencies) * key_factor[:, None]",
                    "random_fourier_features(keys, frequencies)",
                ),
                (
                    "linear_attention(query_features, key_features, values)",
                    "linear_attention(query_features, key_features, key_factor[:, None] * values)",
                ),
            ],
        ),
        Mistake(
            "scaled_again",
            "The rows were divided by σ before they met the frequencies. These were drawn for that σ already.",
            edit=[
                (EACH.format("queries"), EACH.format("queries / np.sqrt(sigma2)")),
                (EACH.format("keys"), EACH.format("keys / np.sqrt(sigma2)")),
            ],
        ),
        Mistake(
            "absolute_features",
            "The features lost their signs. They need them: the kernel is a mean of cosines of either sign.",
            edit=[
                (
                    "linear_attention(query_features, key_features, values)",
                    "linear_attention(np.abs(query_features), np.abs(key_features), values)",
                )
            ],
        ),
        Mistake(
            "overflow",
            "Long keys overflow: the exponential comes before anything was taken off. Lower all exponents alike first.",
            edit=[(FACTOR, "np.exp(log_factor)")],
        ),
        Mistake(
            "shifted_by_minimum",
            "The exponents were lowered by the smallest of them, so the largest still overflows.",
            edit=[(FACTOR, "np.exp(log_factor - log_factor.min())")],
        ),
        Mistake(
            "clipped_exponents",
            "Large exponents were clipped, so that all long keys count alike. Lower all of them by the same "
            "amount instead.",
            edit=[(FACTOR, "np.exp(np.minimum(log_factor, 700))")],
        ),
        Mistake(
            "table_built",
            "The values are right, but an N × N table of similarities was built. Start with keys and values.",
            edit=[
                (
                    "return linear_attention(query_features, key_features, values)",
                    "weights = query_features @ key_features.T\n"
                    "    return weights @ values / weights.sum(axis=1, keepdims=True)",
                )
            ],
            breaks="not_linear",
        ),
        Mistake(
            "key_factor_detached",
            "A gradient arrives, but the wrong one: the key factor was cut off, and it depends on the keys too.",
            edit=[("* key_factor[:, None]", "* key_factor.detach()[:, None]")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "queries, keys, values, frequencies = as_floats(queries, keys, values, frequencies)",
                    "queries, keys, values, frequencies = (t.float() for t in (queries, keys, values, frequencies))",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("query_factor_kept", function=with_query_factor, track="from_scratch"),
        Right("complex_numbers", function=with_complex_numbers, track="from_scratch"),
        Right("values_weighted", function=with_values_weighted, track="from_scratch"),
        Right("softmax_of_keys", source=TORCH_LOGSUMEXP, track="pytorch"),
        Right("detached_maximum", source=TORCH_DETACHED_MAXIMUM, track="pytorch"),
        Right("sines_then_cosines", source=TORCH_FOUR_PRODUCTS, track="pytorch"),
    ],
)
