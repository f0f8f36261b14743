"""Attentions to try a causality test on: some are causal, some look into the future.

Each takes (query_features (N, C), key_features (N, C), values (N, M)), arrays or tensors, and
returns (N, M).  The features are positive.  Your test is judged on others as well.
"""


def weighted_means(weights, values):
    """Return the means of the values with each row's weights."""
    return (weights @ values) / weights.sum(1)[:, None]


def earlier(length):
    """Return a matrix of booleans (N, N) as nested lists: whether j ≤ i."""
    return [[j <= i for j in range(length)] for i in range(length)]


def masked(table, keep):
    """Return a table (N, N) with zeros where `keep`, of booleans, is false."""
    mask = table * 0
    for i, row in enumerate(keep):
        for j, seen in enumerate(row):
            mask[i, j] = float(seen)
    return table * mask


def causal_quadratic(query_features, key_features, values):
    """Causal: a table of similarities with zeros above the diagonal."""
    similarity = masked(query_features @ key_features.T, earlier(len(values)))
    return weighted_means(similarity, values)


def causal_prefix_sums(query_features, key_features, values):
    """Causal: cumulative sums of the state."""
    states = (key_features[:, :, None] * values[:, None, :]).cumsum(0)
    above = (query_features[:, :, None] * states).sum(1)
    return above / (query_features * key_features.cumsum(0)).sum(1)[:, None]


def the_value_before(query_features, key_features, values):
    """Causal: each position repeats the value of the one before; the first answers zero."""
    length = len(values)
    behind = values[[max(i - 1, 0) for i in range(length)]]
    behind[0] = 0
    return behind


def the_values_themselves(query_features, key_features, values):
    """Causal: each position sees itself alone."""
    return values + 0 * query_features[:, :1]


def sees_everything(query_features, key_features, values):
    """Leaks: no mask at all."""
    return weighted_means(query_features @ key_features.T, values)


def peeks_at_the_next_value(query_features, key_features, values):
    """Leaks: the weights are causal, but the values were moved up by one position."""
    length = len(values)
    ahead = [*range(1, length), length - 1]
    return causal_prefix_sums(query_features, key_features, values[ahead])


def divides_by_the_largest_key(query_features, key_features, values):
    """Leaks through the keys alone: they are divided by their largest entry, then a constant is added."""
    return causal_prefix_sums(query_features, key_features / key_features.max() + 1e-3, values)


def first_row_peeks(query_features, key_features, values):
    """Leaks in one row: position 0 sees position 1."""
    keep = earlier(len(values))
    keep[0][1:2] = [True] * (len(values) > 1)
    return weighted_means(masked(query_features @ key_features.T, keep), values)


def even_rows_peek(query_features, key_features, values):
    """Leaks in some rows: positions 2, 4, 6… see the next one."""
    length = len(values)
    keep = [[j <= i + (i > 0 and i % 2 == 0) for j in range(length)] for i in range(length)]
    return weighted_means(masked(query_features @ key_features.T, keep), values)


def small_echo_of_the_last(query_features, key_features, values):
    """Leaks a little: a thousandth of the last value is added everywhere."""
    return causal_prefix_sums(query_features, key_features, values) + values[-1] / 1000


def scales_by_mean_query(query_features, key_features, values):
    """Leaks through the queries alone, by their mean over all positions."""
    return causal_prefix_sums(query_features + query_features.mean(), key_features, values)
