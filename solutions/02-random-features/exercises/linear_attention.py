"""Attention with a factorised similarity, in time and memory that grow like N.

A constant up to 10⁻⁶ of a typical denominator may be added to it, so the tolerance leaves room for that.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Linear, Mistake, Property, Right


def positive(length, dim, value_dim):
    """Return a draw of positive features (length, dim) and values (length, value_dim)."""

    def draw(rng):
        return {
            "query_features": rng.uniform(0.2, 2, size=(length, dim)),
            "key_features": rng.uniform(0.2, 2, size=(length, dim)),
            "values": 1 + rng.normal(size=(length, value_dim)),
        }

    return draw


def signed(rng):
    """Draw queries with features of either sign, so that some denominators are negative, none near zero."""
    made = positive(6, 4, 3)(rng)
    made["query_features"] *= rng.permutation([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None]
    return made


def uneven(rng):
    """Draw features whose rows differ in size by a factor of a thousand."""
    made = positive(7, 3, 2)(rng)
    made["query_features"] *= rng.permutation(np.geomspace(0.05, 50, 7))[:, None]
    made["key_features"] *= rng.permutation(np.geomspace(0.05, 50, 7))[:, None]
    return made


def small(rng):
    """Draw features near a thousandth."""
    made = positive(5, 4, 3)(rng)
    return {**made, "query_features": made["query_features"] / 1e3}


def whole(rng):
    """Draw whole numbers."""
    made = positive(5, 3, 4)(rng)
    return {name: np.ceil(array) for name, array in made.items()}


def oracle(query_features, key_features, values):
    """Compare every query with every key, one pair at a time."""
    result = np.empty((len(query_features), values.shape[1]))
    for i, query in enumerate(query_features):
        total, mean = 0.0, np.zeros(values.shape[1])
        for key, value in zip(key_features, values, strict=True):
            similarity = float(np.sum(query * key))
            total += similarity
            mean += similarity * value
        result[i] = mean / total
    return result


def with_ones_column(query_features, key_features, values):
    """Carry the denominator along as one more column of the values."""
    extended = np.column_stack([values, np.ones(len(values))])
    both = query_features @ (key_features.T @ extended)
    return both[:, :-1] / both[:, -1:]


def row_by_row(query_features, key_features, values):
    """Keep running sums over the keys, then read them row by row; the answer is a list of rows."""
    table, total = np.zeros((key_features.shape[1], values.shape[1])), np.zeros(key_features.shape[1])
    for key, value in zip(key_features, values, strict=True):
        table += np.outer(key, value)
        total += key
    return [query @ table / (query @ total) for query in query_features]


def with_tiny_epsilon(query_features, key_features, values):
    """Add a millionth of a typical denominator."""
    denominators = query_features @ key_features.sum(0)
    numerators = np.einsum("nc,cm->nm", query_features, np.einsum("nc,nm->cm", key_features, values))
    return numerators / (denominators + 1e-7 * np.median(np.abs(denominators)))[:, None]


TORCH_ONES = """
def linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    extended = torch.nn.functional.pad(values, (0, 1), value=1.0)
    both = query_features @ (key_features.mT @ extended)
    return both[:, :-1] / both[:, -1:]
"""

TORCH_EINSUM = """
def linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    table = torch.einsum("nc,nm->cm", key_features, values)
    scale = torch.einsum("nc,c->n", query_features, key_features.sum(0)).reciprocal()
    return torch.einsum("nc,cm,n->nm", query_features, table, scale)
"""

TORCH_CHUNKS = """
def linear_attention(query_features, key_features, values):
    query_features, key_features, values = as_floats(query_features, key_features, values)
    parts = zip(key_features.split(100), values.split(100))
    table = sum(k.T @ v for k, v in parts)
    total = torch.ones_like(key_features[:, 0]) @ key_features
    return torch.cat([(q @ table) / (q @ total).unsqueeze(1) for q in query_features.split(64)])
"""

RETURN = "return query_features @ key_values / (query_features @ key_sum)[:, None]"

exercise = Exercise(
    title="Attention in O(N)",
    points=3,
    minutes=15,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 5 and 6",
    kind=Function(),
    rtol=5e-6,
    hints=[
        "Matrix products may be bracketed either way: (AB)C = A(BC). Which bracket avoids an N × N table?",
        "The denominator Σ_j φ(q)·φ(k_j) is one inner product, once the keys' features have been added up.",
        "Two sums over the keys are enough for all queries: Σ φ(k_j)ᵀv_j, of shape (C, M), and Σ φ(k_j), of "
        "shape (C,).",
    ],
    oracle=oracle,
    properties=(Property("permuted", of=("key_features", "values")),),
    cases=[
        Case("typical", "sizes all different", positive(7, 4, 3)),
        Case("one_position", "one position only", positive(1, 4, 3)),
        Case("one_feature", "one feature only", positive(5, 1, 3)),
        Case("one_value", "values with one column", positive(6, 3, 1)),
        Case("square", "as many positions as features and columns", positive(4, 4, 4)),
        Case("more_features", "more features than positions", positive(3, 8, 2)),
        Case("signed", "denominators of either sign, none near zero", signed),
        Case("uneven", "rows that differ in size a thousandfold", uneven, gradients=False),
        Case("small", "features near a thousandth, and no constant to hide behind", small, gradients=False),
        Case("float32", "float32 input", positive(6, 5, 3), dtype="float32"),
        Case("integers", "whole numbers as input", whole, dtype="int64", gradients=False),
        Case("fortran", "arrays in column order", positive(6, 3, 4), layout="fortran"),
        Case("strided", "every other column of a larger array", positive(5, 3, 4), layout="strided"),
        Case(
            "linear",
            "time and memory grow like N",
            positive(64, 6, 5),
            gradients=False,
            worth=1,
            linear=Linear(grow=("query_features", "key_features", "values")),
        ),
    ],
    mistakes=[
        Mistake(
            "not_normalised",
            "The denominator is missing. With equal values everywhere the result should be that value.",
            edit=[(RETURN, "return query_features @ key_values")],
        ),
        Mistake(
            "divided_by_length",
            "The sums were divided by N. A weighted mean divides by the sum of its weights.",
            edit=[("(query_features @ key_sum)[:, None]", "len(values)")],
        ),
        Mistake(
            "mean_of_keys",
            "The denominator has the mean of the keys' features. The numerator sums, so it must sum too.",
            edit=[("key_features.sum(axis=0)", "key_features.mean(axis=0)")],
        ),
        Mistake(
            "summed_over_queries",
            "The denominator sums the queries' features. Each query adds up its similarity to all keys.",
            edit=[("key_features.sum(axis=0)", "query_features.sum(axis=0)")],
        ),
        Mistake(
            "one_denominator",
            "One number normalises all rows. Every query has its own denominator.",
            edit=[("(query_features @ key_sum)[:, None]", "(query_features @ key_sum).sum()")],
        ),
        Mistake(
            "normalised_by_keys_alone",
            "The denominator does not depend on the query. It is the query's similarity to all keys together.",
            edit=[("(query_features @ key_sum)[:, None]", "key_sum.sum()")],
        ),
        Mistake(
            "query_forgotten",
            "The denominator adds up the query's own features. They must meet the keys' sum.",
            edit=[("(query_features @ key_sum)[:, None]", "query_features.sum(axis=1)[:, None]")],
        ),
        Mistake(
            "absolute_denominator",
            "The denominators have lost their sign. Numerator and denominator change sign together.",
            edit=[("(query_features @ key_sum)[:, None]", "np.abs(query_features @ key_sum)[:, None]")],
        ),
        Mistake(
            "clipped_denominator",
            "Small denominators were clipped. That changes results where features are small or negative.",
            edit=[
                ("(query_features @ key_sum)[:, None]", "np.maximum(query_features @ key_sum, 0.1)[:, None]")
            ],
        ),
        Mistake(
            "large_epsilon",
            "A constant was added to the denominators that is no longer small beside them.",
            edit=[("(query_features @ key_sum)[:, None]", "(query_features @ key_sum + 1e-2)[:, None]")],
        ),
        Mistake(
            "causal",
            "Each position hears only those before it and itself. Here every query hears all keys.",
            edit=[
                (
                    RETURN,
                    "weights = np.tril(query_features @ key_features.T)\n"
                    "    return weights @ values / weights.sum(axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "softmax_again",
            "A softmax was taken of the inner products. They are the similarity already.",
            edit=[
                (
                    RETURN,
                    "weights = np.exp(query_features @ key_features.T)\n"
                    "    return weights @ values / weights.sum(axis=1, keepdims=True)",
                )
            ],
        ),
        Mistake(
            "roles_swapped",
            "Queries and keys have changed places. Keys are summed over, queries ask.",
            edit=[
                ("key_features.T @ values", "query_features.T @ values"),
                ("key_features.sum(axis=0)", "query_features.sum(axis=0)"),
                (RETURN, "return key_features @ key_values / (key_features @ key_sum)[:, None]"),
            ],
        ),
        Mistake(
            "table_built",
            "The values are right, but the whole N × N table of similarities was built. Start with keys and values.",
            edit=[
                (
                    RETURN,
                    "weights = query_features @ key_features.T\n"
                    "    return weights @ values / weights.sum(axis=1, keepdims=True)",
                )
            ],
            breaks="not_linear",
        ),
        Mistake(
            "row_of_table_at_a_time",
            "The table is built one row at a time. That saves memory, but the work still grows like N².",
            edit=[
                (
                    RETURN,
                    "rows = [key_features @ query for query in query_features]\n"
                    "    return np.stack([row @ values / row.sum() for row in rows])",
                )
            ],
            breaks="not_linear",
        ),
        Mistake(
            "three_operands",
            "An einsum of three operands still builds the N × N table inside, or does that much work.",
            edit=[
                (
                    "return query_features @ key_values",
                    'return torch.einsum("nc,kc,km->nm", query_features, key_features, values)',
                )
            ],
            track="pytorch",
            breaks="not_linear",
        ),
        Mistake(
            "changed_in_place",
            "The caller's features were scaled in place. Make new arrays.",
            edit=[
                (
                    RETURN,
                    "query_features /= (query_features @ key_sum)[:, None]\n    return query_features @ key_values",
                )
            ],
            breaks="changes_arguments",
        ),
        Mistake(
            "denominator_detached",
            "A gradient arrives, but the wrong one: the denominator was cut off, and it depends on the features too.",
            edit=[("(query_features @ key_sum)[:, None]", "(query_features @ key_sum).detach()[:, None]")],
            track="pytorch",
            breaks="gradient",
        ),
        Mistake(
            "always_float32",
            "The result is float32 whatever came in. Only whole numbers need a cast.",
            edit=[
                (
                    "query_features, key_features, values = as_floats(query_features, key_features, values)",
                    "query_features, key_features, values = (t.float() for t in (query_features, key_features, values))",
                )
            ],
            track="pytorch",
            breaks="dtype",
        ),
    ],
    also_right=[
        Right("ones_column", function=with_ones_column, track="from_scratch"),
        Right("row_by_row", function=row_by_row, track="from_scratch"),
        Right("tiny_epsilon", function=with_tiny_epsilon, track="from_scratch"),
        Right("padded_values", source=TORCH_ONES, track="pytorch"),
        Right("einsum", source=TORCH_EINSUM, track="pytorch"),
        Right("chunks", source=TORCH_CHUNKS, track="pytorch"),
    ],
)
