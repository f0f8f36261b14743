"""A test that the student writes: does an attention look into the future?

It is judged by what it catches.  The public part holds attentions to try it on; the judge has
others, causal ones and leaking ones, that no student sees.
"""

from __future__ import annotations

import itertools

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Given, Mistake, Right

# ------------------------------------------------------------ the judge's own, for arrays and tensors


def seen(table, allowed):
    """Return a table of similarities, with zeros where position i may not see j."""
    mask = table * 0
    for i, j in itertools.product(range(len(table)), repeat=2):
        mask[i, j] = float(allowed(i, j))
    return table * mask


def mean_of(weights, values):
    """Return weighted means of the values."""
    return weights @ values / weights.sum(1)[:, None]


def causal(query_features, key_features, values):
    """Causal linear attention by prefix sums."""
    sums = (key_features[:, :, None] * values[:, None, :]).cumsum(0)
    return (query_features[:, :, None] * sums).sum(1) / (query_features * key_features.cumsum(0)).sum(1)[
        :, None
    ]


def masked_softmax(query_features, key_features, values):
    """Softmax attention with a mask: causal, and no product of features at all."""
    scores = query_features @ key_features.T
    scores = scores - scores.diagonal()[:, None]
    top = np.minimum(scores, 50) if isinstance(scores, np.ndarray) else scores.clamp(max=50)
    return mean_of(seen(2.718281828459045**top, lambda i, j: j <= i), values)


def sliding_window(query_features, key_features, values):
    """Each position sees the last five, itself included."""
    return mean_of(seen(query_features @ key_features.T, lambda i, j: i - 5 < j <= i), values)


def every_other(query_features, key_features, values):
    """Each position sees itself and every second one before it."""
    return mean_of(seen(query_features @ key_features.T, lambda i, j: j <= i and (i - j) % 2 == 0), values)


def only_the_first(query_features, key_features, values):
    """Everybody sees position 0 alone."""
    return values[:1] + 0 * (query_features * key_features)[:, :1]


def fading(query_features, key_features, values):
    """The past fades by a tenth with each position."""
    table = query_features @ key_features.T
    for i, j in itertools.product(range(len(table)), repeat=2):
        table[i, j] *= 0.9 ** (i - j) if j <= i else 0.0
    return mean_of(table, values)


def coarse(query_features, key_features, values):
    """Causal, in single precision on the way."""
    tensors = (query_features, key_features, values)
    lower = [x.astype("float32") if isinstance(x, np.ndarray) else x.float() for x in tensors]
    rows = causal(*lower)
    return rows.astype("float64") if isinstance(rows, np.ndarray) else rows.double()


def running_maximum(query_features, key_features, values):
    """Keys divided by the largest so far, with a constant added: causal."""
    top, rows = 0.0, []
    S, Z = 0.0, 0.0
    for q, k, v in zip(query_features, key_features, values, strict=True):
        higher = max(top, float(k.max()))
        S, Z, top = S * (top / higher) + (k / higher)[:, None] * v, Z * (top / higher) + k / higher, higher
        rows.append((q[:, None] * S).sum(0) / ((q * Z).sum() + 1e-4))
    return together(rows)


def together(rows):
    """Stack arrays or tensors."""
    if isinstance(rows[0], np.ndarray):
        return np.stack(rows)
    import torch

    return torch.stack(rows)


def no_mask_but_half(query_features, key_features, values):
    """The future counts half."""
    table = query_features @ key_features.T
    return mean_of(seen(table, lambda i, j: j <= i) + table / 2, values)


def centred_values(query_features, key_features, values):
    """The mean of all values is taken off and not put back: leaks through values alone."""
    return causal(query_features, key_features, values - values.mean(0)[None, :])


def last_value_in_one_column(query_features, key_features, values):
    """The last column alone gets a hundredth of the value two positions later."""
    rows = causal(query_features, key_features, values)
    later = values[[min(i + 2, len(values) - 1) for i in range(len(values))]]
    add = rows * 0
    add[:, -1] = later[:, -1] / 100
    return rows + add


def performer_constant(query_features, key_features, values):
    """Keys divided by the maximum over all positions, then 10⁻⁴ added: leaks through keys alone."""
    return causal(query_features, key_features / key_features.max() + 1e-4, values)


def denominator_of_all_keys(query_features, key_features, values):
    """The denominator sums over the whole sequence: leaks through keys alone."""
    sums = (key_features[:, :, None] * values[:, None, :]).cumsum(0)
    return (query_features[:, :, None] * sums).sum(1) / (query_features @ key_features.sum(0))[:, None]


def floor_under_denominators(query_features, key_features, values):
    """No denominator may be less than a tenth of the largest one: a global maximum."""
    table = seen(query_features @ key_features.T, lambda i, j: j <= i)
    below = table.sum(1)
    floor = below.max() / 10
    kept = np.maximum(below, floor) if isinstance(below, np.ndarray) else below.clamp(min=floor)
    return (table @ values) / kept[:, None]


def weights_below_the_peak(query_features, key_features, values):
    """Similarities under a hundredth of the table's largest are dropped: a global maximum."""
    table = query_features @ key_features.T
    table = table * (table > table.max() / 100) + 1e-9
    return mean_of(seen(table, lambda i, j: j <= i), values)


def every_seventh_row_peeks(query_features, key_features, values):
    """Positions 3, 10, 17… see one position of the future."""
    return mean_of(seen(query_features @ key_features.T, lambda i, j: j <= i + (i % 7 == 3)), values)


def last_but_one_peeks(query_features, key_features, values):
    """Only the last position but one sees the last."""
    end = len(values) - 2
    return mean_of(seen(query_features @ key_features.T, lambda i, j: j <= i + (i == end)), values)


def loose_chunks(query_features, key_features, values):
    """Chunks of three without a mask inside; the rows at the ends of chunks are right."""
    return mean_of(seen(query_features @ key_features.T, lambda i, j: j // 3 <= i // 3), values)


def far_sight(query_features, key_features, values):
    """Positions see the past, and one place nine positions ahead."""
    return mean_of(seen(query_features @ key_features.T, lambda i, j: j <= i or j == i + 9), values)


def query_norm(query_features, key_features, values):
    """The longest query of the sequence scales a constant: leaks through queries alone."""
    return causal(query_features / query_features.max() + 1e-2, key_features, values)


def faint(query_features, key_features, values):
    """The future counts a hundred-thousandth."""
    table = query_features @ key_features.T
    return mean_of(seen(table, lambda i, j: j <= i) + 1e-5 * table, values)


CAUSAL = (masked_softmax, sliding_window, every_other, only_the_first, fading, coarse, running_maximum)
LEAKING = (
    no_mask_but_half,
    centred_values,
    last_value_in_one_column,
    performer_constant,
    denominator_of_all_keys,
    floor_under_denominators,
    weights_below_the_peak,
    every_seventh_row_peeks,
    last_but_one_peeks,
    loose_chunks,
    far_sight,
    query_norm,
    faint,
)
RIGHTLY_CAUSAL = {f.__name__ for f in CAUSAL} | {
    "causal_quadratic",
    "causal_prefix_sums",
    "the_value_before",
    "the_values_themselves",
}


def oracle(attention):
    """Look up what the implementation was made to be."""
    return attention.__name__ in RIGHTLY_CAUSAL


def on(name):
    """Return a draw that hands over an implementation."""
    return lambda rng: {"attention": Given(name)}


# --------------------------------------------------------------------------------- other ways to test


def by_prefixes(attention):
    """Compare the rows of every prefix with those of the whole sequence, at two scales."""
    rng = np.random.default_rng(8)
    for scale in (1.0, 30.0):
        lengths = np.where(np.arange(20) < 10, 1.0, scale)[:, None]
        q, k, v = (lengths * rng.uniform(0.2, 3, size=(20, width)) for width in (3, 3, 2))
        whole = attention(q, k, v)
        for n in range(1, 20):
            if np.abs(attention(q[:n], k[:n], v[:n]) - whole[:n]).max() > 1e-7:
                return False
    return True


def backwards(attention):
    """Change one row at a time, from the end, and look at all rows before it."""
    rng = np.random.default_rng(1)
    q, k, v = rng.uniform(0.5, 2, (26, 5)), rng.uniform(0.5, 2, (26, 5)), rng.normal(size=(26, 1))
    previous = attention(q, k, v)
    for j in reversed(range(1, 26)):
        q, k, v = q.copy(), k.copy(), v.copy()
        q[j], k[j], v[j] = 40 * q[j], 25 * k[j] + 1, 7 - v[j]
        now = attention(q, k, v)
        if not np.allclose(now[:j], previous[:j], rtol=1e-7, atol=1e-10):
            return 0
        previous = now
    return 1


def shuffled_future(attention):
    """Turn the future round and enlarge it, for every split."""
    rng = np.random.default_rng(2)
    given = [np.exp(rng.normal(size=(22, width))) for width in (3, 3, 4)]
    was = attention(*given)
    same = []
    for i in range(1, 22):
        turned = [np.vstack([x[:i], 12 * x[i:][::-1] + 0.5]) for x in given]
        same.append(np.max(np.abs(attention(*turned) - was)[:i]) < 1e-6)
    return np.all(same)


TORCH_PREFIXES = """
def is_causal(attention):
    generator = torch.Generator().manual_seed(9)
    for scale in (1.0, 30.0):
        lengths = torch.where(torch.arange(20) < 10, 1.0, scale).double()[:, None]
        q, k, v = (
            lengths * (0.2 + 2.8 * torch.rand(20, width, generator=generator, dtype=torch.float64))
            for width in (3, 3, 2)
        )
        whole = attention(q, k, v)
        for n in range(1, 20):
            if (attention(q[:n], k[:n], v[:n]) - whole[:n]).abs().max() > 1e-7:
                return False
    return True
"""

TORCH_SHUFFLED = """
def is_causal(attention):
    generator = torch.Generator().manual_seed(4)
    given = [torch.randn(22, w, generator=generator, dtype=torch.float64).exp() for w in (3, 3, 4)]
    was = attention(*given)
    gaps = [
        (attention(*(torch.cat([x[:i], 12 * x[i:].flip(0) + 0.5]) for x in given)) - was)[:i].abs().max()
        for i in range(1, 22)
    ]
    return bool(torch.stack(gaps).max() < 1e-6)
"""

TORCH_ONE_ROW = """
def is_causal(attention):
    generator = torch.Generator().manual_seed(1)
    q, k, v = (0.5 + torch.rand(26, w, generator=generator, dtype=torch.float64) for w in (5, 5, 1))
    previous = attention(q, k, v)
    for j in reversed(range(1, 26)):
        q, k, v = q.clone(), k.clone(), v.clone()
        q[j], k[j], v[j] = 40 * q[j], 25 * k[j] + 1, 7 - v[j]
        now = attention(q, k, v)
        if not torch.allclose(now[:j], previous[:j], rtol=1e-7, atol=1e-10):
            return 0
        previous = now
    return 1
"""

COMPARE = "if not np.allclose(np.asarray(attention(*changed))[:i], expected[:i], rtol=1e-6, atol=1e-9):"
CHANGED = "changed = [np.concatenate([old[:i], new[i:]]) for old, new in zip(before, other, strict=True)]"
OTHER = "other = [10 * np.exp(rng.normal(size=shape)) for shape in shapes]"


def only(*changing):
    """Return the edit that changes only these of queries (0), keys (1) and values (2)."""
    parts = ", ".join(f"before[{n}] if {n not in changing} else other[{n}]" for n in range(3))
    return [(OTHER, OTHER + f"\n    other = [{parts}]")]


PUBLIC = (
    ("causal_quadratic", "a causal one: a mask on all similarities"),
    ("causal_prefix_sums", "a causal one: cumulative sums"),
    ("the_value_before", "a causal one that does not see its own position"),
    ("the_values_themselves", "a causal one that sees nothing else"),
    ("sees_everything", "one without a mask"),
    ("peeks_at_the_next_value", "a leak through values alone"),
    ("divides_by_the_largest_key", "a leak through keys alone"),
    ("scales_by_mean_query", "a leak through queries alone"),
    ("first_row_peeks", "a leak in the first row alone"),
    ("even_rows_peek", "a leak in every other row"),
    ("small_echo_of_the_last", "a small leak"),
)
WORTH = {
    "performer_constant": 0.5,
    "centred_values": 0.5,
    "every_seventh_row_peeks": 0.5,
    "floor_under_denominators": 0.5,
}
HIDDEN = {
    "performer_constant": "one you have not seen, leaking through keys alone",
    "centred_values": "one you have not seen, leaking through values alone",
    "every_seventh_row_peeks": "one you have not seen, leaking in some rows",
    "floor_under_denominators": "one you have not seen, leaking through a global maximum",
}

exercise = Exercise(
    title="Does it look into the future?",
    points=4,
    minutes=20,
    difficulty=2,
    source="Choromanski et al. 2021, Rethinking Attention with Performers, appendix B.1; the property itself "
    "is that of Vaswani et al. 2017, section 3.2.3",
    kind=Function(integer=True, plain=True),
    public_part="attentions",
    given={f.__name__: f for f in (*CAUSAL, *LEAKING)},
    hints=[
        "If the past cannot see the future, what may happen to the past when the future changes?",
        "A leak may go through queries, keys or values, and show in one row only. Which rows can you compare "
        "when everything from position i on is new? Try every i.",
        "Allow for rounding, but not for more: a leak may be a hundred-thousandth. Make the new future much "
        "larger than the old one, so that a maximum over all positions moves.",
    ],
    oracle=oracle,
    cases=[
        *[Case(name, says, on(name)) for name, says in PUBLIC],
        *[
            Case(f.__name__, "a causal one that you have not seen", on(f.__name__), only_judge=True)
            for f in CAUSAL
        ],
        *[
            Case(
                f.__name__,
                HIDDEN.get(f.__name__, "a leaking one that you have not seen"),
                on(f.__name__),
                only_judge=True,
                worth=WORTH.get(f.__name__, 0),
            )
            for f in LEAKING
        ],
    ],
    mistakes=[
        Mistake(
            "turned_round",
            "The answer is the wrong way round: True means that nothing leaks.",
            edit=[("return False", "return 1 == 1"), ("return True", "return 1 == 0")],
        ),
        Mistake(
            "always_true",
            "It never says no. Does anything that you compare depend on what you changed?",
            edit=[(CHANGED, "changed = before")],
        ),
        Mistake(
            "own_row_compared",
            "It raises a false alarm: row i may change when position i does.",
            edit=[("[:i], expected[:i], rtol", "[: i + 1], expected[: i + 1], rtol")],
        ),
        Mistake(
            "past_changed",
            "The past was changed, not the future. Of course the output moves then.",
            edit=[("np.concatenate([old[:i], new[i:]])", "np.concatenate([new[:i], old[i:]])")],
        ),
        Mistake(
            "values_alone",
            "Only values were changed. An attention can leak through queries or keys, and values would not tell.",
            edit=[*only(2)],
        ),
        Mistake(
            "keys_alone",
            "Only keys were changed. Leaks through values or queries stay hidden.",
            edit=[*only(1)],
        ),
        Mistake(
            "queries_kept",
            "Queries were never changed. They come from the future as well.",
            edit=[*only(1, 2)],
        ),
        Mistake(
            "values_kept",
            "Values were never changed. Some leaks move nothing else.",
            edit=[*only(0, 1)],
        ),
        Mistake(
            "last_position_only",
            "Only the last position was changed. A row that sees just the next one does not notice that.",
            edit=[("for i in range(1, length):", "for i in range(length - 1, length):")],
        ),
        Mistake(
            "first_split_only",
            "Only row 0 was ever compared. Leaks can sit in any row.",
            edit=[("for i in range(1, length):", "for i in range(1, 2):")],
        ),
        Mistake(
            "middle_split_only",
            "Only one split into past and future was tried. A leak of one position may lie elsewhere.",
            edit=[("for i in range(1, length):", "for i in range(length // 2, length // 2 + 1):")],
        ),
        Mistake(
            "coarse_tolerance",
            "The tolerance is so wide that small leaks pass. Rounding is a millionth at most.",
            edit=[("rtol=1e-6, atol=1e-9", "rtol=0.0, atol=0.1")],
        ),
        Mistake(
            "shapes_compared",
            "Only shapes were compared. They say nothing about where the numbers came from.",
            edit=[(COMPARE, "if np.shape(attention(*changed)) != expected.shape:")],
            same_as="always_true",
        ),
        Mistake(
            "drawn_anew",
            "The past was drawn anew along with the future, so that even a causal attention seems to leak.",
            edit=[
                (
                    CHANGED,
                    "changed = [10 * np.exp(rng.normal(size=shape)) for shape in shapes[:2]] + [before[2]]",
                ),
            ],
        ),
    ],
    also_right=[
        Right("by_prefixes", function=by_prefixes, track="from_scratch"),
        Right("one_row_at_a_time", function=backwards, track="from_scratch"),
        Right("future_turned_round", function=shuffled_future, track="from_scratch"),
        Right("prefixes_in_torch", source=TORCH_PREFIXES, track="pytorch"),
        Right("future_turned_round_in_torch", source=TORCH_SHUFFLED, track="pytorch"),
        Right("one_row_in_torch", source=TORCH_ONE_ROW, track="pytorch"),
    ],
)
