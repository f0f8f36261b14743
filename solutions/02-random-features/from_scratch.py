# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Attention in O(N) with random features
#
# When you have finished this notebook you will be able to
#
# - compute attention in time and memory that grow like N, whenever the similarity factorises;
# - approximate softmax attention by random Fourier, positive and orthogonal features;
# - say when that is any good, and when plain averaging beats it.
#
# It takes three hours, two of them for the exercises, and carries 23 points.
# You need NumPy and lesson 01's rewrite of softmax attention.

# %% setup=true
import autograder

lesson = autograder.lesson("02-random-features", track="from_scratch")

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


def softmax_attention(queries, keys, values):
    """Return exact softmax attention, the N × N way: (N, D), (N, D), (N, M) -> (N, M)."""
    scores = queries @ keys.T / math.sqrt(keys.shape[1])
    weights = np.exp(scores - scores.max(axis=1)[:, None])
    return np.einsum("nk,km->nm", weights, values) / weights.sum(axis=1)[:, None]


def relative_error(output, exact):
    """Return ‖output − exact‖ / ‖exact‖, over all rows together."""
    return float(np.linalg.norm(output - exact) / np.linalg.norm(exact))


# %% [markdown]
# Rows are positions. Queries, keys and values have N rows each.
#
# | in formulas | in code | shape | meaning |
# |---|---|---|---|
# | $q_i,\ k_j$ | `queries[i]`, `keys[j]` | $(D,)$ | what a position looks for, offers |
# | $v_j$ | `values[j]` | $(M,)$ | what it passes on |
# | $\sigma^2$ | `sigma2` | scalar | squared width, $\sqrt D$ in attention |
# | $\varphi(x)$ | `…features` | $(C,)$ | features of one row |
# | $w_r$ | `frequencies[r]` | $(D,)$ | a random frequency, $r < R$ |
# | $W$ | `frequencies` | $(R, D)$ | all of them |

# %% [markdown]
# ## 1. Where does the N² come from?
#
# From a bracket. Attention multiplies three matrices, and the softmax between them forces the left two to
# come first. Without it we could start on the right.

# %% study=true
figure, axes = plt.subplots(2, 1, figsize=(6, 4.2))
plans = {"(φ(Q) φ(K)ᵀ) V puts an N × N table in the middle":
         [(9, 3, "φ(Q)"), (3, 9, "φ(K)ᵀ"), None, (9, 9, "N × N"), (9, 2, "V")],
         "φ(Q) (φ(K)ᵀ V) puts a C × M table there":
         [(3, 9, "φ(K)ᵀ"), (9, 2, "V"), None, (9, 3, "φ(Q)"), (3, 2, "C×M")]}
for axis, (title, shapes) in zip(axes, plans.items(), strict=True):
    start = 0.0
    for shape in shapes:
        rows, columns, name = shape or (0, 2, "then")
        colour = "C3" if "×" in name else "C0"
        corner = (start, -rows / 2)
        axis.add_patch(plt.Rectangle(corner, columns, rows, fc=colour, alpha=0.4, ec="black", lw=rows > 0))
        axis.text(start + columns / 2, 0, name, ha="center", va="center")
        start += columns + 1
    axis.set(xlim=(-0.5, 30), ylim=(-5, 5), aspect="equal", title=title)
    axis.axis("off")
plt.show()

# %% [markdown]
# *Figure 1. The same product with two brackets, each in two steps. The red table grows like N² above. Below
# it does not grow at all.*

# %%
for length in (1_000, 10_000, 100_000):
    gigabytes = length**2 * 8 / 1e9
    print(f"N = {length:7,}: an N × N table takes {gigabytes:6.3f} GB, a C × M table (128 × 64) always 0.000066 GB")

# %% [markdown]
# ## 2. Which similarities come apart?
#
# Those with $\mathrm{sim}(q,k)=\varphi(q)\cdot\varphi(k)$, for a feature map $\varphi$ that sees one row at a
# time. The square of the dot product is one. Here it is beside softmax's similarity.

# %% study=true
dots = np.linspace(-3, 3, 200)
figure, axis = plt.subplots(figsize=(4.6, 2.7))
axis.plot(dots, np.exp(dots), label="softmax: exp(q·k)")
axis.plot(dots, dots**2, label="square: (q·k)²")
axis.set(title="Two similarities", xlabel="q·k", ylabel="similarity", ylim=(0, 10))
axis.legend()
plt.show()

# %% [markdown]
# *Figure 2. The square does not tell q·k from −q·k, and it is zero in the middle.*
#
# Multiply it out:
#
# $$(q\cdot k)^2=\Big(\sum_{i=1}^{D} q_i k_i\Big)^2=\sum_{i,j} (q_iq_j)\,(k_ik_j)$$
#
# Each term is something of q times the same thing of k.

# %%
q, k = [1.0, 2.0, -1.0], [0.5, 1.0, 3.0]
total = 0.0
for i in range(3):
    for j in range(3):
        total += (q[i] * q[j]) * (k[i] * k[j])
print("sum of nine terms:", total, "   square of the dot product:", math.fsum(map(float.__mul__, q, k)) ** 2)

# %% [markdown]
# **Exercise · `quadratic_features`** · ●●○ · 10 minutes · 2 points
#
# Take `x` $(N, D)$ and return features $(N, C)$ with $\varphi(q)\cdot\varphi(k)=(q\cdot k)^2$ for any two rows.
# All $D^2$ products are right. So are fewer columns, if what occurs twice is weighted for it. Their
# order is free.

# %% exercise="quadratic_features"
def quadratic_features(x):
    """Return features with φ(q)·φ(k) = (q·k)²: (N, D) -> (N, C)."""
    ### BEGIN SOLUTION
    i, j = np.triu_indices(x.shape[1], 1)  # every pair i < j once
    return np.hstack([x**2, np.sqrt(2) * x[:, i] * x[:, j]])  # (N, D(D + 1)/2)
    ### END SOLUTION


# %% check="quadratic_features"

# %% study=true
rows = np.random.default_rng(1).normal(size=(40, 6))
features = quadratic_features(rows)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3))
left.plot(rows @ rows.T, features @ features.T, "C0.", ms=2)
left.set(title="your features, all pairs of 40 rows", xlabel="q·k", ylabel="φ(q)·φ(k)")
dims = np.arange(1, 65)
right.plot(dims, dims**2, "C1", label="all products, D²")
right.plot(dims, dims * (dims + 1) / 2, "C0", label="each pair once")
right.plot(dims, [quadratic_features(np.ones((1, dim))).shape[1] for dim in dims], "k:", lw=3, label="yours")
right.set(title="how many features", xlabel="dimension D", ylabel="C")
right.legend()
plt.show()
print("columns for D = 64:", quadratic_features(np.ones((1, 64))).shape[1])

# %% [markdown]
# *Figure 3. Left: the inner products lie on the parabola exactly. Right: the price. For D = 64 there are at
# least 2080 features.*
#
# **What would happen if** we went to higher powers?

# %% study=true
for power in (1, 2, 3, 4):
    print(f"(q·k)^{power} at D = 64 needs {math.comb(63 + power, power):7,} features")

# %% [markdown]
# Softmax contains all powers, so it needs infinitely many features. Later we shall be content with random
# ones.
#
# ## 3. Can attention be linear?
#
# Put $\varphi(q_i)\cdot\varphi(k_j)$ in the weighted mean, and take out what does not depend on $j$:
#
# $$o_i=\frac{\sum_j \varphi(q_i)\cdot\varphi(k_j)\,v_j}{\sum_j \varphi(q_i)\cdot\varphi(k_j)}
# =\frac{\varphi(q_i)\ \overbrace{\textstyle\sum_j \varphi(k_j)^{\top} v_j}^{(C,\,M)}}
# {\varphi(q_i)\cdot\underbrace{\textstyle\sum_j \varphi(k_j)}_{(C,)}}$$
#
# The slow way goes over all pairs.

# %%
phi_q = [[1.0, 2.0], [3.0, 1.0]]  # (N, C), N = 2
phi_k = [[2.0, 1.0], [0.0, 1.0]]
told = [10.0, 20.0]
for i in range(2):
    upper = lower = 0.0
    for j in range(2):
        alike = math.fsum(map(float.__mul__, phi_q[i], phi_k[j]))
        upper += alike * told[j]
        lower += alike
    print(f"position {i}: {upper} / {lower} = {upper / lower:.3f}")

# %% [markdown]
# **Exercise · `linear_attention`** · ●●○ · 15 minutes · 3 points
#
# Take `query_features` $(N, C)$, `key_features` $(N, C)$ and `values` $(N, M)$, return the outputs $(N, M)$.
# Every query sees all keys. Features may be negative, and nothing may grow like $N^2$, neither
# memory nor work. One point of the three is for that.

# %% exercise="linear_attention"
def linear_attention(query_features, key_features, values):
    """Average the values with weights φ(q)·φ(k): (N, C), (N, C), (N, M) -> (N, M), in O(N)."""
    ### BEGIN SOLUTION
    key_values = key_features.T @ values  # (C, M)
    key_sum = key_features.sum(axis=0)  # (C,)
    return query_features @ key_values / (query_features @ key_sum)[:, None]
    ### END SOLUTION


# %% check="linear_attention"

# %% study=true
def with_table(query_features, key_features, values):
    """Average with φ(q)·φ(k), the N × N way."""
    similar = query_features @ key_features.T
    return similar @ values / similar.sum(axis=1)[:, None]


def peak_megabytes(function, *arguments):
    """Return the most memory that NumPy held at once during a call."""
    tracemalloc.start()
    function(*arguments)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


rng = np.random.default_rng(2)
mapped_q, mapped_k = (quadratic_features(rng.normal(size=(2048, 8))) for _ in range(2))
told = rng.normal(size=(2048, 8))
lengths, spent = [128, 256, 512, 1024, 2048], {}
for name, function in (("N × N table", with_table), ("yours", linear_attention)):
    spent[name] = [peak_megabytes(function, mapped_q[:n], mapped_k[:n], told[:n]) for n in lengths]
figure, axis = plt.subplots(figsize=(4.8, 2.8))
for name, megabytes in spent.items():
    axis.loglog(lengths, megabytes, "o-", label=name)
axis.set(title="Memory of attention with 36 features", xlabel="sequence length N", ylabel="peak, MB",
         xticks=lengths, xticklabels=lengths, yticks=[0.1, 1, 10], yticklabels=[0.1, 1, 10])
axis.minorticks_off()
axis.legend()
plt.show()
print("peak at 2048, in MB:", {name: round(megabytes[-1], 2) for name, megabytes in spent.items()})
gap = np.abs(with_table(mapped_q, mapped_k, told) - linear_attention(mapped_q, mapped_k, told)).max()
print(f"largest difference of the outputs: {gap:.0e}")

# %% [markdown]
# *Figure 4. Twice the length costs four times the memory with the table, and twice with yours. At 2048
# positions it is 32 MB against 0.33 MB, for the same outputs.*
#
# **What would happen if** we multiplied a query's features by a positive number? And a key's?

# %% study=true
stretch = rng.uniform(0.5, 2, size=(2048, 1))
plain = linear_attention(mapped_q, mapped_k, told)
for name, features in {"queries": (stretch * mapped_q, mapped_k), "keys": (mapped_q, stretch * mapped_k)}.items():
    print(f"{name} stretched: the output changes by {relative_error(linear_attention(*features, told), plain):.0e}")
print("a query at right angles to all keys:", end=" ")
with np.errstate(invalid="ignore"):
    print(linear_attention(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[5.0]])))

# %% [markdown]
# What scales a whole row cancels, so lesson 01's query factor need never be computed. What scales a key
# counts. And where all similarities are zero there is no mean. Remember that: it will come back.
#
# ## 4. What is a Gaussian made of?
#
# Of cosines. Draw frequencies at random and average the waves.

# %% study=true
deltas = np.linspace(-6, 6, 400)
waves = np.random.default_rng(3).normal(size=400)
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.5), sharey=True)
for axis, count in zip(axes, (3, 30, 400), strict=True):
    cosines = np.cos(np.outer(waves[:count], deltas))
    axis.plot(deltas, cosines[:10].T, color="C0", lw=0.5, alpha=0.4)
    axis.plot(deltas, np.exp(-(deltas**2) / 2), "k:", label="Gaussian")
    axis.plot(deltas, cosines.mean(axis=0), "C3", label="mean of cosines")
    axis.set(title=f"{count} waves", xlabel="δ = q − k")
axes[0].set(ylabel="height")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# *Figure 5. All waves agree at δ = 0 and disagree elsewhere. Their mean (red) nears the Gaussian (dotted).*
#
# For $w\sim\mathcal N(0,\tau^2 I)$ Bochner's theorem says
#
# $$\mathbb E\,\cos(w\cdot\delta)=e^{-\tau^2\lVert\delta\rVert^2/2}.$$
#
# We want $e^{-\lVert\delta\rVert^2/2\sigma^2}$. Which $\tau$ does that take? Beware: a widely copied recipe
# has it wrong.

# %%
generator = np.random.default_rng(4)
for tau in (0.5, 1.0, 2.0):
    total = 0.0
    for _ in range(20_000):
        total += math.cos(tau * generator.normal() * 1.5)  # δ = 1.5
    print(f"tau = {tau}: mean cosine {total / 20_000:.3f}, exp(−τ²δ²/2) = {math.exp(-0.5 * (tau * 1.5) ** 2):.3f}")

# %% [markdown]
# **Exercise · `sample_frequencies`** · ●○○ · 10 minutes · 2 points
#
# Draw `num_frequencies` rows of `dim` Gaussian numbers, $(R, D)$, such that the mean of $\cos(w\cdot\delta)$
# is a Gaussian kernel with the squared width `sigma2`. Take all randomness from `rng`, a
# `numpy.random.Generator`: the same seed must give the same frequencies.

# %% exercise="sample_frequencies"
def sample_frequencies(num_frequencies, dim, sigma2, rng):
    """Draw Gaussian frequencies for a kernel of squared width sigma2 -> (R, D)."""
    ### BEGIN SOLUTION
    return rng.normal(size=(num_frequencies, dim)) / np.sqrt(sigma2)
    ### END SOLUTION


# %% check="sample_frequencies"

# %% study=true
apart = np.zeros(64)
apart[0] = math.sqrt(3.885)  # a typical pair in the setting D = 64, σ² = 8
sigmas = np.linspace(0.4, 3.2, 29)
estimates = {"yours": [], "variance σ²": []}
for sigma in sigmas:
    for name, width2 in (("yours", sigma**2), ("variance σ²", sigma**-2)):
        waves = sample_frequencies(4000, 64, width2, np.random.default_rng(5))
        estimates[name].append(np.cos(waves @ apart).mean())
figure, axis = plt.subplots(figsize=(5.4, 2.9))
axis.plot(sigmas, np.exp(-3.885 / (2 * sigmas**2)), "k:", lw=3, label="Gaussian kernel")
axis.plot(sigmas, estimates["yours"], "C0", label="yours")
axis.plot(sigmas, estimates["variance σ²"], "C3", label="with variance σ², as often printed")
axis.axvline(1, color="grey", lw=0.8)
axis.axvline(64**0.25, color="grey", lw=0.8, ls="--")
axis.set(title="The kernel of one pair, ‖q − k‖² = 3.9", xlabel="σ", ylabel="mean cosine")
axis.legend(loc="center right", bbox_to_anchor=(0.98, 0.32), fontsize=7)
plt.show()
for sigma in (1.0, 64**0.25):
    drawn = [sample_frequencies(200_000, 1, width2, np.random.default_rng(6)) for width2 in (sigma**2, sigma**-2)]
    right, wrong = (np.cos(waves * apart[0]).mean() for waves in drawn)
    kernel = math.exp(-3.885 / (2 * sigma**2))
    print(f"sigma = {sigma:.2f}: kernel {kernel:.3f}, yours {right:.3f}, variance σ² {wrong:.3f}")

# %% [markdown]
# *Figure 6. Yours follows the kernel. Frequencies of variance σ² (red) meet it only at σ = 1 (solid line),
# where a test sees nothing. At D = 64, σ = 2.83 (dashed), they give noise about 0 in place of 0.784.*
#
# **What would happen if** the frequencies were uniform, not Gaussian?

# %% study=true
flat = np.random.default_rng(7).uniform(-1, 1, size=100_000)
for delta in (1.0, 3.0, 6.0):
    print(f"δ = {delta}: mean cosine {np.cos(flat * delta).mean():.3f}, sin(δ)/δ = {math.sin(delta) / delta:.3f}")

# %% [markdown]
# Another kernel. Each distribution of frequencies has its own.
#
# ## 5. Which features have these cosines?
#
# A cosine of a difference comes apart:

# %% study=true
figure, axis = plt.subplots(figsize=(3.4, 3.4))
axis.add_patch(plt.Circle((0, 0), 1, fill=False, color="grey"))
for angle, name, colour in ((0.4, "q", "C0"), (1.5, "k", "C1")):
    arrow = {"arrowstyle": "->", "color": colour, "lw": 2}
    axis.annotate("", (math.cos(angle), math.sin(angle)), (0, 0), arrowprops=arrow)
    axis.text(1.1 * math.cos(angle), 1.1 * math.sin(angle), f"at w·{name}", color=colour)
turn = np.linspace(0.4, 1.5, 50)
axis.plot(0.35 * np.cos(turn), 0.35 * np.sin(turn), "k")
axis.annotate("w·(k − q)", (0.2, 0.28), (-0.95, 0.3), arrowprops={"arrowstyle": "-", "lw": 0.6})
axis.set(xlim=(-1.3, 1.8), ylim=(-1.3, 1.4), aspect="equal", title="one frequency: two points on a circle",
         xlabel="cosine", ylabel="sine")
plt.show()

# %% [markdown]
# *Figure 7. One frequency puts each row on the unit circle. The inner product of two such points is the
# cosine of the angle between them.*
#
# $$\cos(w\cdot q-w\cdot k)=\sin(w\cdot q)\sin(w\cdot k)+\cos(w\cdot q)\cos(w\cdot k)$$
#
# With $R$ frequencies average over $R$ circles:
#
# $$\varphi(x)=\sqrt{1/R}\;[\sin(Wx),\ \cos(Wx)],\quad\text{shape }(2R,)$$

# %%
few_waves = [[0.3, -0.8], [1.1, 0.4], [-0.5, 0.9]]  # (R, D)
here, there = [0.7, 0.2], [-0.1, 0.5]
mean = 0.0
for wave in few_waves:
    mean += math.cos(math.fsum(w * (a - b) for w, a, b in zip(wave, here, there, strict=True))) / 3
print(f"mean cosine of the difference over three frequencies: {mean:.4f}")

# %% [markdown]
# **Exercise · `random_fourier_features`** · ●○○ · 10 minutes · 2 points
#
# Take `x` $(N, D)$ and `frequencies` $(R, D)$, return the features $(N, 2R)$ of the equation above. The order of
# the columns is free. A free test: every row of features has length 1.

# %% exercise="random_fourier_features"
def random_fourier_features(x, frequencies):
    """Return √(1/R)·[sin(Wx), cos(Wx)]: (N, D), (R, D) -> (N, 2R)."""
    ### BEGIN SOLUTION
    angles = x @ frequencies.T  # (N, R)
    features = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # (N, 2R)
    return features / np.sqrt(len(frequencies))
    ### END SOLUTION


# %% check="random_fourier_features"

# %% study=true
rng = np.random.default_rng(8)
points = rng.normal(size=(60, 3))
gaps = np.sum((points[:, None] - points[None]) ** 2, axis=-1)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.8, 3))
for count, colour in ((16, "C1"), (256, "C0")):
    features = random_fourier_features(points, sample_frequencies(count, 3, 2.0, rng))
    left.plot(gaps.ravel() ** 0.5, (features @ features.T).ravel(), ".", ms=1, color=colour, label=f"R = {count}")
axis_gap = np.linspace(0, gaps.max() ** 0.5, 100)
left.plot(axis_gap, np.exp(-(axis_gap**2) / 4), "k:", lw=2, label="Gaussian, σ² = 2")
left.set(title="your features, all pairs of 60 points", xlabel="‖q − k‖", ylabel="φ(q)·φ(k)")
left.legend(markerscale=6)
pairs = np.stack([np.zeros(30), np.linspace(0, 4, 30)], axis=1)[:, :, None] * np.eye(1, 3)
drawn = []
for _ in range(2000):
    features = random_fourier_features(pairs.reshape(60, 3), sample_frequencies(16, 3, 2.0, rng)).reshape(30, 2, 32)
    drawn.append(np.sum(features[:, 0] * features[:, 1], axis=1))
kernel = np.exp(-(np.linspace(0, 4, 30) ** 2) / 4)
right.plot(np.linspace(0, 4, 30), np.std(drawn, axis=0), "C0o", ms=4, label="measured, 2000 draws")
right.plot(np.linspace(0, 4, 30), (1 - kernel**2) / math.sqrt(32), "k:", lw=2, label="(1 − K²) / √(2R)")
right.set(title="standard deviation, R = 16", xlabel="‖q − k‖", ylabel="of φ(q)·φ(k)")
right.legend()
plt.show()
print(f"far apart: standard deviation {np.std(drawn, axis=0)[-1]:.3f}, kernel {kernel[-1]:.3f}")

# %% [markdown]
# *Figure 8. Left: estimates scatter about the kernel, less with more frequencies. Right: they are exact where
# q = k. Far apart the error is 0.176, ten times the kernel itself, and the estimate is often negative.*
#
# **What would happen if** we left the sines out?

# %% study=true
waves = sample_frequencies(200_000, 1, 1.0, rng)[:, 0]
for q, k in ((1.0, 1.0), (1.0, -1.0), (2.0, 1.0)):
    alone = 2 * np.mean(np.cos(waves * q) * np.cos(waves * k))
    print(f"q = {q}, k = {k}: cosines alone {alone:.2f}, kernel {math.exp(-((q - k) ** 2) / 2):.2f}", end=", ")
    print(f"kernel of q and −k {math.exp(-((q + k) ** 2) / 2):.2f}")

# %% [markdown]
# Doubled, they give the kernel of k plus that of −k.
#
# ## 6. Softmax attention in O(N)?
#
# Lesson 01 gave the parts. The query factor cancels; the features stand for the kernel; the key factor
# joins the key's features:
#
# $$\tilde\varphi(k_j)=e^{(\lVert k_j\rVert^2-c)/2\sigma^2}\ \varphi(k_j),\qquad \sigma^2=\sqrt D$$
#
# Any constant $c$ for *all* keys cancels. The largest $\lVert k_j\rVert^2$ is a good one, for without it the
# factor overflows.

# %%
squares = [9.0, 1e6, 1e6 + 4]  # ‖k‖² of three keys, D = 4, so 2σ² = 4
for c in (0.0, max(squares)):
    lifted = []
    for square in squares:
        try:
            lifted.append(round(math.exp((square - c) / 4), 3))
        except OverflowError:
            lifted.append("overflow")
    print(f"c = {c:9.0f}: key factors", lifted)

# %% [markdown]
# That maximum runs over all keys. In causal attention it would be a look into the future, and is not allowed:
# lesson 03 carries a running one.
#
# **Exercise · `random_feature_attention`** · ●●● · 20 minutes · 3 points
#
# Take `queries`, `keys` $(N, D)$, `values` $(N, M)$ and `frequencies` $(R, D)$ drawn for $\sigma^2=\sqrt D$.
# Return $(N, M)$, linear in $N$ (1 point) and right for key norms up to $10^3$ (1 point).

# %% exercise="random_feature_attention"
def random_feature_attention(queries, keys, values, frequencies):
    """Approximate softmax attention in O(N): (N, D), (N, D), (N, M), (R, D) -> (N, M)."""
    ### BEGIN SOLUTION
    sigma2 = np.sqrt(queries.shape[1])
    log_factor = np.sum(keys**2, axis=1) / (2 * sigma2)  # (N,)
    key_factor = np.exp(log_factor - log_factor.max())  # one constant for all keys cancels
    query_features = random_fourier_features(queries, frequencies)
    key_features = random_fourier_features(keys, frequencies) * key_factor[:, None]  # (N, 2R)
    return linear_attention(query_features, key_features, values)
    ### END SOLUTION


# %% check="random_feature_attention"

# %% [markdown]
# Does it work? Try Gaussian queries and keys in 64 dimensions. Beside the error stands that of *plain
# averaging*: every output is the mean of all values. That costs nothing. A method that does not beat it is
# useless.

# %% study=true
COUNTS = (16, 64, 256, 1024)
TITLES = ("D = 64, as they come", "unit rows, D = 64")
STYLES = {"uniform": "k--", "sine–cosine": "C0o-", "sine–cosine, orthogonal": "C1o-", "positive": "C2o-",
          "positive, orthogonal": "C3o-"}


def gaussian_rows(rng):
    """Draw 256 queries and keys in 64 dimensions, as they come."""
    return rng.normal(size=(256, 64)), rng.normal(size=(256, 64)), rng.normal(size=(256, 32))


def unit_rows(rng):
    """Draw rows of length 64^¼, so that the score q·k/√64 is the cosine of their angle."""
    queries, keys, values = gaussian_rows(rng)
    return *(64**0.25 * x / np.linalg.norm(x, axis=1)[:, None] for x in (queries, keys)), values


def errors(draw, method):
    """Return relative errors by number of frequencies, (counts, 8 seeds)."""
    table = []
    for count in COUNTS:
        row = []
        for seed in range(8):
            data = draw(np.random.default_rng(seed))
            output = method(*data, count, np.random.default_rng([seed, count]))
            row.append(relative_error(output, softmax_attention(*data)))
        table.append(row)
    return np.array(table)


def averaging(queries, keys, values, count, rng):
    """Give every position the mean of all values."""
    return np.broadcast_to(values.mean(axis=0), values.shape)


def sine_cosine(queries, keys, values, count, rng):
    """Attend with independent frequencies."""
    return random_feature_attention(queries, keys, values, sample_frequencies(count, 64, 8.0, rng))


def draw_errors(axis, title, curves):
    """Draw medians over the seeds, with bands from the smallest to the largest."""
    for name, table in curves.items():
        medians = np.median(table, axis=1)
        axis.loglog(COUNTS, medians, STYLES[name], ms=4, label=name)
        colour = "k" if name == "uniform" else STYLES[name][:2]
        axis.fill_between(COUNTS, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.15, lw=0)
        print(f"{title}, {name}:", ", ".join(f"{m:.3g}" for m in medians))
    axis.set(title=title, xlabel="number of frequencies R", xticks=COUNTS, xticklabels=COUNTS)
    if "unit" in title:
        axis.set(yticks=[0.03, 0.1, 0.3], yticklabels=[0.03, 0.1, 0.3])
    axis.minorticks_off()


uniform = {draw: errors(draw, averaging) for draw in (gaussian_rows, unit_rows)}
fourier = {draw: errors(draw, sine_cosine) for draw in (gaussian_rows, unit_rows)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
draw_errors(left, "D = 64, as they come", {"uniform": uniform[gaussian_rows], "sine–cosine": fourier[gaussian_rows]})
left.set(ylabel="relative error")
left.legend(loc="center right", bbox_to_anchor=(1, 0.25))
shares = []
for count in COUNTS:
    negative = []
    for seed in range(8):
        queries, keys, _ = gaussian_rows(np.random.default_rng(seed))
        waves = sample_frequencies(count, 64, 8.0, np.random.default_rng([seed, count]))
        mapped_q, mapped_k = (random_fourier_features(x, waves) for x in (queries, keys))
        weights = np.exp((keys**2).sum(axis=1) / 16)
        negative.append(np.mean(mapped_q @ (weights @ mapped_k) < 0))
    shares.append(np.median(negative))
right.semilogx(COUNTS, shares, "C3o-")
right.set(title="rows with a negative denominator", xlabel="number of frequencies R", ylabel="share", ylim=(0, 0.6),
          xticks=COUNTS, xticklabels=COUNTS)
right.minorticks_off()
plt.show()
print("negative denominators:", dict(zip(COUNTS, np.round(shares, 2).tolist(), strict=True)))

# %% [markdown]
# *Figure 9. Left: medians over 8 seeds, bands from best to worst. The approximation is hundreds of times worse
# than averaging (dashed). Right: 39 to 49 % of the denominators are negative, where every true one is
# positive.*
#
# Why?

# %% study=true
for count in (16, 1024, 1_000_000):
    noise = (2 * count) ** -0.5
    print(f"R = {count:9,}: a pair at distance 4σ has the kernel {math.exp(-8):.5f}, its noise is {noise:.5f}")

# %% [markdown]
# Typical pairs lie that far apart here, and noise buries them. So the inventors of random feature attention scale
# queries and keys to one length. With $D^{1/4}$, the score $q\cdot k/\sqrt D$ is the cosine of their angle, and
# no distance exceeds $2\sigma$.

# %% study=true
figure, axis = plt.subplots(figsize=(4.6, 3))
draw_errors(axis, "unit rows, D = 64", {"uniform": uniform[unit_rows], "sine–cosine": fourier[unit_rows]})
axis.set(ylabel="relative error")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 10. The same method on such unit rows. The error falls like $1/\sqrt R$. It beats averaging at 256
# frequencies.*
#
# **What would happen if** attention were sharper, with rows twice as long?

# %% study=true
def longer_rows(rng):
    """Draw rows twice as long as unit_rows does."""
    queries, keys, values = unit_rows(rng)
    return 2 * queries, 2 * keys, values


figure, axis = plt.subplots(figsize=(4.6, 2.8))
flat, waved = (errors(longer_rows, method) for method in (averaging, sine_cosine))
draw_errors(axis, "rows twice as long", {"uniform": flat, "sine–cosine": waved})
axis.set(ylabel="relative error", yticks=[0.3, 3, 30, 300], yticklabels=[0.3, 3, 30, 300])
axis.legend()
plt.show()

# %% [markdown]
# *Figure 11. Now no number of frequencies up to 1024 beats averaging. Random features suit mild attention.*
#
# ## 7. Can a denominator stay positive?
#
# Yes, if every feature is positive. Draw the same frequencies, and raise $e$ to the angle instead of taking
# its cosine.

# %% study=true
line = np.linspace(-3, 3, 200)
figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.7))
for wave, colour in ((-1.2, "C0"), (0.4, "C1"), (1.5, "C2")):
    axes[0].plot(line, np.cos(wave * line), colour, label=f"w = {wave}")
    axes[1].plot(line, np.exp(wave * line) * np.exp(-(line**2) / 2), colour)
axes[0].set(title="cosine features", xlabel="x", ylabel="feature")
axes[1].set(title="positive features", xlabel="x")
axes[0].legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 12. Features of one number x, for three frequencies. A positive feature is a bump at $\sigma^2w$.*
#
# $$\varphi^+_r(x)=\frac{1}{\sqrt R}\exp\Big(w_r\cdot x-\frac{\lVert x\rVert^2}{2\sigma^2}\Big),\qquad
# \mathbb E\,\varphi^+(q)\cdot\varphi^+(k)=e^{q\cdot k/\sigma^2}$$
#
# The mean is softmax's similarity itself. No key factor is needed.

# %%
generator = np.random.default_rng(9)
a, b = 0.8, -0.5  # q and k in one dimension, σ² = 2
total = 0.0
for _ in range(50_000):
    wave = generator.normal() / math.sqrt(2)
    total += math.exp(wave * a - a * a / 4) * math.exp(wave * b - b * b / 4)
print(f"mean product {total / 50_000:.4f}, exp(qk/σ²) = {math.exp(a * b / 2):.4f}")

# %% [markdown]
# **Exercise · `positive_random_features`** · ●●○ · 15 minutes · 3 points
#
# Take `x` $(N, D)$, `frequencies` $(R, D)$ and the scalar `sigma2`; return $\varphi^+$, $(N, R)$. The frequencies have
# variance $1/\sigma^2$ already. Subtract nothing else: the check compares inner products.

# %% exercise="positive_random_features"
def positive_random_features(x, frequencies, sigma2):
    """Return exp(w·x − ‖x‖²/2σ²)/√R: (N, D), (R, D), scalar -> (N, R)."""
    ### BEGIN SOLUTION
    angles = x @ frequencies.T  # (N, R), of a hyperbolic kind
    half_squares = np.sum(x**2, axis=1, keepdims=True) / (2 * sigma2)  # (N, 1)
    return np.exp(angles - half_squares) / np.sqrt(len(frequencies))
    ### END SOLUTION


# %% check="positive_random_features"

# %% study=true
rng = np.random.default_rng(10)
cosines = np.linspace(-1, 1, 21)
first, second = np.eye(1, 8), np.zeros((21, 8))
second[:, 0], second[:, 1] = cosines, np.sqrt(1 - cosines**2)
estimates = {"sine–cosine": [], "positive": []}
for _ in range(3000):
    waves = sample_frequencies(64, 8, 1.0, rng)
    pair = random_fourier_features(first, waves), random_fourier_features(second, waves)
    estimates["sine–cosine"].append(math.e * (pair[0] @ pair[1].T)[0])
    pair = positive_random_features(first, waves, 1.0), positive_random_features(second, waves, 1.0)
    estimates["positive"].append((pair[0] @ pair[1].T)[0])
figure, axis = plt.subplots(figsize=(4.8, 2.9))
for name, drawn in estimates.items():
    spread = np.std(drawn, axis=0) / np.exp(cosines)
    axis.plot(cosines, spread, "o-", ms=3, label=name)
    print(f"{name}: relative deviation {spread[0]:.2f} at −1, {spread[10]:.2f} at 0, {spread[-1]:.2f} at 1")
axis.set(title="Noise in exp(q·k), unit vectors, R = 64", xlabel="cosine of q and k", ylabel="relative deviation")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 13. Sine and cosine are exact where q = k, positive features where q = −k. Each is at its worst
# where the other is exact.*

# %% study=true
def positive(queries, keys, values, count, rng):
    """Attend with positive features."""
    waves = sample_frequencies(count, 64, 8.0, rng)
    return linear_attention(*(positive_random_features(x, waves, 8.0) for x in (queries, keys)), values)


raised = {draw: errors(draw, positive) for draw in (gaussian_rows, unit_rows)}
figure, axes = plt.subplots(1, 2, figsize=(8, 3))
for axis, draw, title in zip(axes, (gaussian_rows, unit_rows), TITLES, strict=True):
    draw_errors(axis, title, {"uniform": uniform[draw], "sine–cosine": fourier[draw], "positive": raised[draw]})
axes[0].set(ylabel="relative error")
axes[1].legend()
plt.show()

# %% [markdown]
# *Figure 14. Medians over 8 seeds. Left: no negative denominators, so the error drops from hundreds to about
# three. Averaging is still better. Right: on unit rows sine and cosine win.*
#
# **What would happen if** each frequency were used with both signs?

# %% study=true
rng = np.random.default_rng(13)
pair = rng.normal(size=(2, 8)) / 32**0.5
for name, signs in (("64 frequencies", [1]), ("32 frequencies and their negatives", [1, -1])):
    drawn = []
    for _ in range(4000):
        waves = sample_frequencies(64 // len(signs), 8, 1.0, rng)
        mapped = positive_random_features(pair, np.concatenate([sign * waves for sign in signs]), 1.0)
        drawn.append(mapped[0] @ mapped[1])
    print(f"{name}: standard deviation {np.std(drawn):.3f}")

# %% [markdown]
# Less noise for the same number of features, most where q + k is short. Performer calls them hyperbolic.
#
# ## 8. Are independent frequencies wasteful?
#
# Independent rows cluster by chance. Rows at right angles cannot.

# %% study=true
rng = np.random.default_rng(11)
loose = rng.normal(size=(16, 16))
square_up = np.linalg.svd(rng.normal(size=(16, 16)))[0]
figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.9))
for axis, rows, title in ((axes[0], loose, "independent"), (axes[1], square_up, "orthogonal")):
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    shown = axis.imshow(unit @ unit.T, cmap="RdBu", vmin=-1, vmax=1)
    axis.set(title=f"{title} rows", xlabel="row s", ylabel="row r")
figure.colorbar(shown, ax=axes, label="cosine of their angle")
plt.show()

# %% [markdown]
# *Figure 15. Cosines between 16 rows in 16 dimensions. Independent rows overlap by ±0.25. Orthogonal ones
# do not.*
#
# The estimate stays unbiased if each row *alone* still looks Gaussian:
#
# - its direction is uniform: QR of a Gaussian matrix gives such a block of $D$ rows;
# - its length is that of a Gaussian row, $\lVert g\rVert/\sigma$ with a fresh $g\sim\mathcal N(0,I_D)$ for each.

# %%
first_row = np.array([3.0, 4.0])
second_row = np.array([2.0, 1.25])
second_row = second_row - second_row.dot(first_row) / first_row.dot(first_row) * first_row
print("by hand, in two dimensions: the dot product is now", second_row.dot(first_row))
lengths = [math.hypot(*np.random.default_rng(seed).normal(size=64)) for seed in range(1000)]
print(f"lengths of Gaussian rows, D = 64: mean {np.mean(lengths):.2f}, deviation {np.std(lengths):.2f}")

# %% [markdown]
# **Exercise · `orthogonal_frequencies`** · ●●● · 20 minutes · 3 points
#
# The arguments are those of `sample_frequencies`. Return $(R, D)$. Within each block of $D$ rows all are orthogonal;
# blocks are independent. R need not be a multiple of D: the last block may be shorter. Directions are
# uniform. Each length is a Gaussian row's, over σ, and independent of the others.

# %% exercise="orthogonal_frequencies"
def orthogonal_frequencies(num_frequencies, dim, sigma2, rng):
    """Draw frequencies that are orthogonal in blocks of D rows, with Gaussian lengths -> (R, D)."""
    ### BEGIN SOLUTION
    blocks = []
    for _ in range(0, num_frequencies, dim):
        rotation, triangle = np.linalg.qr(rng.normal(size=(dim, dim)))
        blocks.append(rotation * np.sign(np.diag(triangle)))  # LAPACK's signs are not random
    lengths = np.linalg.norm(rng.normal(size=(num_frequencies, dim)), axis=1)  # (R,)
    return np.concatenate(blocks)[:num_frequencies] * lengths[:, None] / np.sqrt(sigma2)
    ### END SOLUTION


# %% check="orthogonal_frequencies"

# %% study=true
def orthogonal(queries, keys, values, count, rng):
    """Attend with sines and cosines of orthogonal frequencies."""
    return random_feature_attention(queries, keys, values, orthogonal_frequencies(count, 64, 8.0, rng))


def positive_orthogonal(queries, keys, values, count, rng):
    """Attend with positive features of orthogonal frequencies."""
    waves = orthogonal_frequencies(count, 64, 8.0, rng)
    return linear_attention(*(positive_random_features(x, waves, 8.0) for x in (queries, keys)), values)


figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for axis, draw, title in zip(axes, (gaussian_rows, unit_rows), TITLES, strict=True):
    draw_errors(axis, title, {
        "uniform": uniform[draw], "sine–cosine": fourier[draw], "sine–cosine, orthogonal": errors(draw, orthogonal),
        "positive": raised[draw], "positive, orthogonal": errors(draw, positive_orthogonal)})
axes[0].set(ylabel="relative error")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# *Figure 16. Medians over 8 seeds, bands from best to worst. Left: whatever we do, averaging wins. Right:
# orthogonal frequencies nearly halve the error of sine and cosine. 64 of them now beat averaging.*
#
# | your queries and keys | use |
# |---|---|
# | long, in many dimensions | no random features at all |
# | unit length, mild temperature | sine–cosine, orthogonal |
# | mild, and a negative denominator would be fatal | positive, orthogonal |
# | learned together with the features | lesson 03: any positive map |
#
# **What would happen if** every row had the length $\sqrt D/\sigma$? A slight bias: in 64 dimensions lengths vary by
# 9 % only.
#
# ## 9. Is it faster?
#
# Linear is not the same as fast. Count the multiplications of the matrix products.

# %%
for rows, inner, columns in ((3, 4, 5), (10, 2, 10)):
    count = 0
    for _ in range(rows):
        for _ in range(columns):
            for _ in range(inner):
                count += 1
    print(f"({rows}, {inner}) times ({inner}, {columns}): {count} multiplications")

# %% [markdown]
# | softmax | | random features | |
# |---|---|---|---|
# | $QK^\top$ | $(N,D)(D,N)$ | $Wx$ for Q and K | $(N,D)(D,R)$, twice |
# | weights · V | $(N,N)(N,M)$ | $\varphi(K)^\top V$ | $(2R,N)(N,M)$ |
# | | | $\varphi(Q)\,(\varphi(K)^\top V)$ | $(N,2R)(2R,M)$ |
# | | | $\varphi(Q)\cdot\sum\varphi(K)$ | $(N,2R)(2R,)$ |

# %% [markdown]
# **Exercise · `attention_multiplications`** · ●○○ · 10 minutes · 2 points
#
# Take the sizes `n`, `d`, `m`, `r`; return a tuple of two ints, (softmax, random features): the scalar
# multiplications of the products in the table, and nothing else.

# %% exercise="attention_multiplications"
def attention_multiplications(n, d, m, r):
    """Count the multiplications of the matrix products -> (softmax, random_features), two ints."""
    ### BEGIN SOLUTION
    softmax = n**2 * (d + m)
    random_features = 2 * n * r * d + 4 * n * r * m + 2 * n * r
    return softmax, random_features
    ### END SOLUTION


# %% check="attention_multiplications"

# %% [markdown]
# Where do the two counts meet? Both have a factor N.
#
# **Exercise · `break_even_length`** · ●○○ · 5 minutes · 1 point
#
# Take `d`, `m`, `r`; return the smallest whole `n` of at least 1 at which random features need no more of
# these multiplications than softmax.

# %% exercise="break_even_length"
def break_even_length(d, m, r):
    """Return the smallest n >= 1 at which random features need no more multiplications than softmax."""
    ### BEGIN SOLUTION
    linear = 2 * r * d + 4 * r * m + 2 * r
    return -(-linear // (d + m))  # rounded up
    ### END SOLUTION


# %% check="break_even_length"

# %% study=true
lengths = np.unique(np.geomspace(32, 8192, 60).astype(int))
figure, axis = plt.subplots(figsize=(5.2, 3))
axis.loglog(lengths, [attention_multiplications(int(n), 64, 64, 64)[0] for n in lengths], "k--", label="softmax")
for count, colour in ((16, "C1"), (64, "C0"), (256, "C2")):
    work = [attention_multiplications(int(n), 64, 64, count)[1] for n in lengths]
    meet = break_even_length(64, 64, count)
    axis.loglog(lengths, work, colour, label=f"R = {count}, even at {meet}")
    axis.plot(meet, attention_multiplications(meet, 64, 64, count)[0], "o", color=colour)
axis.set(title="Multiplications, D = M = 64", xlabel="sequence length N", ylabel="multiplications")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 17. The lines meet near N = 3R. With the 256 frequencies of figure 10 that is at 772 positions.*
#
# Multiplications are not seconds. Measure.

# %% study=true
def measured(function, *arguments):
    """Return the best of three times, in seconds, and the peak memory in MB."""
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        function(*arguments)
        taken.append(time.perf_counter() - begun)
    return min(taken), peak_megabytes(function, *arguments)


rng = np.random.default_rng(12)
waves = orthogonal_frequencies(64, 64, 8.0, rng)
lengths, rows = [128, 256, 512, 1024, 2048, 4096], rng.normal(size=(3, 4096, 64)) / 64**0.25
costs = {"softmax": [], "random features, R = 64": []}
for length in lengths:
    costs["softmax"].append(measured(softmax_attention, *rows[:, :length]))
    costs["random features, R = 64"].append(measured(random_feature_attention, *rows[:, :length], waves))
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3))
for name, pairs in costs.items():
    for axis, numbers in zip(axes, zip(*pairs, strict=True), strict=True):
        axis.loglog(lengths, numbers, "o-", ms=4, label=name)
        axis.set(xlabel="sequence length N", xticks=lengths, xticklabels=lengths)
        axis.minorticks_off()
    print(f"{name} at 4096: {1000 * pairs[-1][0]:.0f} ms, {pairs[-1][1]:.0f} MB")
axes[0].axvline(break_even_length(64, 64, 64), color="grey", ls=":", label="multiplications break even")
axes[0].set(title="time", ylabel="seconds")
axes[1].set(title="memory at the peak", ylabel="MB")
axes[0].legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 18. Measured on two shared cores; your machine will differ. At 4096 positions softmax takes 384 MB,
# random features 14 MB. The times cross to the right of the dotted line: sines and cosines cost too.*

# %% [markdown] written="explain_sampling_variance"
# **Written · `explain_sampling_variance`** · ●●○ · 10 minutes · 2 points
#
# A widely copied recipe draws $w\sim\mathcal N(0,\sigma^2 I)$ for the kernel
# $e^{-\lVert q-k\rVert^2/2\sigma^2}$. What goes wrong, with what effect on attention? Derive it, give
# figures for $D=64$, and say for which $\sigma$ nobody notices.

# %% [markdown]
# ## Summary
#
# - Where the similarity factorises, a bracket makes attention linear in N.
# - A Gaussian kernel is a mean of cosines, with frequencies of variance $1/\sigma^2$.
# - Random features suit short rows and mild attention. Compare with plain averaging, always.
# - Positive features keep denominators positive; orthogonal frequencies lessen the noise.
# - Below about 3R positions softmax is cheaper.
#
# `lesson.progress()` shows what is still open.

# %% [markdown]
# **Where it comes from.** [Rahimi & Recht 2007](https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines)
# invented the features, [Yu et al. 2016](https://arxiv.org/abs/1610.09072) made them orthogonal.
# [Katharopoulos et al. 2020](https://arxiv.org/abs/2006.16236) moved the bracket.
# [Peng et al. 2021](https://arxiv.org/abs/2103.02143) and [Choromanski et al. 2021](https://arxiv.org/abs/2009.14794)
# brought both to attention.
#
# **Where it lives today.** Few large models approximate softmax. Many learn with a feature map from the start:
# linear attention, RetNet, Mamba-2. Lesson 03 makes it causal, with a state that never grows.
