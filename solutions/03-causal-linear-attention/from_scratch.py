# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Causal attention as a recurrent network
#
# When you have finished this notebook you will be able to
#
# - compute causal attention in time that grows like N, in three ways;
# - test whether an attention looks into the future, and catch it if it does;
# - write its backward pass by hand;
# - decode a sequence of any length with a state that never grows.
#
# It takes about three and a half hours, 140 minutes of them for the exercises, and carries 24 points.
# You need NumPy, lessons 01 and 02, and the chain rule.

# %% setup=true
import autograder

lesson = autograder.lesson("03-causal-linear-attention", track="from_scratch")

# %% [markdown]
# After each exercise stands a check cell. Run it to see what is right and what is not yet.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.

# %%
import math
import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})


def features(x):
    """Return elu(x) + 1, a positive feature for each entry: (N, D) -> (N, D)."""
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def show_weights(axis, table, title):
    """Draw an attention table; what is exactly zero stays white."""
    drawn = axis.imshow(np.where(table == 0, np.nan, table), cmap="viridis", vmin=0, vmax=1)
    ticks = range(0, len(table), 2)
    axis.set(title=title, xlabel="key j", ylabel="query i", xticks=ticks, yticks=ticks)
    return drawn


# %% [markdown]
# Rows are positions. One more letter than in lesson 02: a **state**.
#
# | in formulas | in code | shape | meaning |
# |---|---|---|---|
# | $\phi(Q_i)$ | `query_features[i]` | $(C,)$ | features of what position $i$ looks for |
# | $\phi(K_j)$ | `key_features[j]` | $(C,)$ | features of what position $j$ offers |
# | $V_j$ | `values[j]` | $(M,)$ | what position $j$ passes on |
# | $S_i$ | `S[i]` | $(C, M)$ | all that the keys up to $i$ have to say |
# | $Z_i$ | `Z[i]` | $(C,)$ | the sum of the key features up to $i$ |

# %%
rng = np.random.default_rng(5)
queries, keys, values = rng.normal(size=(12, 4)), rng.normal(size=(12, 4)), rng.normal(size=(12, 3))
print("12 positions, D = 4, M = 3; the features of key 0:", features(keys)[0].round(2))

# %% [markdown]
# ## 1. What may a position see?
#
# Whoever predicts the next word must not see it. Position $i$ listens to itself and to what came before.

# %% study=true
figure, axes = plt.subplots(1, 2, figsize=(6, 2.7))
for axis, table, title in zip(axes, (np.ones((8, 8)), np.tri(8)), ("without a mask", "causal"), strict=True):
    axis.pcolormesh(table, cmap="Blues", vmin=0, vmax=1.6, edgecolors="white")
    axis.set(title=title, xlabel="key j", ylabel="query i", aspect="equal", ylim=(8, 0))
plt.show()

# %% [markdown]
# *Figure 1. Blue is seen. The causal table ends on the diagonal, which belongs to it: j ≤ i.*
#
# $$V'_i=\frac{\sum_{j\le i} e^{Q_i\cdot K_j/\sqrt D}\,V_j}{\sum_{j\le i} e^{Q_i\cdot K_j/\sqrt D}}
# \qquad \underbrace{V'}_{(N,\,M)}$$
#
# The obvious loop, for one position:

# %%
position, above, below = 3, 0.0, 0.0
for j in range(position + 1):
    loudness = math.exp(float(np.dot(queries[position], keys[j])) / 2)
    above, below = above + loudness * values[j], below + loudness
print("output of position 3:", (above / below).round(3))

# %% [markdown]
# **Exercise · `causal_softmax_attention`** · ●○○ · 10 minutes · 1 point
#
# Take `queries` $(N, D)$, `keys` $(N, D)$, `values` $(N, M)$; return $(N, M)$ without a Python loop.
# It must be finite for scores up to 10 000, so lower each row before you raise it.

# %% exercise="causal_softmax_attention"
def causal_softmax_attention(queries, keys, values):
    """Return softmax attention of each position to itself and what came before: (N, D), (N, D), (N, M) -> (N, M)."""
    ### BEGIN SOLUTION
    scores = queries @ keys.T / np.sqrt(queries.shape[1])  # (N, N)
    scores = np.where(np.tri(len(queries), dtype=bool), scores, -np.inf)  # nothing from the future
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights @ values / weights.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% check="causal_softmax_attention"
# %% study=true
figure, axis = plt.subplots(figsize=(4, 3.1))
drawn = show_weights(axis, causal_softmax_attention(queries, keys, np.eye(12)), "your weights, 12 positions")
figure.colorbar(drawn, ax=axis, label="weight")
plt.show()

# %% [markdown]
# *Figure 2. Attention to the identity matrix gives the weights themselves. Nothing stands above the diagonal.
# Position 0 has only itself, and weight 1.*
#
# **What would happen if** the sequence were a book? The table has a row and a column for every word.

# %% study=true
for length in (1_000, 10_000, 100_000):
    print(f"N = {length:>7}: a table of {length**2 * 4 / 1e9:8.3f} GB in float32")

# %% [markdown]
# ## 2. Must we look at every key again?
#
# Position $i$ sees what position $i-1$ saw, and one key more. With features, $\phi(Q_i)\cdot\phi(K_j)$ in place
# of the exponential, the sum over the past can be kept. Take two features, and values of one entry:
#
# $$(p\,a_1+q\,b_1)\,v_1+(p\,a_2+q\,b_2)\,v_2+(p\,a_3+q\,b_3)\,v_3$$
#
# is the numerator of position 3. Its query has the features $p, q$; key $j$ has $a_j, b_j$. This works for a
# product of features only: an exponential of $q\cdot k$ cannot be split that way.

# %%
import sympy

example = ["(x*c1 + y*d1)*u1 + (x*c2 + y*d2)*u2", "x*(c1*u1 + c2*u2) + y*(d1*u1 + d2*u2)"]
print("second line follows:", sympy.simplify(sympy.sympify(f"({example[0]}) - ({example[1]})")) == 0)

# %% [markdown]
# **Exercise · `derive_recurrence`** · ●●○ · 15 minutes · 2 points
#
# Three lists of lines; each line equals the one above.
#
# - `"S"`: rewrite the numerator until the past stands only in `Sa` $=a_1v_1+a_2v_2$ and `Sb` $=b_1v_1+b_2v_2$.
# - `"Z"`: the denominator likewise, with `Za` $=a_1+a_2$ and `Zb` $=b_1+b_2$.
# - `"cost"`: up to position $i$ a state takes $i\,(2CM+C)$ multiplications. What does position $i$ alone take?
#   The last line must be free of `i`.

# %% exercise="derive_recurrence"
derive_recurrence = {
    "S": [
        "(p*a1 + q*b1)*v1 + (p*a2 + q*b2)*v2 + (p*a3 + q*b3)*v3",
        ### BEGIN SOLUTION
        "p*(a1*v1 + a2*v2 + a3*v3) + q*(b1*v1 + b2*v2 + b3*v3)",
        "p*(Sa + a3*v3) + q*(Sb + b3*v3)",
        ### END SOLUTION
    ],
    "Z": [
        "(p*a1 + q*b1) + (p*a2 + q*b2) + (p*a3 + q*b3)",
        ### BEGIN SOLUTION
        "p*(a1 + a2 + a3) + q*(b1 + b2 + b3)",
        "p*(Za + a3) + q*(Zb + b3)",
        ### END SOLUTION
    ],
    "cost": [
        "i*(2*C*M + C) - (i - 1)*(2*C*M + C)",
        ### BEGIN SOLUTION
        "2*C*M + C",
        ### END SOLUTION
    ],
}

# %% check="derive_recurrence"
# %% study=true
seen = np.arange(1, 201)
figure, axis = plt.subplots(figsize=(5, 2.8))
axis.plot(seen, seen * (64 + 64) / 1e3, label="all keys again: i · (D + M)")
for width in (32, 64):
    axis.plot(seen, 0 * seen + width * (2 * 64 + 1) / 1e3, label=f"with a state, C = {width}")
axis.set(title="What position i costs (D = M = 64)", xlabel="position i", ylabel="thousand multiplications")
axis.legend()
plt.show()
print("the lines cross at position", math.ceil(64 * 129 / 128), "for C = 64")

# %% [markdown]
# *Figure 3. A state costs the same everywhere. With C = 64 it wins from position 65 on, with C = 32 from 33.*
#
# ## 3. What is in the state?
#
# $$\underbrace{S_i}_{(C,\,M)}=\sum_{j\le i}\underbrace{\phi(K_j)^{\mathsf T}V_j}_{(C,1)\,(1,M)}\qquad
# \underbrace{Z_i}_{(C,)}=\sum_{j\le i}\phi(K_j)$$
#
# $S_i$ is a matrix: row $c$ holds the values, weighed by feature $c$ of their keys. One entry of it, slowly:

# %%
entry = 0.0
for j in range(6):
    entry += features(keys)[j, 2] * values[j, 1]
print(f"S[5][2, 1] = {entry:.3f}")

# %% [markdown]
# **Exercise · `prefix_sums`** · ●●○ · 10 minutes · 2 points
#
# Take `key_features` $(N, C)$ and `values` $(N, M)$. Return the tuple `S` $(N, C, M)$ and `Z` $(N, C)$: all
# states at once, each with its own position in it.

# %% exercise="prefix_sums"
def prefix_sums(key_features, values):
    """Return S (N, C, M) and Z (N, C), the sums over all positions up to each: (N, C), (N, M)."""
    ### BEGIN SOLUTION
    products = key_features[:, :, None] * values[:, None, :]  # (N, C, M)
    return np.cumsum(products, axis=0), np.cumsum(key_features, axis=0)
    ### END SOLUTION


# %% check="prefix_sums"
# %% study=true
all_s, all_z = prefix_sums(features(keys), values)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.8))
for c in range(4):
    left.plot(all_z[:, c], "o-", ms=3, label=f"feature {c}")
    right.plot(all_s[:, c, 0], "o-", ms=3)
left.set(title="Z, your sums of key features", xlabel="position", ylabel="Z[i, c]")
right.set(title="first column of S", xlabel="position", ylabel="S[i, c, 0]")
left.legend()
plt.show()

# %% [markdown]
# *Figure 4. Features are positive, so Z climbs for ever. S goes up and down with the values. Their ratio is
# what attention reads.*
#
# ## 4. How does a query read it?
#
# $$\underbrace{V'_i}_{(M,)}=\frac{\phi(Q_i)\,S_i}{\phi(Q_i)\cdot Z_i}$$
#
# One row of $C$ features meets a matrix $(C, M)$ above the line, and a vector $(C,)$ below it.

# %%
asked = features(queries)[5]
held, count = np.zeros((4, 3)), np.zeros(4)
for j in range(6):
    held, count = held + features(keys)[j][:, None] * values[j], count + features(keys)[j]
print("output of position 5:", (asked.dot(held) / asked.dot(count)).round(3))

# %% [markdown]
# **Exercise · `causal_linear_attention`** · ●●○ · 15 minutes · 3 points
#
# Take `query_features` $(N, C)$, `key_features` $(N, C)$ and `values` $(N, M)$; return $(N, M)$. Memory and time
# must grow like N: no table of N × N, and no row that goes over all keys. One point is for that.

# %% exercise="causal_linear_attention"
def causal_linear_attention(query_features, key_features, values):
    """Return φ(Q_i)S_i / φ(Q_i)·Z_i for every position: (N, C), (N, C), (N, M) -> (N, M)."""
    ### BEGIN SOLUTION
    S, Z = prefix_sums(key_features, values)
    numerators = np.einsum("nc,ncm->nm", query_features, S)
    denominators = np.einsum("nc,nc->n", query_features, Z)
    return numerators / denominators[:, None]
    ### END SOLUTION


# %% check="causal_linear_attention"
# %% study=true
linear_weights = causal_linear_attention(features(queries), features(keys), np.eye(12))
figure, axes = plt.subplots(1, 2, figsize=(7, 3))
show_weights(axes[0], causal_softmax_attention(queries, keys, np.eye(12)), "softmax")
drawn = show_weights(axes[1], linear_weights, "linear, elu(x) + 1")
figure.colorbar(drawn, ax=axes, label="weight")
plt.show()
print("largest weight of the last row: softmax",
      causal_softmax_attention(queries, keys, np.eye(12))[-1].max().round(2), "linear", linear_weights[-1].max().round(2))

# %% [markdown]
# *Figure 5. Both are causal. Linear attention is another attention, not an approximation: its
# weights spread more evenly over the past.*
#
# **What would happen if** N were 16 384, with C = 128 and M = 64? All states at once are a large array.

# %% study=true
print(f"S for every position: {16384 * 128 * 64 * 4 / 1e9:.2f} GB, one state: {128 * 65 * 4 / 1e3:.0f} kB")

# %% [markdown]
# Sections 6 and 7 do without it. First a question of trust.
#
# ## 5. Does it look into the future?
#
# Causality is a promise: rows up to $i$ do not change when anything after $i$ does. Published code has broken
# it. One library divides the keys by their maximum over *all* positions, then adds a small constant.

# %%
def by_global_maximum(query_features, key_features, values):
    """Divide the keys by their global maximum and add a constant: a slow loop with a leak."""
    scaled = key_features / np.max(key_features) + 0.05
    rows = []
    for i in range(len(values)):
        heard = scaled[: i + 1] @ query_features[i]
        rows.append(heard @ values[: i + 1] / heard.sum())
    return np.array(rows)


late = features(keys)
late[9] *= 30
moved = by_global_maximum(features(queries), late, values) - by_global_maximum(features(queries), features(keys), values)
print("key 9 changed; rows 0 to 8 moved by up to", np.abs(moved[:9]).max().round(3))

# %% [markdown]
# **Exercise · `is_causal`** · ●●○ · 20 minutes · 4 points
#
# Write the test. `attention` is any function (query_features $(N, C)$, key_features $(N, C)$, values $(N, M)$)
# → $(N, M)$, for positive features, without randomness. Return True if it is causal, else False.
#
# You choose the sizes and the numbers. The check tries the eleven in `attentions.py`, beside this notebook; grading
# adds others that you have not seen. Some leak through values, some through keys alone or queries alone, some only in
# some rows, some only when a maximum moves. Rounding is no leak.

# %% exercise="is_causal"
def is_causal(attention):
    """Return whether no row of attention(query_features, key_features, values) depends on later rows."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(0)
    length = 24
    shapes = ((length, 4), (length, 4), (length, 3))
    before = [np.exp(rng.normal(size=shape)) for shape in shapes]
    other = [10 * np.exp(rng.normal(size=shape)) for shape in shapes]
    expected = np.asarray(attention(*before))
    for i in range(1, length):
        changed = [np.concatenate([old[:i], new[i:]]) for old, new in zip(before, other, strict=True)]
        if not np.allclose(np.asarray(attention(*changed))[:i], expected[:i], rtol=1e-6, atol=1e-9):
            return False
    return True
    ### END SOLUTION


# %% check="is_causal"
# %% study=true
candidates = {"yours, causal_linear_attention": causal_linear_attention, "by_global_maximum": by_global_maximum}
figure, axis = plt.subplots(figsize=(5.4, 2.8))
for (name, candidate), style in zip(candidates.items(), ("o-", "s--"), strict=True):
    print(f"{name}: is_causal says {is_causal(candidate)}")
    shift = candidate(features(queries), late, values) - candidate(features(queries), features(keys), values)
    axis.semilogy(np.abs(shift).max(axis=1) + 1e-17, style, ms=4, label=name)
axis.axvspan(-0.4, 8.6, color="grey", alpha=0.15, lw=0)
axis.set(title="Key 9 grows thirtyfold: which rows move?", xlabel="position", ylabel="largest change")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 6. The past is grey. An honest attention does not move there at all (the bottom line). The global
# maximum lets the future through, in every row but the first, which has one key only.*
#
# **What would happen if** the features were exponentials, $e^{n_j}$, as with lesson 02's key factor? They must
# be lowered before they overflow. A global maximum is a look ahead, and one loud late key drowns all before
# it. The *running* maximum looks back only: whenever it rises, the state is rescaled.

# %% study=true
loud = rng.normal(size=37) * 3
loud[36] = 800.0
sevens = rng.normal(size=37)
with np.errstate(invalid="ignore"):
    lowered = np.exp(loud - loud.max())
    by_global = np.cumsum(lowered * sevens) / np.cumsum(lowered)
best, held_s, held_z, by_running = -np.inf, 0.0, 0.0, []
for exponent, number in zip(loud, sevens, strict=True):
    higher = max(best, exponent)
    held_s = held_s * math.exp(best - higher) + math.exp(exponent - higher) * number
    held_z = held_z * math.exp(best - higher) + math.exp(exponent - higher)
    best = higher
    by_running.append(held_s / held_z)
figure, axis = plt.subplots(figsize=(5.4, 2.7))
axis.plot(by_running, "o-", ms=3, label="running maximum")
axis.plot(by_global, "X", ms=9, color="C3", label="global maximum")
axis.set(title="One late key with exponent 800", xlabel="position", ylabel="output")
axis.legend()
plt.show()
print("global maximum: rows that are not a number:", int(np.isnan(by_global).sum()), "of 37; running maximum:",
      int(np.isnan(by_running).sum()))

# %% [markdown]
# *Figure 7. Under the global maximum 36 of 37 rows are 0/0; only the last has a value. The running maximum
# gives every row.*
#
# ## 6. Can attention be a recurrent network?
#
# All that position $i$ needs from the past is $S_{i-1}$ and $Z_{i-1}$. That is a hidden state, and attention is
# a recurrent network: take in a position, update, read.

# $$(S_{i-1}, Z_{i-1})\;\xrightarrow{\ \phi(K_i),\,V_i\ }\;(S_i, Z_i)\;\xrightarrow{\ \phi(Q_i)\ }\;V'_i$$

# %%
for length in (10, 1_000, 100_000):
    print(f"{length:>6} positions: all keys and values are {length * (4 + 3):>6} numbers, the state is {4 * 3 + 4}")

# %% [markdown]
# **Exercise · `attention_step`** · ●○○ · 10 minutes · 3 points
#
# Take `state`, a tuple of `S` $(C, M)$ and `Z` $(C,)$, then `query_feature` $(C,)$, `key_feature` $(C,)$ and `value`
# $(M,)$. Return `(new_state, output)`, the output of shape $(M,)$. Leave the given state as it was: somebody may
# want to go back to it.

# %% exercise="attention_step"
def attention_step(state, query_feature, key_feature, value):
    """Take in one position: (S (C, M), Z (C,)), (C,), (C,), (M,) -> (new_state, output (M,))."""
    ### BEGIN SOLUTION
    S, Z = state
    S = S + np.outer(key_feature, value)  # new arrays: the given state stays as it was
    Z = Z + key_feature
    return (S, Z), query_feature @ S / (query_feature @ Z)
    ### END SOLUTION


# %% check="attention_step"
# %% study=true
stream = [features(rng.normal(size=(400, 8))), features(rng.normal(size=(400, 8))), rng.normal(size=(400, 4))]
state, told = (np.zeros((8, 4)), np.zeros(8)), []
for one_query, one_key, one_value in zip(*stream, strict=True):
    state, spoken = attention_step(state, one_query, one_key, one_value)
    told.append(spoken)
at_once = causal_linear_attention(*stream)
print(f"400 steps against all at once: largest difference {np.abs(np.array(told) - at_once).max():.0e}")
figure, axis = plt.subplots(figsize=(5.4, 2.6))
axis.plot(at_once[:, 0], lw=4, alpha=0.4, label="all at once")
axis.plot(np.array(told)[:, 0], lw=1, color="C3", label="your steps")
axis.set(title="The same attention, one position at a time", xlabel="position", ylabel="first output")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 8. One curve covers the other. As the past grows, each new position moves the mean less: a sum never
# forgets. Newer models let the state fade.*
#
# **What would happen if** `attention_step` changed the given state? Trying two continuations of one text would
# mix them up.
#
# ## 7. Can it be fast, too?
#
# N small steps keep a processor waiting. The cure: cut the sequence into chunks of $B$. Within a chunk, a small
# masked table. From all chunks before, the state.
#
# $$\underbrace{\text{numerators}}_{(B,\,M)}=\underbrace{\mathrm{tril}(\phi_q\phi_k^{\mathsf T})}_{(B,\,B)}V
# +\underbrace{\phi_q}_{(B,\,C)}\underbrace{S}_{(C,\,M)}$$

# %% study=true
blocks = np.full((12, 12), np.nan)
for i in range(12):
    for j in range(i + 1):
        blocks[i, j] = 1.0 if i // 4 == j // 4 else 0.4
figure, axis = plt.subplots(figsize=(3.6, 3))
axis.pcolormesh(blocks, cmap="Blues", vmin=0, vmax=1.4, edgecolors="white")
axis.text(1.2, 8.5, "through\nthe state")
axis.annotate("table", (5.5, 5), (8, 3), arrowprops={"arrowstyle": "->"})
axis.set(title="Chunks of four", xlabel="key j", ylabel="query i", ylim=(12, 0), aspect="equal")
plt.show()

# %% [markdown]
# *Figure 9. Dark squares are computed pair by pair, one small triangle in each chunk. All light squares of a
# chunk come from one product with the state.*
#
# **Exercise · `chunked_causal_linear_attention`** · ●●● · 25 minutes · 4 points
#
# Same arguments as before, and `chunk_size`; return $(N, M)$. N need not be a multiple. Beside input, output and
# one copy of it, hold no more than $O(CM + B(C+M+B))$ numbers: one point is for that, one for linear cost. A
# loop over chunks is welcome.

# %% exercise="chunked_causal_linear_attention"
def chunked_causal_linear_attention(query_features, key_features, values, chunk_size):
    """Return causal linear attention, one chunk of positions at a time: (N, C), (N, C), (N, M) -> (N, M)."""
    ### BEGIN SOLUTION
    kind = np.result_type(key_features, 1.0)  # float32 stays float32
    S = np.zeros((key_features.shape[1], values.shape[1]), kind)  # (C, M)
    Z = np.zeros(key_features.shape[1], kind)  # (C,)
    outputs = []
    for start in range(0, len(values), chunk_size):
        rows = slice(start, start + chunk_size)
        q, k, v = query_features[rows], key_features[rows], values[rows]
        inside = np.tril(q @ k.T)  # (B, B), the similarities within the chunk
        numerators = inside @ v + q @ S
        denominators = inside.sum(axis=1) + q @ Z
        outputs.append(numerators / denominators[:, None])
        S = S + k.T @ v
        Z = Z + k.sum(axis=0)
    return np.concatenate(outputs)
    ### END SOLUTION


# %% check="chunked_causal_linear_attention"
# %% study=true
def milliseconds(run):
    """Return the best wall time of three runs."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - begun))
    return min(times)


lengths, curves = [256, 1024, 4096], {}
for length in lengths:
    wide = [features(rng.normal(size=(length, 32))), features(rng.normal(size=(length, 32))), rng.normal(size=(length, 32))]
    runs = {"chunks of 64": lambda a=wide: chunked_causal_linear_attention(*a, 64),
            "chunks of 1": lambda a=wide: chunked_causal_linear_attention(*a, 1),
            "all states": lambda a=wide: causal_linear_attention(*a),
            "softmax": lambda a=wide: causal_softmax_attention(*a)}
    for name, run in runs.items():
        curves.setdefault(name, []).append(milliseconds(run))
figure, axis = plt.subplots(figsize=(5.2, 3))
for name, curve in curves.items():
    axis.loglog(lengths, curve, "o-", ms=4, label=name)
axis.set(title="Time of your four attentions (C = M = 32)", xlabel="N", ylabel="milliseconds", xticks=lengths)
axis.set_xticklabels(lengths)
axis.minorticks_off()
axis.legend()
plt.show()
for name, curve in curves.items():
    print(f"{name}: {curve[-1]:.1f} ms at N = 4096, {curve[-1] / curve[-2]:.1f} times that at 1024")

# %% [markdown]
# *Figure 10. For four times the length, softmax takes more than ten times as long. The other lines are flatter. Chunks are
# by far the fastest: matrix products are what processors do best.*
#
# **What would happen if** the chunk were as long as the sequence? There would be one table of N × N again. A chunk of
# one is the recurrent network.
#
# ## 8. How does it learn?
#
# Given $G_i=\partial L/\partial V'_i$, what are the gradients? First the quotient, with $V'_i=\text{num}_i/\text{den}_i$:
#
# $$g_i=\frac{\partial L}{\partial\,\text{num}_i}=\frac{G_i}{\text{den}_i}\qquad
# h_i=\frac{\partial L}{\partial\,\text{den}_i}=-\frac{G_i\cdot V'_i}{\text{den}_i}$$
#
# Then the sums. Query $i$ has met the state of the past. Key and value $j$ are heard by all rows $i\ge j$:
#
# $$\partial\phi(Q_i)=S_i\,g_i+Z_i\,h_i\qquad \partial\phi(K_j)=\sum_{i\ge j}\phi(Q_i)\,(g_i\cdot V_j+h_i)\qquad
# \partial V_j=\sum_{i\ge j}(\phi(Q_i)\cdot\phi(K_j))\,g_i$$

# %%
weights_of_the_loss = rng.normal(size=(12, 3))
print("the sums over i ≥ j run backwards: position 11 first, position 0 last")

# %% [markdown]
# **Exercise · `causal_linear_attention_gradients`** · ●●● · 35 minutes · 5 points
#
# Take `query_features`, `key_features` $(N, C)$, `values` and `output_gradient` $(N, M)$. Return the three gradients,
# each of its input's shape. Time must grow like N, and no array $(N, C, M)$ may be made: a point for each. One
# loop forward and one backward will do. So S and Z carry the past, and you carry sums over what comes later.

# %% exercise="causal_linear_attention_gradients"
def causal_linear_attention_gradients(query_features, key_features, values, output_gradient):
    """Return the gradients of a loss with ∂L/∂V' given: (N, C), (N, C), (N, M), (N, M) -> three like the inputs."""
    ### BEGIN SOLUTION
    (length, width), depth = key_features.shape, values.shape[1]
    d_queries, d_keys = np.zeros((length, width)), np.zeros((length, width))
    d_values = np.zeros((length, depth))
    d_numerator, d_denominator = np.zeros((length, depth)), np.zeros(length)
    S, Z = np.zeros((width, depth)), np.zeros(width)
    for i in range(length):
        S += np.outer(key_features[i], values[i])
        Z += key_features[i]
        denominator = query_features[i] @ Z
        output = query_features[i] @ S / denominator
        d_numerator[i] = output_gradient[i] / denominator
        d_denominator[i] = -(output_gradient[i] @ output) / denominator
        d_queries[i] = S @ d_numerator[i] + Z * d_denominator[i]
    U, Y = np.zeros((width, depth)), np.zeros(width)
    for i in reversed(range(length)):
        U += np.outer(query_features[i], d_numerator[i])  # sums over all later positions and i
        Y += query_features[i] * d_denominator[i]
        d_keys[i] = U @ values[i] + Y
        d_values[i] = key_features[i] @ U
    return d_queries, d_keys, d_values
    ### END SOLUTION


# %% check="causal_linear_attention_gradients"
# %% study=true
inputs = [features(queries), features(keys), values]
by_hand = causal_linear_attention_gradients(*inputs, weights_of_the_loss)
figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.8))
for axis, which, name in zip(axes, range(3), ("query features", "key features", "values"), strict=True):
    numeric = np.zeros_like(inputs[which])
    for place in np.ndindex(numeric.shape):
        sides = []
        for step in (1e-5, -1e-5):
            nudged = [x.copy() for x in inputs]
            nudged[which][place] += step
            sides.append(np.sum(weights_of_the_loss * causal_linear_attention(*nudged)))
        numeric[place] = (sides[0] - sides[1]) / 2e-5
    axis.plot(numeric.ravel(), by_hand[which].ravel(), ".")
    axis.axline((0, 0), slope=1, color="grey", lw=0.8)
    axis.set(title=name, xlabel="difference quotient")
    print(f"{name}: largest difference {np.abs(numeric - by_hand[which]).max():.0e}")
axes[0].set(ylabel="by hand")
plt.show()

# %% [markdown]
# *Figure 11. Each dot is one entry of a gradient. Your formula and the difference quotient agree.*
#
# **What would happen if** you stored every state on the way forward? Backward would be simpler, and need
# $N\cdot C\cdot M$ numbers.
#
# ## 9. How long can a text get?
#
# Now decode: each output becomes the next input. Softmax must keep every key and value, the cache, and
# read it all for every position. Your step keeps S and Z.

# %% study=true
wq, wk, wv, wo = (rng.normal(size=(32, 32)) / 6 for _ in range(4))


def decode_with_state(count, marks):
    """Decode `count` positions with attention_step; return bytes kept and microseconds a position at the marks."""
    x, memory, kept, spent = np.ones(32), (np.zeros((32, 32)), np.zeros(32)), [], []
    begun, last = time.perf_counter(), 0
    for i in range(1, count + 1):
        memory, y = attention_step(memory, features(x @ wq), features(x @ wk), x @ wv)
        x = np.tanh(x + y @ wo)
        if i in marks:
            kept.append(sum(part.nbytes for part in memory))
            spent.append(1e6 * (time.perf_counter() - begun) / (i - last))
            begun, last = time.perf_counter(), i
    return kept, spent


def decode_with_cache(count, marks):
    """Decode `count` positions with softmax and all keys and values kept; return the same two lists."""
    x, seen_k, seen_v, kept, spent = np.ones(32), [], [], [], []
    begun, last = time.perf_counter(), 0
    for i in range(1, count + 1):
        seen_k.append(x @ wk)
        seen_v.append(x @ wv)
        scores = np.array(seen_k) @ (x @ wq) / math.sqrt(32)
        share = np.exp(scores - scores.max())
        x = np.tanh(x + (share / share.sum()) @ np.array(seen_v) @ wo)
        if i in marks:
            kept.append(2 * i * x.nbytes)
            spent.append(1e6 * (time.perf_counter() - begun) / (i - last))
            begun, last = time.perf_counter(), i
    return kept, spent


tracemalloc.start()
short_marks, long_marks = [250, 500, 1000, 1500, 2000], [250, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000]
state_kept, state_spent = decode_with_state(1000, [1000])
before, _ = tracemalloc.get_traced_memory()
tracemalloc.reset_peak()
decode_with_state(4000, [4000])
peak = tracemalloc.get_traced_memory()[1] - before
tracemalloc.stop()
state_kept, state_spent = decode_with_state(40_000, long_marks)
cache_kept, cache_spent = decode_with_cache(2000, short_marks)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.loglog(long_marks, np.array(state_kept) / 1e3, "o-", label="state S, Z")
left.loglog(short_marks, np.array(cache_kept) / 1e3, "s-", label="all keys and values")
left.set(title="What is kept", xlabel="positions decoded", ylabel="kilobytes")
right.loglog(long_marks, state_spent, "o-")
right.loglog(short_marks, cache_spent, "s-")
right.set(title="Time of one more position", xlabel="positions decoded", ylabel="microseconds")
left.legend()
plt.show()
print(f"state: {state_kept[0] / 1e3:.1f} kB after 250 positions, {state_kept[-1] / 1e3:.1f} kB after 40 000")
print(f"cache: {cache_kept[0] / 1e3:.0f} kB after 250 positions, {cache_kept[-1] / 1e3:.0f} kB after 2000")
print(f"largest memory while decoding 4000 positions: {peak / 1e3:.0f} kB")
print(f"microseconds a position: state {state_spent[0]:.0f} → {state_spent[-1]:.0f}, "
      f"cache {cache_spent[0]:.0f} → {cache_spent[-1]:.0f}")

# %% [markdown]
# *Figure 12. Your state keeps 8.4 kB whether 250 or 40 000 positions have gone by, and a position costs the
# same at the end. The cache passes 1 MB at 2000, and each further position costs more than the last. (This cache is
# a Python list, joined anew each time; a better one still has to read every key.)*
#
# The price: 8.4 kB cannot remember 40 000 positions. What a text says only once may drown in the sum.
#
# ## Summary
#
# - With features, the past of causal attention fits into $S$ and $Z$. A position costs $2CM+C$ multiplications.
# - All states at once, one step at a time, or chunk by chunk: three orders of one sum. Chunks are fast and small.
# - Causality can be tested: change the future, and the past must not move. A maximum over all positions leaks.
# - The backward pass is the same idea from the other end.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Katharopoulos et al. 2020](https://arxiv.org/abs/2006.16236), *Transformers are RNNs*;
# chunks as in [Hua et al. 2022](https://arxiv.org/abs/2202.10447); the running maximum as in
# [Milakov and Gimelshein 2018](https://arxiv.org/abs/1805.02867).
#
# **Where it lives today.** RetNet, GLA, Mamba-2 and DeltaNet let this state fade or overwrite itself, and train in
# chunks. Several large models mix such layers with a few softmax ones, for long texts at a constant cost.
