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
# A language model that trains in parallel and generates with a memory that never grows: at the end of this
# notebook you train one, with a layer of your own. Afterwards you will be able to
#
# - compute causal attention in time that grows like N, with autograd all the way;
# - test whether an attention looks into the future, and catch it if it does;
# - find what makes a backward pass quadratic, and write one that isn't;
# - say what such a model gains and loses beside softmax attention.
#
# It takes about four hours, 180 minutes of them for the exercises, and carries 29 points.
# You need tensors, `backward()`, and lessons 01 and 02.

# %% setup=true
import autograder

lesson = autograder.lesson("03-causal-linear-attention", track="pytorch")

# %% [markdown]
# After each exercise stands a check cell. It judges values, dtype and the gradients that reach every input.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.
#
# `as_floats`, below, is yours to use: integer tensors can't be divided as they are.

# %%
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})


def as_floats(*tensors):
    """Return the tensors, integers promoted to the default dtype; dtype and device are kept otherwise."""
    default = torch.get_default_dtype()
    return tuple(t if t.is_floating_point() else t.to(default) for t in tensors)


def features(x):
    """Return elu(x) + 1, a positive feature for each entry: (…, D) -> (…, D)."""
    return F.elu(x) + 1


def show_weights(axis, table, title, top=1.0):
    """Draw a table (N, N); what is exactly zero stays white."""
    drawn = axis.imshow(torch.where(table == 0, torch.nan, table), cmap="viridis", vmin=0, vmax=top)
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
generator = torch.Generator().manual_seed(5)


def normal(*shape):
    """Draw a float64 tensor of standard normal numbers."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


queries, keys, values = normal(12, 4), normal(12, 4), normal(12, 3)
print("12 positions, D = 4, M = 3; the features of key 0:", [round(f, 2) for f in features(keys)[0].tolist()])

# %% [markdown]
# ## 1. What may a position see?
#
# Whoever predicts the next word must not see it. Position $i$ listens to itself and to what came before.
# Autograd can tell who listened to whom: it knows where each number came from.

# %% study=true
def influence(attention, *arguments):
    """Return how strongly row i of the result depends on row j of the keys: (N, N)."""
    jacobian = torch.autograd.functional.jacobian(lambda k: attention(arguments[0], k, arguments[2]), arguments[1])
    return jacobian.abs().sum(dim=(1, 3))


def torch_attention(causal):
    """Return torch's own attention as a function of (N, D) tensors."""
    return lambda q, k, v: F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]


figure, axes = plt.subplots(1, 2, figsize=(6.4, 3))
for axis, causal in zip(axes, (False, True), strict=True):
    drawn = show_weights(axis, influence(torch_attention(causal), queries, keys, values), f"is_causal={causal}")
figure.colorbar(drawn, ax=axes, label="Σ |∂V'ᵢ / ∂Kⱼ|, cut at 1")
plt.show()

# %% [markdown]
# *Figure 1. Influence of key j on output i, by autograd, in torch's attention. White is none. The causal one ends on
# the diagonal; row 0 has one key, so its weight is 1 whatever that key is.*
#
# $$V'_i=\frac{\sum_{j\le i} e^{Q_i\cdot K_j/\sqrt D}\,V_j}{\sum_{j\le i} e^{Q_i\cdot K_j/\sqrt D}}
# \qquad \underbrace{V'}_{(N,\,M)}$$

# %%
position, above, below = 3, torch.zeros(3, dtype=torch.float64), 0.0
for j in range(position + 1):
    loudness = math.exp(torch.dot(queries[position], keys[j]).item() / 2)
    above, below = above + loudness * values[j], below + loudness
print("output of position 3:", [round(x, 3) for x in (above / below).tolist()])

# %% [markdown]
# **Exercise · `causal_softmax_attention`** · ●○○ · 10 minutes · 1 point
#
# Take `queries` $(N, D)$, `keys` $(N, D)$, `values` $(N, M)$; return $(N, M)$ without a Python loop.
# It must be finite for scores up to 10 000. `torch.softmax` lowers each row by itself.

# %% exercise="causal_softmax_attention"
def causal_softmax_attention(queries, keys, values):
    """Return softmax attention of each position to itself and what came before: (N, D), (N, D), (N, M) -> (N, M)."""
    ### BEGIN SOLUTION
    queries, keys, values = as_floats(queries, keys, values)
    scores = queries @ keys.mT / queries.shape[-1] ** 0.5  # (N, N)
    future = torch.ones_like(scores, dtype=torch.bool).triu(diagonal=1)
    return torch.softmax(scores.masked_fill(future, -torch.inf), dim=-1) @ values
    ### END SOLUTION


# %% check="causal_softmax_attention"
# %% study=true
gap = (causal_softmax_attention(queries, keys, values) - torch_attention(True)(queries, keys, values)).abs().max()
print(f"largest difference from scaled_dot_product_attention(…, is_causal=True): {gap:.0e}")
for length in (1_000, 10_000, 100_000):
    print(f"N = {length:>7}: a table of {length**2 * 4 / 1e9:8.3f} GB in float32, kept for the backward pass")

# %% [markdown]
# **What would happen if** the sequence were a book? Torch's kernel need not keep the table. But it, too, compares every
# position with every earlier one.
#
# ## 2. Must we look at every key again?
#
# Position $i$ sees what position $i-1$ saw, and one key more. With features, $\phi(Q_i)\cdot\phi(K_j)$ in place
# of the exponential, the sum over the past can be kept. Take two features, and values of one entry:
#
# $$(p\,a_1+q\,b_1)\,v_1+(p\,a_2+q\,b_2)\,v_2+(p\,a_3+q\,b_3)\,v_3$$
#
# is the numerator of position 3. Its query has the features $p, q$; key $j$ has $a_j, b_j$. An exponential of
# $q\cdot k$ cannot be split that way.

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
# %% [markdown]
# ## 3. What is in the state?
#
# $$\underbrace{S_i}_{(C,\,M)}=\sum_{j\le i}\underbrace{\phi(K_j)^{\mathsf T}V_j}_{(C,1)\,(1,M)}\qquad
# \underbrace{Z_i}_{(C,)}=\sum_{j\le i}\phi(K_j)$$
#
# $S_i$ is a matrix: row $c$ holds the values, weighed by feature $c$ of their keys. One entry of it, slowly:

# %%
entry = 0.0
for j in range(6):
    entry += (features(keys)[j, 2] * values[j, 1]).item()
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
    key_features, values = as_floats(key_features, values)
    products = key_features[:, :, None] * values[:, None, :]  # (N, C, M)
    return products.cumsum(dim=0), key_features.cumsum(dim=0)
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
# *Figure 2. Features are positive, so Z climbs for ever. S goes up and down with the values.*
#
# ## 4. How does a query read it?
#
# $$\underbrace{V'_i}_{(M,)}=\frac{\phi(Q_i)\,S_i}{\phi(Q_i)\cdot Z_i}$$
#
# One row of $C$ features meets a matrix $(C, M)$ above the line, and a vector $(C,)$ below it.

# %%
asked = features(queries)[5]
held, count = torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
for j in range(6):
    held, count = held + features(keys)[j][:, None] * values[j], count + features(keys)[j]
print("output of position 5:", [round(x, 3) for x in (asked.matmul(held) / asked.dot(count)).tolist()])

# %% [markdown]
# **Exercise · `causal_linear_attention`** · ●●○ · 15 minutes · 3 points
#
# Take `query_features` $(N, C)$, `key_features` $(N, C)$ and `values` $(N, M)$; return $(N, M)$. Memory and time
# must grow like N: no table of N × N, and no row that goes over all keys. One point is for that.

# %% exercise="causal_linear_attention"
def causal_linear_attention(query_features, key_features, values):
    """Return φ(Q_i)S_i / φ(Q_i)·Z_i for every position: (N, C), (N, C), (N, M) -> (N, M)."""
    ### BEGIN SOLUTION
    query_features, key_features, values = as_floats(query_features, key_features, values)
    S, Z = prefix_sums(key_features, values)
    numerators = torch.einsum("nc,ncm->nm", query_features, S)
    denominators = (query_features * Z).sum(dim=1, keepdim=True)
    return numerators / denominators
    ### END SOLUTION


# %% check="causal_linear_attention"
# %% study=true
figure, axes = plt.subplots(1, 2, figsize=(7, 3))
weights = causal_linear_attention(features(queries), features(keys), torch.eye(12, dtype=torch.float64))
drawn = show_weights(axes[0], weights, "weights")
figure.colorbar(drawn, ax=axes[0])
drawn = show_weights(axes[1], influence(causal_linear_attention, features(queries), features(keys), values),
                     "influence, by autograd", None)
figure.colorbar(drawn, ax=axes[1])
plt.show()
print(f"N = 16384, C = 128, M = 64, float32: S takes {16384 * 128 * 64 * 4 / 1e9:.2f} GB, one state "
      f"{128 * 65 * 4 / 1e3:.0f} kB")

# %% [markdown]
# *Figure 3. Left, your weights: attention to the identity. Right, what autograd says of the keys' influence. Nothing
# stands above the diagonal in either.*
#
# It is linear, but it makes all states at once. Sections 6 and 7 do without. First a question of trust.
#
# ## 5. Does it look into the future?
#
# Causality is a promise: rows up to $i$ do not change when anything after $i$ does. Published code has broken it.
# One library divides the keys by their maximum over *all* positions, then adds a small constant.

# %%
def by_global_maximum(query_features, key_features, values):
    """Divide the keys by their global maximum and add a constant: a slow loop with a leak."""
    scaled = key_features / torch.amax(key_features) + 0.05
    rows = []
    for i in range(len(values)):
        heard = scaled[: i + 1] @ query_features[i]
        rows.append(heard @ values[: i + 1] / heard.sum())
    return torch.stack(rows)


late = features(keys)
late[9] *= 30
moved = by_global_maximum(features(queries), late, values) - by_global_maximum(features(queries), features(keys), values)
print(f"key 9 changed; rows 0 to 8 moved by up to {moved[:9].abs().max():.3f}")

# %% [markdown]
# **Exercise · `is_causal`** · ●●○ · 20 minutes · 4 points
#
# Write the test. `attention` is any function (query_features $(N, C)$, key_features $(N, C)$, values $(N, M)$)
# → $(N, M)$, for positive features, without randomness. Return True if it is causal, else False.
#
# You choose the sizes and the numbers. The check tries the eleven in `attentions.py`, beside this notebook; grading
# adds others that you have not seen. Some leak through values, some through keys alone or queries alone, some only in
# some rows, some only when a maximum moves. Some cannot be differentiated. Rounding is no leak.

# %% exercise="is_causal"
def is_causal(attention):
    """Return whether no row of attention(query_features, key_features, values) depends on later rows."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(0)
    length = 24
    shapes = ((length, 4), (length, 4), (length, 3))
    before, other = (
        [scale * torch.randn(shape, generator=generator, dtype=torch.float64).exp() for shape in shapes]
        for scale in (1, 10)
    )
    expected = attention(*before)
    for i in range(1, length):
        changed = [torch.cat([old[:i], new[i:]]) for old, new in zip(before, other, strict=True)]
        if not torch.allclose(attention(*changed)[:i], expected[:i], rtol=1e-6, atol=1e-9):
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
    axis.semilogy(shift.abs().amax(dim=1) + 1e-17, style, ms=4, label=name)
axis.axvspan(-0.4, 8.6, color="grey", alpha=0.15, lw=0)
axis.set(title="Key 9 grows thirtyfold: which rows move?", xlabel="position", ylabel="largest change")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 4. The past is grey. An honest attention does not move there at all (the bottom line). The global
# maximum lets the future through, in every row but the first, which has one key only.*
#
# **What would happen if** the features were exponentials, $e^{n_j}$, as with lesson 02's key factor? They must be
# lowered before they overflow. A global maximum looks ahead, and one loud late key drowns all before it. The *running*
# maximum looks back only; `torch.logcumsumexp` carries one along inside.

# %% study=true
loud, told = 3 * normal(37), normal(37)
loud[36] = 800.0
lowered = torch.exp(loud - loud.max())
by_global = torch.cumsum(lowered * told, 0) / torch.cumsum(lowered, 0)
below = torch.logcumsumexp(loud, 0)
parts = [torch.logcumsumexp(loud + part.log(), 0) - below for part in (told.clamp(min=0), (-told).clamp(min=0))]
by_running = parts[0].exp() - parts[1].exp()
figure, axis = plt.subplots(figsize=(5.4, 2.7))
axis.plot(by_running, "o-", ms=3, label="running maximum")
axis.plot(by_global, "X", ms=9, color="C3", label="global maximum")
axis.set(title="One late key with exponent 800", xlabel="position", ylabel="output")
axis.legend()
plt.show()
print("rows that are not a number: global maximum", by_global.isnan().sum().item(), "of 37, running maximum",
      by_running.isnan().sum().item())

# %% [markdown]
# *Figure 5. Under the global maximum 36 of 37 rows are 0/0; only the last has a value. The running maximum
# gives every row.*
#
# ## 6. Can attention be a recurrent network?
#
# All that position $i$ needs from the past is $S_{i-1}$ and $Z_{i-1}$. That is a hidden state: take in a position,
# update, read.
#
# $$(S_{i-1}, Z_{i-1})\;\xrightarrow{\ \phi(K_i),\,V_i\ }\;(S_i, Z_i)\;\xrightarrow{\ \phi(Q_i)\ }\;V'_i$$

# %%
for length in (10, 1_000, 100_000):
    print(f"{length:>6} positions: all keys and values are {length * (4 + 3):>6} numbers, the state is {4 * 3 + 4}")

# %% [markdown]
# **Exercise · `attention_step`** · ●○○ · 10 minutes · 3 points
#
# Take `state`, a tuple of `S` $(C, M)$ and `Z` $(C,)$, then `query_feature` $(C,)$, `key_feature` $(C,)$ and `value`
# $(M,)$. Return `(new_state, output)`, the output of shape $(M,)$. Leave the given state as it was: autograd needs
# it, and so does whoever goes back to it.

# %% exercise="attention_step"
def attention_step(state, query_feature, key_feature, value):
    """Take in one position: (S (C, M), Z (C,)), (C,), (C,), (M,) -> (new_state, output (M,))."""
    ### BEGIN SOLUTION
    S, Z = as_floats(*state)
    query_feature, key_feature, value = as_floats(query_feature, key_feature, value)
    S = S + torch.outer(key_feature, value)  # new tensors: the given state stays as it was
    Z = Z + key_feature
    return (S, Z), query_feature @ S / (query_feature @ Z)
    ### END SOLUTION


# %% check="attention_step"
# %% study=true
stream = [features(normal(300, 8)), features(normal(300, 8)), normal(300, 4).requires_grad_()]
state, spoken = (torch.zeros(8, 4, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)), []
for one_query, one_key, one_value in zip(*stream, strict=True):
    state, row = attention_step(state, one_query, one_key, one_value)
    spoken.append(row)
at_once = causal_linear_attention(*stream)
print(f"300 steps against all at once: largest difference {(torch.stack(spoken) - at_once).abs().max():.0e}")
(reach,) = torch.autograd.grad(spoken[-1].sum(), stream[2])
figure, axis = plt.subplots(figsize=(5.4, 2.6))
axis.plot(reach[:, 0], lw=1)
axis.set(title="Gradient from the last output through all steps", xlabel="position of the value",
         ylabel="∂V'₂₉₉ / ∂V", ylim=(0, None))
plt.show()

# %% [markdown]
# *Figure 6. Backpropagation through 300 steps. The gradient neither fades nor explodes on the way: the state is a
# plain sum, and the first value counts like the last. It never forgets, either.*
#
# **What would happen if** `attention_step` changed the given state? Autograd would complain, and two continuations of
# one text would mix.
#
# ## 7. Can it be fast, too?
#
# N small steps keep a processor waiting. Cut the sequence into chunks of $B$. Within a chunk, a small masked table.
# From all chunks before, the state.
#
# $$\underbrace{\text{numerators}}_{(B,\,M)}=\underbrace{\mathrm{tril}(\phi_q\phi_k^{\mathsf T})}_{(B,\,B)}V
# +\underbrace{\phi_q}_{(B,\,C)}\underbrace{S}_{(C,\,M)}$$

# %% study=true
blocks = torch.full((12, 12), torch.nan)
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
# *Figure 7. Dark squares are computed pair by pair, one small triangle in each chunk. All light squares of a
# chunk come from one product with the state.*
#
# **Exercise · `chunked_causal_linear_attention`** · ●●● · 25 minutes · 4 points
#
# Same arguments as before, and `chunk_size`; return $(N, M)$. N need not be a multiple. Beside input, output and
# one copy of it, hold no more than $O(CM + B(C+M+B))$ numbers: one point is for that, one for linear cost. Write it
# for the last two axes (`mT`, `dim=-2`), then it takes batches and heads in front. That is not checked here, but your
# layer will want it.

# %% exercise="chunked_causal_linear_attention"
def chunked_causal_linear_attention(query_features, key_features, values, chunk_size):
    """Return causal linear attention, one chunk of positions at a time: (…, N, C), (…, N, C), (…, N, M) -> (…, N, M)."""
    ### BEGIN SOLUTION
    tensors = as_floats(query_features, key_features, values)
    batch, width = tensors[1].shape[:-2], tensors[1].shape[-1]
    S = tensors[1].new_zeros((*batch, width, values.shape[-1]))
    Z = tensors[1].new_zeros((*batch, width, 1))
    outputs = []
    for q, k, v in zip(*(t.split(chunk_size, dim=-2) for t in tensors), strict=True):
        inside = torch.tril(q @ k.mT)  # (…, B, B), the similarities within the chunk
        numerators = inside @ v + q @ S
        denominators = inside.sum(dim=-1, keepdim=True) + q @ Z
        outputs.append(numerators / denominators)
        S = S + k.mT @ v
        Z = Z + k.sum(dim=-2)[..., None]
    return torch.cat(outputs, dim=-2)
    ### END SOLUTION


# %% check="chunked_causal_linear_attention"
# %% study=true
def milliseconds(run, repeat=3):
    """Return the best wall time of a few runs."""
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - begun))
    return min(times)


def example_of(length, width=32, heads=1):
    """Draw float32 features and values that ask for gradients."""
    q, k, v = (torch.randn(heads, length, width, generator=generator) for _ in range(3))
    return [x.detach().requires_grad_() for x in (features(q), features(k), v)]


lengths, curves = [256, 1024, 4096], {}
for length in lengths:
    batch = example_of(length)
    single = [x[0] for x in batch]
    runs = {"chunks of 64": lambda a=single: chunked_causal_linear_attention(*a, 64),
            "chunks of 8": lambda a=single: chunked_causal_linear_attention(*a, 8),
            "all states": lambda a=single: causal_linear_attention(*a),
            "softmax": lambda a=single: causal_softmax_attention(*a)}
    for name, run in runs.items():
        curves.setdefault(name, []).append(milliseconds(run))
figure, axis = plt.subplots(figsize=(5.2, 3))
for name, curve in curves.items():
    axis.loglog(lengths, curve, "o-", ms=4, label=name)
axis.set(title="Time of your attentions, forward (C = M = 32)", xlabel="N", ylabel="milliseconds", xticks=lengths)
axis.set_xticklabels(lengths)
axis.minorticks_off()
axis.legend()
plt.show()
for name, curve in curves.items():
    print(f"{name}: {curve[-1]:.1f} ms at N = 4096, {curve[-1] / curve[-2]:.1f} times that at 1024")

# %% [markdown]
# *Figure 8. For four times the length, softmax takes many times as long. Chunks of 64 are the fastest at 4096:
# matrix products are what processors do best.*
#
# ## 8. Why is my linear attention quadratic?
#
# A colleague cuts the chunks with slices. $N$ = 8192 positions, C = 32, chunks of 128, all inputs require gradients.
#
# ```text
# 1   outputs, S, Z = [], 0.0, 0.0
# 2   for start in range(0, 8192, 128):
# 3       q, k, v = (x[start : start + 128] for x in (query_features, key_features, values))
# 4       table = (q @ k.T) * triangle
# 5       outputs.append((table @ v + q @ (S + zeros)) / (table.sum(1) + q @ (Z + zero))[:, None])
# 6       S = S + k.T @ v
# 7       Z = Z + k.sum(0)
# 8   result = torch.cat(outputs)
# ```
#
# Forward it is linear. Forward and backward it is not:

# %% study=true
def forward_and_backward(pieces, length):
    """Time a loop over pieces of one tensor with its backward pass, in milliseconds."""
    x = torch.randn(length, 32, generator=generator, requires_grad=True)

    def run():
        total = torch.zeros(())
        for piece in pieces(x):
            total = total + piece.sum()
        total.backward()

    return milliseconds(run, repeat=5)


lengths = [4096, 8192, 16384, 32768]
ways = {"slices x[a:b]": lambda x: [x[a : a + 128] for a in range(0, len(x), 128)],
        "something else": lambda x: torch.split(x, 128)}
figure, axis = plt.subplots(figsize=(5, 2.9))
for name, pieces in ways.items():
    curve = [forward_and_backward(pieces, length) for length in lengths]
    axis.loglog(lengths, curve, "o-", ms=4, label=name)
    print(f"{name}: {curve[0]:.0f} ms at 4096, {curve[-1]:.0f} ms at 32768, {curve[-1] / curve[0]:.0f} times as much")
axis.set(title="A loop over chunks of 128, forward and backward", xlabel="N", ylabel="milliseconds", xticks=lengths)
axis.set_xticklabels(lengths)
axis.minorticks_off()
axis.legend()
plt.show()

# %% [markdown]
# *Figure 9. The same sums over the same chunks, for eight times the length. The blue line is steeper, and far above
# the other; the printed ratios say by how much.*
#
# **Exercise · `find_quadratic_backward`** · ●●○ · 10 minutes · 1 point
#
# Which line of the listing does it? And how many numbers does the backward step of one such operation on
# `query_features` write? Reply with the tuple (line, numbers). No code is needed, but `torch.profiler` may help.

# %% exercise="find_quadratic_backward"
find_quadratic_backward = None  # (line, numbers)
### BEGIN SOLUTION
find_quadratic_backward = (3, 262144)
### END SOLUTION

# %% check="find_quadratic_backward"
# %% [markdown]
# ## 9. Can the backward pass forget as well?
#
# Autograd keeps every chunk's table and state for the way back. By hand we keep the inputs alone. With
# $G_i=\partial L/\partial V'_i$, first the quotient $V'_i=\text{num}_i/\text{den}_i$:
#
# $$g_i=\frac{\partial L}{\partial\,\text{num}_i}=\frac{G_i}{\text{den}_i}\qquad
# h_i=\frac{\partial L}{\partial\,\text{den}_i}=-\frac{G_i\cdot V'_i}{\text{den}_i}$$
#
# Query $i$ has met the state of the past. Key and value $j$ are heard by all rows $i\ge j$:
#
# $$\partial\phi(Q_i)=S_i\,g_i+Z_i\,h_i\qquad \partial\phi(K_j)=\sum_{i\ge j}\phi(Q_i)\,(g_i\cdot V_j+h_i)\qquad
# \partial V_j=\sum_{i\ge j}(\phi(Q_i)\cdot\phi(K_j))\,g_i$$

# %%
print("sums over i ≥ j: from the last chunk to the first, with a state of their own, (C, M) and (C,)")

# %% [markdown]
# **Exercise · `CausalLinearAttentionFunction`** · ●●● · 35 minutes · 5 points
#
# A `torch.autograd.Function`: `forward(ctx, query_features, key_features, values)` gives the same outputs,
# `backward(ctx, output_gradient)` three gradients. Both linear in N (1 point), never a tensor of $(N, C, M)$
# (1 point). `torch.autograd.gradcheck` must pass. You may use your chunks for the forward pass. Choose a chunk
# size; 64 is good. Leading axes for batch and heads are not checked here, but the next section is easier with them.

# %% exercise="CausalLinearAttentionFunction"
class CausalLinearAttentionFunction(torch.autograd.Function):
    """Causal linear attention with its backward pass by hand: (…, N, C), (…, N, C), (…, N, M) -> (…, N, M)."""

    @staticmethod
    def forward(ctx, query_features, key_features, values):
        """Compute the outputs, and save what the backward pass needs."""
        ### BEGIN SOLUTION
        ctx.save_for_backward(query_features, key_features, values)
        return chunked_causal_linear_attention(query_features, key_features, values, 64)
        ### END SOLUTION

    @staticmethod
    def backward(ctx, output_gradient):
        """Return the gradients for query_features, key_features and values."""
        ### BEGIN SOLUTION
        size = 64
        queries, keys, values = (t.split(size, dim=-2) for t in ctx.saved_tensors)
        values = [F.pad(v, (0, 1), value=1.0) for v in values]  # (…, B, M + 1): the ones carry Z
        state = keys[0].mT @ values[0] * 0  # (…, C, M + 1)
        d_queries, d_keys, d_values, upstream = [], [], [], []
        for q, k, v, g in zip(queries, keys, values, output_gradient.split(size, dim=-2), strict=True):
            both = torch.tril(q @ k.mT) @ v + q @ state
            g = g / both[..., -1:]
            u = torch.cat([g, -(g * both[..., :-1]).sum(-1, keepdim=True) / both[..., -1:]], dim=-1)
            d_queries.append(torch.tril(u @ v.mT) @ k + u @ state.mT)
            state = state + k.mT @ v
            upstream.append(u)
        state = torch.zeros_like(state)  # from here on the sum over later positions
        for q, k, v, u in reversed(list(zip(queries, keys, values, upstream, strict=True))):
            d_keys.append(torch.triu(v @ u.mT) @ q + v @ state.mT)
            d_values.append((torch.triu(k @ q.mT) @ u + k @ state)[..., :-1])
            state = state + q.mT @ u
        return tuple(torch.cat(d, dim=-2) for d in (d_queries, d_keys[::-1], d_values[::-1]))
        ### END SOLUTION


# %% check="CausalLinearAttentionFunction"
# %% study=true
def saved_megabytes(run):
    """Return how much autograd keeps for the backward pass, each tensor's memory once."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(kept.values()) / 1e6


lengths = [512, 1024, 2048, 4096]
ways = {"all states": lambda a: causal_linear_attention(*a),
        "softmax": lambda a: causal_softmax_attention(*a),
        "chunks of 64, autograd": lambda a: chunked_causal_linear_attention(*a, 64),
        "your Function": lambda a: CausalLinearAttentionFunction.apply(*a)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3))
for name, way in ways.items():
    singles = [[x[0].detach().requires_grad_() for x in example_of(length)] for length in lengths]
    kept = [saved_megabytes(lambda a=a, way=way: way(a)) for a in singles]
    spent = [milliseconds(lambda a=a, way=way: way(a).sum().backward()) for a in singles]
    left.loglog(lengths, kept, "o-", ms=4, label=name)
    right.loglog(lengths, spent, "o-", ms=4)
    print(f"{name}: {kept[-1]:.1f} MB kept at N = 4096, {spent[-1]:.0f} ms forward and backward")
left.set(title="Kept for the backward pass", xlabel="N", ylabel="megabytes")
right.set(title="Forward and backward", xlabel="N", ylabel="milliseconds")
for axis in (left, right):
    axis.set_xticks(lengths, lengths)
    axis.minorticks_off()
left.legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 10. C = M = 32, float32. Your Function keeps the inputs alone. Softmax keeps its tables, and they
# grow like N².*
#
# **What would happen if** the backward pass used the state *before* a chunk for rows within it? Nothing wrong: the triangle
# adds the rest. That is the same split as forward.
#
# ## 10. A layer
#
# Several heads, each with its own features, side by side. Queries, keys and values are projections of one input
# $x$ $(B, N, \text{model\_dim})$; $B$ is the batch now.

# %%
batch_size, length, model_dim, num_heads = 2, 5, 6, 3
one_row = torch.arange(model_dim)
print("heads of a row, in order:", [part.tolist() for part in one_row.chunk(num_heads)])

# %% [markdown]
# **Exercise · `LinearAttentionLayer`** · ●●● · 30 minutes · 4 points
#
# An `nn.Module` with the `nn.Linear(model_dim, model_dim)` members `query`, `key`, `value`, `output`.
#
# - `forward(x)`: $(B, N, \text{model\_dim})$ → same shape, causal, linear in N; queries are not scaled.
# - `initial_state(batch_size)` and `step(x_i, state)` → `(y_i, new_state)`, with `x_i` $(B, \text{model\_dim})$: the same
#   outputs one position at a time, from a state that doesn't grow. The cells below take it to be a tuple of tensors.
#
# `feature_map` works on the last axis, and may return more features than it was given.

# %% exercise="LinearAttentionLayer"
class LinearAttentionLayer(torch.nn.Module):
    """Causal linear attention with several heads: (B, N, model_dim) -> (B, N, model_dim)."""

    def __init__(self, model_dim, num_heads, feature_map):
        super().__init__()
        ### BEGIN SOLUTION
        self.query = torch.nn.Linear(model_dim, model_dim)
        self.key = torch.nn.Linear(model_dim, model_dim)
        self.value = torch.nn.Linear(model_dim, model_dim)
        self.output = torch.nn.Linear(model_dim, model_dim)
        self.feature_map, self.heads = feature_map, (num_heads, model_dim // num_heads)
        ### END SOLUTION

    def forward(self, x):
        """Attend within a whole batch of sequences."""
        ### BEGIN SOLUTION
        parts = (part(x) for part in (self.query, self.key, self.value))
        q, k, v = (part.unflatten(-1, self.heads).transpose(1, 2) for part in parts)  # (B, heads, N, d)
        y = CausalLinearAttentionFunction.apply(self.feature_map(q), self.feature_map(k), v)
        return self.output(y.transpose(1, 2).flatten(2))
        ### END SOLUTION

    def initial_state(self, batch_size):
        """Return the state before the first position, for `step`."""
        ### BEGIN SOLUTION
        heads, width = self.heads
        empty = self.key.weight.new_zeros(batch_size, heads, width)
        width_of_features = self.feature_map(empty).shape[-1]
        S = self.key.weight.new_zeros(batch_size, heads, width_of_features, width)
        return S, S[..., 0]
        ### END SOLUTION

    def step(self, x_i, state):
        """Take in one position: (B, model_dim), state -> (y_i (B, model_dim), new_state)."""
        ### BEGIN SOLUTION
        q, k, v = (part(x_i).unflatten(-1, self.heads) for part in (self.query, self.key, self.value))
        q, k = self.feature_map(q), self.feature_map(k)  # (B, heads, C)
        S = state[0] + k[..., :, None] * v[..., None, :]
        Z = state[1] + k
        y = torch.einsum("bhc,bhcm->bhm", q, S) / (q * Z).sum(dim=-1, keepdim=True)
        return self.output(y.flatten(1)), (S, Z)
        ### END SOLUTION


# %% check="LinearAttentionLayer"
# %% study=true
torch.manual_seed(0)
layer = LinearAttentionLayer(32, 4, features)
x = torch.randn(1, 200, 32, generator=generator)
with torch.no_grad():
    whole, state, rows, sizes = layer(x), layer.initial_state(1), [], []
    for i in range(200):
        row, state = layer.step(x[:, i], state)
        rows.append(row)
        sizes.append(sum(part.numel() for part in state))
print(f"parallel against step by step: largest difference {(torch.stack(rows, 1) - whole).abs().max():.0e}")
print(f"numbers in the state after 1, 100 and 200 positions: {sizes[0]}, {sizes[99]}, {sizes[199]}")

# %% [markdown]
# ## 11. A small language model
#
# Now train on text: Python's own language reference, which comes with Python as `pydoc_data.topics`. The model reads
# characters and predicts the next. Each input is the sum of embeddings of the last four characters (a short
# convolution, as today's linear models have) and of the position. Beside it, the same model with softmax.

# %% study=true
from pydoc_data import topics

text = "\n".join(topics.topics[name] for name in sorted(topics.topics))
alphabet = sorted(set(text))
codes = torch.tensor([alphabet.index(letter) for letter in text])
training, held_out = codes[: -len(codes) // 10], codes[-len(codes) // 10 :]
print(f"{len(text):,} characters, {len(alphabet)} different, the last tenth held out")
print(repr(text[2000:2090]))


class SoftmaxLayer(torch.nn.Module):
    """The same members with torch's softmax attention; its state is a cache of all keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.query, self.key, self.value, self.output = (torch.nn.Linear(width, width) for _ in range(4))
        self.count = heads

    def split(self, x):
        """Return queries, keys and values as (B, heads, N, d)."""
        parts = (member(x) for member in (self.query, self.key, self.value))
        return [part.view(*x.shape[:2], self.count, -1).movedim(2, 1) for part in parts]

    def forward(self, x):
        y = F.scaled_dot_product_attention(*self.split(x), is_causal=True)
        return self.output(y.movedim(1, 2).reshape(x.shape))

    def initial_state(self, batch_size):
        return None

    def step(self, x_i, state):
        q, k, v = self.split(x_i[:, None])
        if state is not None:
            k, v = torch.cat([state[0], k], dim=2), torch.cat([state[1], v], dim=2)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.output(y.reshape(x_i.shape)), (k, v)


class LanguageModel(torch.nn.Module):
    """Predict the next character from the last four and from what attention has gathered."""

    def __init__(self, attention, width=96, blocks=2):
        super().__init__()
        self.letters = torch.nn.ModuleList(torch.nn.Embedding(len(alphabet), width) for _ in range(4))
        self.attend = torch.nn.ModuleList(attention(width) for _ in range(blocks))
        self.before = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _ in range(blocks))
        self.think = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, 3 * width), torch.nn.GELU(),
                                torch.nn.Linear(3 * width, width)) for _ in range(blocks))
        self.predict = torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, len(alphabet)))
        self.register_buffer("rates", 0.5 ** torch.linspace(0, 10, width // 2))

    def places(self, positions):
        """Return sines and cosines of the positions: (N,) -> (N, width)."""
        angles = positions[:, None] * self.rates
        return 0.2 * torch.cat([angles.sin(), angles.cos()], dim=-1)

    def forward(self, codes):
        padded = F.pad(codes, (3, 0))
        x = sum(letter(padded[:, 3 - back : padded.shape[1] - back]) for back, letter in enumerate(self.letters))
        x = x + self.places(torch.arange(codes.shape[1]))
        for attend, before, think in zip(self.attend, self.before, self.think, strict=True):
            x = x + attend(before(x))
            x = x + think(x)
        return self.predict(x)

    def start(self):
        """Return the state before the first character of one sequence."""
        return 0, [0, 0, 0], [attend.initial_state(1) for attend in self.attend]

    def step(self, code, state):
        """Take in one character: return the logits of the next, and the new state."""
        position, recent, memories = state
        recent, after = [code, *recent], []
        x = sum(letter(torch.tensor([c])) for letter, c in zip(self.letters, recent, strict=True))
        x = x + self.places(torch.tensor([position]))
        for attend, before, think, memory in zip(self.attend, self.before, self.think, memories, strict=True):
            y, memory = attend.step(before(x), memory)
            x = x + y
            x = x + think(x)
            after.append(memory)
        return self.predict(x)[0], (position + 1, recent[:3], after)


# %% [markdown]
# Both models see the same batches, 16 stretches of 256 characters, for 250 steps.

# %% study=true
def windows(source, count, length, draw):
    """Return characters (count, length) and the ones that follow them."""
    starts = torch.randint(len(source) - length - 1, (count,), generator=draw)
    rows = torch.stack([source[a : a + length + 1] for a in starts.tolist()])
    return rows[:, :-1], rows[:, 1:]


def loss_of(model, given, wanted):
    """Return the mean cross-entropy in nats per character."""
    return F.cross_entropy(model(given).flatten(0, 1), wanted.flatten())


training_steps = 250


def train(model, steps=training_steps):
    """Train; return the losses of training, the held-out losses and tokens per second."""
    draw = torch.Generator().manual_seed(1)
    trial = windows(held_out, 32, 256, torch.Generator().manual_seed(2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.1)
    losses, checks, busy = [], [], 0.0
    for step in range(steps):
        begun = time.perf_counter()
        loss = loss_of(model, *windows(training, 16, 256, draw))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        busy += time.perf_counter() - begun
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            with torch.no_grad():
                checks.append((step + 1, loss_of(model, *trial).item()))
    return losses, checks, steps * 16 * 256 / busy


makers = {"linear": lambda width: LinearAttentionLayer(width, 4, features), "softmax": lambda width: SoftmaxLayer(width, 4)}
models, records = {}, {}
for name, make in makers.items():
    torch.manual_seed(0)
    models[name] = LanguageModel(make)
    records[name] = train(models[name])
    losses, checks, speed = records[name]
    print(f"{name}: {sum(p.numel() for p in models[name].parameters()):,} parameters, {speed:,.0f} characters a second, "
          f"{training_steps * 4096 / speed:.0f} s, held-out loss {checks[-1][1]:.2f} nats")
counts = torch.bincount(training, minlength=len(alphabet)).double()
guess = -(counts[held_out].clamp(min=1) / counts.sum()).log().mean().item()
print(f"guessing by frequency alone: {guess:.2f} nats")

# %% study=true
figure, axis = plt.subplots(figsize=(5.4, 3))
looks = ({"lw": 5, "alpha": 0.4}, {"lw": 1.2, "ls": "--"})
for (name, (losses, checks, _)), colour, look in zip(records.items(), ("C0", "C1"), looks, strict=True):
    axis.plot(losses, color=colour, alpha=0.35, lw=0.8)
    axis.plot(*zip(*checks, strict=True), marker="o", color=colour, ms=4, **look, label=f"{name}, held out")
axis.axhline(guess, color="grey", ls=":", label="letter frequencies")
axis.set(title="Learning Python's reference manual", xlabel="step", ylabel="nats per character", ylim=(1, 4))
axis.legend()
plt.show()

# %% [markdown]
# *Figure 11. Training loss (thin) and held-out loss (dots). The two curves lie on each other, at about half of what letter
# frequencies give. So short a training of so small a model asks little of memory. Don't expect it of long recall.*
#
# Training speed at 256 characters says little. Take longer stretches, with equally many characters in all:

# %% study=true
lengths, speeds = [256, 1024, 4096], {}
for length in lengths:
    given = windows(training, 8192 // length, length, torch.Generator().manual_seed(3))
    for name, model in models.items():
        spent = milliseconds(lambda m=model, g=given: loss_of(m, *g).backward(), repeat=2)
        speeds.setdefault(name, []).append(8192 / spent * 1e3)
for name, speed in speeds.items():
    print(f"{name}: characters a second in training at N = 256, 1024, 4096:", [f"{s:,.0f}" for s in speed])
figure, axis = plt.subplots(figsize=(4.8, 2.8))
for name, speed in speeds.items():
    axis.semilogx(lengths, speed, "o-", label=name)
axis.set(title="Training speed of the whole model", xlabel="length N", ylabel="characters a second", ylim=(0, None))
axis.set_xticks(lengths, lengths)
axis.minorticks_off()
axis.legend()
plt.show()

# %% [markdown]
# *Figure 12. At 256 torch's softmax kernel is ahead. The linear model's speed hardly depends on the length; softmax
# loses with every character.*
#
# Now generate. The linear model carries its state; the other its cache.

# %% study=true
@torch.no_grad()
def generate(model, prompt, count, temperature=0.6):
    """Continue a text; return it with all logits that `step` gave."""
    draw, state, logits, said = torch.Generator().manual_seed(4), model.start(), [], list(prompt)
    for i in range(len(prompt) + count):
        if i >= len(said):
            share = torch.softmax(logits[-1] / temperature, dim=0)
            said.append(alphabet[torch.multinomial(share, 1, generator=draw).item()])
        row, state = model.step(alphabet.index(said[i]), state)
        logits.append(row)
    return "".join(said), torch.stack(logits)


for name, model in models.items():
    said, stepped = generate(model, "The return statement ", 200)
    with torch.no_grad():
        parallel = model(torch.tensor([[alphabet.index(letter) for letter in said]]))[0]
    print(f"--- {name}: {said!r}")
    print(f"steps against the parallel form: largest difference of a logit {(parallel - stepped).abs().max():.0e}")

# %% [markdown]
# Half-words and Python's own turns of phrase: that is what a model of this size learns in a minute. What one more
# character costs, after a context of any length:

# %% study=true
contexts, cost, kept = [256, 1024, 4096, 16384], {}, {}
with torch.no_grad():
    for name, model in models.items():
        for context in contexts:
            memories = [attend.initial_state(1) for attend in model.attend]
            if name == "softmax":
                memories = [(torch.randn(1, 4, context, 24), torch.randn(1, 4, context, 24)) for _ in memories]
            begin = (context, [0, 0, 0], memories)
            cost.setdefault(name, []).append(milliseconds(lambda m=model, s=begin: m.step(5, s), repeat=12))
            parts = [part for memory in model.step(5, begin)[1][2] for part in memory]
            kept.setdefault(name, []).append(sum(part.nbytes for part in parts) / 1e3)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.9))
for name in models:
    left.loglog(contexts, cost[name], "o-", label=name)
    right.loglog(contexts, kept[name], "o-")
    print(f"{name}: {cost[name][0]:.2f} → {cost[name][-1]:.2f} ms a character, "
          f"{kept[name][0]:,.0f} → {kept[name][-1]:,.0f} kB")
left.set(title="Time of one more character", xlabel="characters so far", ylabel="milliseconds")
right.set(title="Memory of the context", xlabel="characters so far", ylabel="kilobytes")
for axis in (left, right):
    axis.set_xticks(contexts, contexts)
    axis.minorticks_off()
left.legend()
plt.show()

# %% [markdown]
# *Figure 13. The linear model's state is as large after 16 384 characters as after 256, and a character costs the same.
# The cache of the other grows with every character, and so does the time to read it.*
#
# ## Summary
#
# - With features, the past of causal attention fits into $S$ and $Z$: all at once, step by step, or in chunks.
# - Causality can be tested: change the future, and the past must not move. A maximum over all positions leaks.
# - Slicing in a loop makes backward quadratic. A Function of your own keeps the inputs alone.
# - A linear layer generates at constant cost. Softmax remembers more exactly, and pays for it with its cache.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Katharopoulos et al. 2020](https://arxiv.org/abs/2006.16236), *Transformers are RNNs*;
# chunks as in [Hua et al. 2022](https://arxiv.org/abs/2202.10447).
#
# **Where it lives today.** RetNet, GLA, Mamba-2 and DeltaNet let this state fade or overwrite itself, and train in
# chunks. Several large models mix such layers with a few softmax ones, for long texts at a constant cost.
