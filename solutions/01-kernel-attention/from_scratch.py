# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Softmax attention is a Gaussian kernel smoother
#
# When you have finished this notebook you will be able to
#
# - split softmax attention into a Gaussian kernel and two factors, on paper and in NumPy;
# - say which factor attention needs, and why;
# - compute attention for vectors so long that `exp` overflows.
#
# It takes about two hours, 85 minutes of them for the exercises, and carries 16 points.
# You need NumPy, matrix products and the exponential function.

# %% setup=true
import autograder

lesson = autograder.lesson("01-kernel-attention", track="from_scratch")

# %% [markdown]
# After each exercise stands a check cell. Run it to see what is right and what is not yet.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import sympy

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})


def heat_map(axis, table, title, xlabel="key j", ylabel="query i"):
    """Draw a table as coloured squares with their numbers in them."""
    table = np.asarray(table)
    axis.imshow(table, cmap="viridis")
    middle = (table.min() + table.max()) / 2
    for (i, j), number in np.ndenumerate(table):
        colour = "white" if number < middle else "black"
        axis.text(j, i, f"{number:.2g}", ha="center", va="center", fontsize=7, color=colour)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axis.set(xticks=range(table.shape[1]), yticks=range(table.shape[0]))


# %% [markdown]
# Rows are positions, in every table of this course.
#
# | in formulas | in code | shape | meaning |
# |---|---|---|---|
# | $q_i$ | `queries[i]` | $(D,)$ | what position $i$ looks for |
# | $k_j$ | `keys[j]` | $(D,)$ | what position $j$ offers |
# | $v_j$ | `values[j]` | $(M,)$ | what position $j$ passes on |
# | $N_q,\ N_k$ | | | how many queries and keys |
# | $\sigma^2$ | `sigma2` | scalar | squared width of the Gaussian |
# | $\lVert x\rVert^2$ | | scalar | squared length of $x$ |
#
# Here are five queries and seven keys to play with. The keys grow longer from left to right.

# %%
rng = np.random.default_rng(7)
queries = rng.normal(size=(5, 4))  # (N_q, D)
keys = rng.normal(size=(7, 4))  # (N_k, D)
keys *= (np.linspace(0.5, 3, 7) / np.linalg.norm(keys, axis=1))[:, None]
values = rng.normal(size=(7, 3))  # (N_k, M)
print("lengths of the keys:", np.linalg.norm(keys, axis=1).round(2))

# %% [markdown]
# ## 1. How much should a query listen to a key?
#
# Attention answers with $e^{q\cdot k/\sqrt D}$. Statistics has answered with a Gaussian bump around $q$
# since 1964. The two look nothing alike.

# %% study=true
span = np.linspace(-3, 3, 121)
plane = np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2)  # (14641, 2), every point is a key
query = np.array([1.2, 0.6])
levels = np.exp(np.arange(-9, 4.1, 0.5))


def draw_plane(axis, height, title):
    """Draw level lines of a height given at every point of the plane, and the query as an arrow."""
    drawn = axis.contourf(span, span, np.clip(height, levels[0], levels[-1]).reshape(121, 121), levels,
                          norm="log", cmap="viridis")
    axis.annotate("", query, (0, 0), arrowprops={"arrowstyle": "->", "color": "white", "lw": 2})
    axis.text(*query, " q", color="white", weight="bold", va="bottom")
    axis.set(title=title, xlabel="key, first component", ylabel="key, second component", aspect="equal")
    return drawn


figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.3))
draw_plane(left, np.exp(plane @ query / math.sqrt(2)), "attention: exp(q·k / √D)")
near = np.exp(-np.sum((plane - query) ** 2, axis=-1) / math.sqrt(8))
drawn = draw_plane(right, near, "Gaussian bump around q")
figure.colorbar(drawn, ax=[left, right], ticks=[1e-3, 1e-2, 1e-1, 1, 10], format="%g", label="similarity")
plt.show()

# %% [markdown]
# *Figure 1. The similarity of one query (arrow) to every key of the plane. Attention has straight level lines
# and grows for ever along q. The Gaussian has circles and peaks at q.*
#
# Begin with attention's answer. For the whole table, with $D$ components each:
#
# $$\underbrace{s_{ij}}_{(N_q,\,N_k)} = \exp\!\left(\frac{q_i\cdot k_j}{\sqrt D}\right)$$
#
# For one query and one key, the obvious loop runs over components.

# %%
dot = 0.0
for q_d, k_d in zip(queries[0], keys[6], strict=True):
    dot += q_d * k_d
print(f"s[0, 6] = exp({dot:.3f} / 2) = {math.exp(dot / 2):.3f}")

# %% [markdown]
# **Exercise · `softmax_similarity`** · ●○○ · 5 minutes · 1 point
#
# Fill the whole table without a Python loop. It takes `queries` $(N_q, D)$ and `keys` $(N_k, D)$
# and returns $(N_q, N_k)$. Read $D$ from the arrays: it will not always be 4.

# %% exercise="softmax_similarity"
def softmax_similarity(queries, keys):
    """Return exp(q·k / √D) for every query and key: (N_q, D), (N_k, D) -> (N_q, N_k)."""
    ### BEGIN SOLUTION
    scale = np.sqrt(queries.shape[1])
    return np.exp(queries @ keys.T / scale)  # (N_q, N_k)
    ### END SOLUTION


# %% check="softmax_similarity"

# %% study=true
figure, axis = plt.subplots(figsize=(4.4, 3.2))
heat_map(axis, softmax_similarity(queries, keys), "softmax similarity of 5 queries and 7 keys")
plt.show()

# %% [markdown]
# *Figure 2. Your table. The short keys on the left say about 1 to everybody. The long keys on the right say
# much more or much less.*
#
# **What would happen if** we did not divide by $\sqrt D$? Dot products of random vectors spread like
# $\sqrt D$. Raising your table to the power $\sqrt D$ takes the division back.

# %% study=true
dims = [1, 4, 16, 64, 256]
shares = {"with √D": [], "without √D": []}
for dim in dims:
    table = softmax_similarity(rng.normal(size=(64, dim)), rng.normal(size=(64, dim)))
    for label, power in (("with √D", 1), ("without √D", math.sqrt(dim))):
        raised = table**power
        shares[label].append((raised.max(axis=1) / raised.sum(axis=1)).mean())
figure, axis = plt.subplots(figsize=(4.6, 2.7))
for label, share in shares.items():
    axis.semilogx(dims, share, "o-", base=2, label=label)
axis.set(title="What the loudest of 64 keys gets", xlabel="dimension D", ylabel="mean share of a row",
         ylim=(0, 1))
axis.legend()
plt.show()
print("D = 256:", {label: round(float(share[-1]), 2) for label, share in shares.items()})

# %% [markdown]
# *Figure 3. Without the division one of 64 keys takes 0.92 of a row at D = 256. With it the share stays near
# 0.1.*
#
# ## 2. How far apart are they?
#
# The Gaussian needs the squared distance of every pair. The side opposite the angle is $q-k$.

# %% study=true
q, k = np.array([2.0, 0.4]), np.array([0.8, 1.5])
figure, axis = plt.subplots(figsize=(4.2, 2.7))
for start, end, name, colour in (((0, 0), q, "q", "C0"), ((0, 0), k, "k", "C1"), (k, q, "q − k", "C3")):
    axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
    axis.text(*(np.add(start, end) / 2 + [0.08, 0.06]), name, color=colour, weight="bold")
axis.set(xlim=(-0.1, 2.4), ylim=(-0.1, 1.7), aspect="equal", title="Two vectors and what lies between them",
         xlabel="first component", ylabel="second component")
plt.show()

# %% [markdown]
# *Figure 4. The law of cosines gives the third side from the other two and their dot product.*
#
# $$\underbrace{\lVert q_i-k_j\rVert^2}_{(N_q,\,N_k)} = \underbrace{\lVert q_i\rVert^2}_{(N_q,1)}
# + \underbrace{\lVert k_j\rVert^2}_{(1,N_k)} - 2\,\underbrace{q_i\cdot k_j}_{(N_q,\,N_k)}$$
#
# The obvious loop again takes one pair. Doing all pairs at once by subtracting makes a cube of $N_q N_k D$
# numbers.

# %%
distance = 0.0
for q_d, k_d in zip(queries[0], keys[6], strict=True):
    distance += (q_d - k_d) ** 2
print(f"squared distance of query 0 and key 6: {distance:.3f}")
table_gb = 4096**2 * 8 / 1e9
print(f"4096 queries and keys, D = 64: cube {64 * table_gb:.1f} GB, table {table_gb:.2f} GB")

# %% [markdown]
# **Exercise · `squared_distances`** · ●●○ · 10 minutes · 2 points
#
# Take `queries` $(N_q, D)$ and `keys` $(N_k, D)$, return all squared distances $(N_q, N_k)$, without the
# cube. Rounding can turn a distance of zero into a tiny negative number. Never return one.

# %% exercise="squared_distances"
def squared_distances(queries, keys):
    """Return ‖q − k‖² for every query and key: (N_q, D), (N_k, D) -> (N_q, N_k)."""
    ### BEGIN SOLUTION
    query_norms = np.sum(queries**2, axis=1)[:, None]  # (N_q, 1)
    key_norms = np.sum(keys**2, axis=1)[None, :]  # (1, N_k)
    distances = query_norms + key_norms - 2 * queries @ keys.T
    return np.maximum(distances, 0)  # rounding may leave a tiny negative
    ### END SOLUTION


# %% check="squared_distances"

# %% study=true
turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 2.9))
left.scatter(*ring.T, c=np.arange(40), cmap="twilight", s=25)
left.set(title="40 points on a ring", aspect="equal", xlabel="first component", ylabel="second component")
shown = right.imshow(squared_distances(ring, ring), cmap="viridis")
right.set(title="their squared distances", xlabel="point j", ylabel="point i")
figure.colorbar(shown, ax=right, label="‖q − k‖²")
plt.show()

# %% [markdown]
# *Figure 5. Neighbours on the ring are near (dark diagonal and corners). Opposite points are at the largest
# squared distance, 4.*
#
# **What would happen if** the ring stood far from the origin? The distances stay as they were. But the
# formula now subtracts large numbers that are nearly equal.

# %% study=true
shifts = np.logspace(0, 4, 17)
figure, axis = plt.subplots(figsize=(6.4, 2.8))
for dtype in (np.float32, np.float64):
    name, errors = np.dtype(dtype).name, []
    for shift in shifts:
        moved = (ring[:20] + shift).astype(dtype)
        exact = [[math.dist(a, b) ** 2 for b in moved] for a in moved]
        errors.append(np.abs(squared_distances(moved, moved) - exact).max())
    axis.loglog(shifts, errors, "o-", ms=3, label=name)
    print(f"{name}: largest error {errors[0]:.0e} near the origin, {errors[-1]:.0e} at 10 000")
axis.axhline(4, color="grey", ls=":", label="largest true value")
axis.set(title="Rounding in your distances", xlabel="what was added to both components",
         ylabel="largest error")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# *Figure 6. The error grows with the square of the shift. In float32 it passes the largest true
# value, 4, near 3000. That is the price of not building the cube.*
#
# ## 3. What does a Gaussian hear?
#
# It turns a distance into a loudness between 0 and 1. Its width $\sigma$ says how far it hears.

# %% study=true
apart = np.linspace(0, 4, 200)
figure, axis = plt.subplots(figsize=(4.6, 2.6))
for width2 in (0.25, 1, 4):
    axis.plot(apart, np.exp(-0.5 * apart**2 / width2), label=f"σ² = {width2}")
axis.set(title="A Gaussian of three widths", xlabel="distance ‖q − k‖", ylabel="kernel")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 7. At the distance σ each curve has fallen to 0.61. The wider the curve, the later that is.*
#
# $$\underbrace{K_{ij}}_{(N_q,\,N_k)} = \exp\!\left(-\frac{\lVert q_i-k_j\rVert^2}{2\sigma^2}\right)$$
#
# Mind the square: code passes $\sigma^2$ itself, as `sigma2`.

# %%
for separation in (0.0, 1.0, 2.0, 4.0):
    print(f"distance {separation}: K = {math.exp(-(separation**2) / (2 * 2.0)):.4f}   with sigma2 = 2")

# %% [markdown]
# **Exercise · `gaussian_kernel`** · ●○○ · 5 minutes · 1 point
#
# Take `queries` $(N_q, D)$, `keys` $(N_k, D)$ and the scalar `sigma2`; return $K$ $(N_q, N_k)$.
# You have done the hard part already: use it.

# %% exercise="gaussian_kernel"
def gaussian_kernel(queries, keys, sigma2):
    """Return exp(−‖q − k‖² / 2σ²): (N_q, D), (N_k, D), scalar -> (N_q, N_k)."""
    ### BEGIN SOLUTION
    return np.exp(-squared_distances(queries, keys) / (2 * sigma2))
    ### END SOLUTION


# %% check="gaussian_kernel"

# %% study=true
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), sharey=True)
for axis, width2 in zip(axes, (0.25, 1, 4), strict=True):
    drawn = draw_plane(axis, gaussian_kernel(query[None], plane, width2)[0], f"σ² = {width2}")
    axis.set(ylabel="")
axes[0].set(ylabel="key, second component")
figure.colorbar(drawn, ax=axes, ticks=[1e-3, 1e-2, 1e-1, 1], format="%g", label="kernel")
plt.show()

# %% [markdown]
# *Figure 8. Your kernel around one query, for three widths. It is 1 where the arrow ends.
# The darkest colour is below 0.001.*
#
# **What would happen if** $\sigma$ went to zero, or to infinity? Guess before you run this cell.

# %% study=true
for width2 in (1e-3, 2.0, 1e6):
    heard = gaussian_kernel(queries[:1], keys, width2)[0]
    print(f"sigma2 = {width2:<9g} kernel of query 0:", heard.round(3))

# %% [markdown]
# A tiny width is deaf to all but an exact match. A huge one hears everybody alike, and attention becomes a
# plain mean.
#
# ## 4. When are the two the same?
#
# A derivation is a list of lines. Each is a formula, equal to the line above. `*` multiplies, `**` raises to
# a power. Here is one, for another identity.

# %% study=true
example = [
    "(a + b)**2 - (a - b)**2",
    "a**2 + 2*a*b + b**2 - (a**2 - 2*a*b + b**2)",
    "4*a*b",
]
for above, below in pairwise(example):
    print(below, "  follows:", sympy.simplify(sympy.sympify(f"({above}) - ({below})")) == 0)

# %% [markdown]
# **Exercise · `derive_gaussian_rewrite`** · ●●○ · 15 minutes · 3 points
#
# The first line holds the Gaussian between two factors. Go on, line by line, to the softmax similarity
# $e^{q\cdot k/\sqrt D}$, in which only `qk` and `D` are left. Use $\sigma^2=\sqrt D$ where you need it.
#
# | symbol | means | | symbol | means |
# |---|---|---|---|---|
# | `qq` | $\lVert q\rVert^2$ | | `sigma2` | $\sigma^2$, equal to `sqrt(D)` |
# | `kk` | $\lVert k\rVert^2$ | | `D` | the dimension |
# | `qk` | $q\cdot k$ | | | |

# %% exercise="derive_gaussian_rewrite"
derive_gaussian_rewrite = [
    "exp(qq/(2*sigma2)) * exp(-(qq - 2*qk + kk)/(2*sigma2)) * exp(kk/(2*sigma2))",
    ### BEGIN SOLUTION
    "exp((qq - (qq - 2*qk + kk) + kk)/(2*sigma2))",
    "exp(2*qk/(2*sigma2))",
    "exp(qk/sqrt(D))",
    ### END SOLUTION
]

# %% check="derive_gaussian_rewrite"

# %% [markdown]
# ## 5. Can we see the factors?
#
# Figure 1 compared straight lines with circles. Your kernel and one factor turn the circles into lines.

# %% study=true
from_origin = squared_distances(np.zeros((1, 2)), plane)[0]
growth = np.exp(from_origin / math.sqrt(8))
bump = gaussian_kernel(query[None], plane, math.sqrt(2))[0]
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), sharey=True)
draw_plane(axes[0], bump, "Gaussian kernel")
draw_plane(axes[1], growth, "× key factor exp(‖k‖² / 2√D)")
drawn = draw_plane(axes[2], bump * growth, "= straight lines")
axes[1].set(ylabel="")
axes[2].set(ylabel="")
figure.colorbar(drawn, ax=axes, ticks=[1e-3, 1e-2, 1e-1, 1, 10], format="%g", label="height")
plt.show()

# %% [markdown]
# *Figure 9. The factor grows away from the origin just as the bump falls. Their product has attention's
# straight level lines; the query factor only sets their overall height.*
#
# $$e^{q_i\cdot k_j/\sqrt D}=\underbrace{e^{\lVert q_i\rVert^2/2\sigma^2}}_{\text{query factor }(N_q,)}\
# \underbrace{e^{-\lVert q_i-k_j\rVert^2/2\sigma^2}}_{\text{kernel }(N_q,\,N_k)}\
# \underbrace{e^{\lVert k_j\rVert^2/2\sigma^2}}_{\text{key factor }(N_k,)},\qquad \sigma^2=\sqrt D$$

# %%
longer, shorter, meet = 1.5, 0.7, 0.9  # ‖q‖, ‖k‖ and q·k of one pair, in D = 4
between = longer**2 - 2 * meet + shorter**2
three = [math.exp(longer**2 / 4), math.exp(-between / 4), math.exp(shorter**2 / 4)]
print("query factor, kernel, key factor:", [round(part, 4) for part in three])
print(f"their product {math.prod(three):.6f}, softmax similarity {math.exp(meet / 2):.6f}")

# %% [markdown]
# **Exercise · `rewrite_softmax_similarity`** · ●●○ · 15 minutes · 3 points
#
# Take `queries` $(N_q, D)$ and `keys` $(N_k, D)$. Return a tuple of three arrays: the query factor $(N_q,)$,
# the kernel $(N_q, N_k)$ and the key factor $(N_k,)$. Their product is your `softmax_similarity`.

# %% exercise="rewrite_softmax_similarity"
def rewrite_softmax_similarity(queries, keys):
    """Return (query_factor (N_q,), kernel (N_q, N_k), key_factor (N_k,)) with σ² = √D."""
    ### BEGIN SOLUTION
    sigma2 = np.sqrt(queries.shape[1])
    query_factor = np.exp(np.sum(queries**2, axis=1) / (2 * sigma2))  # (N_q,)
    key_factor = np.exp(np.sum(keys**2, axis=1) / (2 * sigma2))  # (N_k,)
    kernel = gaussian_kernel(queries, keys, sigma2)  # (N_q, N_k)
    return query_factor, kernel, key_factor
    ### END SOLUTION


# %% check="rewrite_softmax_similarity"

# %% study=true
of_query, bell, of_key = rewrite_softmax_similarity(queries, keys)
figure, axes = plt.subplots(1, 4, figsize=(9.6, 2.5), width_ratios=[7, 1.8, 7, 7])
heat_map(axes[0], softmax_similarity(queries, keys), "softmax similarity")
heat_map(axes[1], of_query[:, None], "= query factor", xlabel="", ylabel="")
heat_map(axes[2], bell, "× Gaussian kernel", ylabel="")
heat_map(axes[3], of_key[None, :], "× key factor", ylabel="")
axes[1].set(xticks=[])
axes[3].set(yticks=[])
plt.show()
gap = np.abs(np.einsum("i,ij,j->ij", of_query, bell, of_key) - softmax_similarity(queries, keys)).max()
print(f"largest difference between the product and the similarity: {gap:.0e}")

# %% [markdown]
# *Figure 10. Your four tables. One number per row and one per column turn the kernel into the similarity.*
#
# **What would happen if** you read $\sigma^2=\sqrt D$ as $\sigma=\sqrt D$? It is the usual slip.
# Then $\sigma^2 = D$; the right width is $\sigma=D^{1/4}$. The next cell tries both, with $D=16$.

# %% study=true
many_q, many_k = rng.normal(size=(30, 16)), rng.normal(size=(30, 16))
origin = np.zeros((1, 16))
target = softmax_similarity(many_q, many_k)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3))
for width2, label, colour in ((4.0, "σ² = √D = 4", "C0"), (16.0, "σ² = D = 16, the slip", "C3")):
    lift = np.exp((squared_distances(many_q, origin) + squared_distances(origin, many_k)) / width2 / 2)
    product = gaussian_kernel(many_q, many_k, width2) * lift
    left.loglog(target.ravel(), product.ravel(), ".", ms=3, color=colour, label=label)
    right.plot(np.sort(product[0] / product[0].sum())[::-1], "o-", ms=3, color=colour, label=label)
    print(f"{label}: largest weight of query 0 is {product[0].max() / product[0].sum():.2f}")
left.set(title="product of the three parts", xlabel="softmax similarity", ylabel="product")
right.set(title="weights of one query", xlabel="keys, loudest first", ylabel="share of the row")
left.legend()
plt.show()

# %% [markdown]
# *Figure 11. Blue is right: the product is the similarity. The slip (red) gives $e^{q\cdot k/D}$, a flatter
# line. Its attention is far too even: the loudest key gets 0.05 in place of 0.12. With D = 1 nobody would
# notice.*
#
# ## 6. From similarity to attention
#
# Attention is a weighted mean of the values. The weights of a row are its similarities, made to sum to one.

# %%
measured_at = np.sort(rng.uniform(0, 1, size=(40, 1)), axis=0)  # (N_k, 1), one key is one place
measured = np.sin(2 * np.pi * measured_at) + 0.3 * rng.normal(size=(40, 1))  # (N_k, M), M = 1

# %% study=true
place, width = 0.3, 0.06
loud = np.exp(-0.5 * ((measured_at[:, 0] - place) / width) ** 2)
mean = np.average(measured[:, 0], weights=loud)
figure, axis = plt.subplots(figsize=(5.4, 2.8))
axis.scatter(measured_at, measured, s=4 + 120 * loud, alpha=0.6, label="values, sized by weight")
axis.plot(place, mean, "C3*", ms=14, label="attention at 0.3")
axis.axvline(place, color="C3", lw=0.8)
axis.set(title="One query averages its neighbourhood", xlabel="place (key)", ylabel="measurement (value)")
axis.legend()
plt.show()
print(f"attention at {place}: {mean:.2f}, the noiseless curve: {math.sin(2 * math.pi * place):.2f}")

# %% [markdown]
# *Figure 12. The query sits on the red line. Large dots count much, small ones hardly. The star is their
# mean.*
#
# $$\underbrace{o_i}_{(M,)}=\sum_{j=1}^{N_k}\frac{s_{ij}}{\sum_{l} s_{il}}\ \underbrace{v_j}_{(M,)}$$
#
# By hand, for one row of three similarities and three values:

# %%
heard, told = [2.0, 1.0, 1.0], [10.0, 20.0, 40.0]
answer = 0.0
for loudness, number in zip(heard, told, strict=True):
    answer += loudness / math.fsum(heard) * number
    print(f"share {loudness / math.fsum(heard):.2f} of {number:.0f}, so far {answer:.0f}")

# %% [markdown]
# **Exercise · `kernel_attention`** · ●○○ · 5 minutes · 1 point
#
# Take `similarity` $(N_q, N_k)$ and `values` $(N_k, M)$, return the outputs $(N_q, M)$.
# Any positive similarity will do, softmax's or the Gaussian's.

# %% exercise="kernel_attention"
def kernel_attention(similarity, values):
    """Average the values with each row's weights: (N_q, N_k), (N_k, M) -> (N_q, M)."""
    ### BEGIN SOLUTION
    weights = similarity / similarity.sum(axis=1, keepdims=True)  # rows sum to one
    return weights @ values  # (N_q, M)
    ### END SOLUTION


# %% check="kernel_attention"

# %% study=true
grid = np.linspace(0, 1, 200)[:, None]
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.6), sharey=True)
for axis, sigma in zip(axes, (0.01, 0.06, 0.3), strict=True):
    axis.plot(measured_at, measured, "o", ms=3, color="grey", label="measured")
    axis.plot(grid, np.sin(2 * np.pi * grid), "k:", label="truth")
    smooth = kernel_attention(gaussian_kernel(grid, measured_at, sigma**2), measured)
    axis.plot(grid, smooth, "C3", label="yours")
    axis.set(title=f"σ = {sigma}", xlabel="place")
axes[0].set(ylabel="measurement")
axes[1].legend()
plt.show()

# %% [markdown]
# *Figure 13. Your attention with a Gaussian kernel smooths the measurements. This is the Nadaraya–Watson
# smoother of 1964. Too narrow repeats the noise, too wide flattens the curve.*
#
# ## 7. Which factors does attention need?
#
# Leave one out and look. With the identity matrix as values, attention returns its own weights.

# %% study=true
variants = {"all three parts": softmax_similarity(queries, keys),
            "without the query factor": bell * of_key, "without the key factor": bell * of_query[:, None]}
everything = kernel_attention(variants["all three parts"], values)
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.7))
for axis, (name, table) in zip(axes, variants.items(), strict=True):
    heat_map(axis, kernel_attention(table, np.eye(7)).round(2), "weights, " + name)
    change = np.abs(kernel_attention(table, values) - everything).max()
    print(f"{name}: the output changes by {change:.0e}")
plt.show()

# %% [markdown]
# *Figure 14. Left and middle are the same weights. On the right the long keys lose their say.*
#
# **What would happen if** every key were equally long? Change `keys` in the next cell and see.

# %% study=true
trial_keys = keys  # try: keys / np.linalg.norm(keys, axis=1)[:, None]
_, trial_bell, trial_factor = rewrite_softmax_similarity(queries, trial_keys)
with_it, without_it = (kernel_attention(table, values) for table in (trial_bell * trial_factor, trial_bell))
print("dropping the key factor changes the output by", np.abs(with_it - without_it).max().round(3))

# %% [markdown] written="explain_factors"
# **Written · `explain_factors`** · ●●○ · 10 minutes · 2 points
#
# Which of the two factors can be dropped without changing attention? Say why, with the formula of the
# weighted mean. Why has the other one to stay? What does attention turn into without it, and when
# does that make no difference?

# %% [markdown]
# ## 8. What if the keys are very long?
#
# The key factor is an exponential of a square. With $D=64$ its exponent is $\lVert k\rVert^2/16$.

# %% study=true
norms2 = np.logspace(1, 4.4, 4000)
figure, axis = plt.subplots(figsize=(5.6, 3))
with np.errstate(over="ignore"):
    for dtype, style in ((np.float64, "C2-"), (np.float32, "C0-"), (np.float16, "C1-")):
        factor = np.exp((norms2 / 16).astype(dtype))
        finite = np.isfinite(factor)
        digits = np.log10(factor[finite].astype(np.float64))
        limit = math.log(np.finfo(dtype).max)
        name = np.dtype(dtype).name
        axis.loglog(norms2[finite], digits, style, lw=2)
        end = f"‖k‖² = {16 * limit:.0f}"
        axis.plot(16 * limit, limit / math.log(10), style[:2] + "X", ms=9, label=f"{name}: {end}")
        print(f"{name}: exp overflows above {limit:.1f}, so for D = 64 above {end}")
axis.set(title="The key factor, until it overflows (D = 64)", xlabel="‖k‖²", ylabel="log₁₀ of the key factor")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 15. All three types climb the same line. float16 ends (cross) at ‖k‖² = 177, float32 at 1420,
# float64 at 11 357. Beyond that there is only infinity.*
#
# Infinity over infinity is not a number. But the mean does not change when a whole row is divided by one
# number:
#
# $$\frac{e^{x_j}}{\sum_l e^{x_l}}=\frac{e^{x_j-c}}{\sum_l e^{x_l-c}}\qquad\text{for every } c$$

# %%
row_exponents = [1000.0, 1001.0, 1002.0]
with np.errstate(over="ignore", invalid="ignore"):
    for name, offset in (("as they are", 0.0), ("all lowered by 1002", 1002.0)):
        raised = np.exp(np.subtract(row_exponents, offset))
        print(f"{name}: weights", (raised / raised.sum()).round(3))

# %% [markdown]
# **Exercise · `stable_kernel_attention`** · ●●● · 20 minutes · 3 points
#
# Take `queries` $(N_q, D)$, `keys` $(N_k, D)$, `values` $(N_k, M)$; return softmax attention $(N_q, M)$.
# It must be finite for vectors as long as 10 000. Suggestion: put the needed factor into the exponent,
# beside the kernel's. Then lower each row before you raise.

# %% exercise="stable_kernel_attention"
def stable_kernel_attention(queries, keys, values):
    """Return softmax attention that cannot overflow: (N_q, D), (N_k, D), (N_k, M) -> (N_q, M)."""
    ### BEGIN SOLUTION
    sigma2 = np.sqrt(queries.shape[1])
    key_exponents = np.sum(keys**2, axis=1) / (2 * sigma2)  # (N_k,), log of the key factor
    exponents = key_exponents - squared_distances(queries, keys) / (2 * sigma2)  # (N_q, N_k)
    exponents = exponents - exponents.max(axis=1, keepdims=True)  # cancels in the ratio
    return kernel_attention(np.exp(exponents), values)
    ### END SOLUTION


# %% check="stable_kernel_attention"

# %% study=true
stretches = np.logspace(-1, 3.5, 200)
curves = {"yours, stable": [], "softmax_similarity": [], "three factors": []}
with np.errstate(over="ignore", invalid="ignore"):
    for stretch in stretches:
        a, b, c = rewrite_softmax_similarity(queries, stretch * keys)
        curves["yours, stable"].append(stable_kernel_attention(queries, stretch * keys, values)[0, 0])
        direct = kernel_attention(softmax_similarity(queries, stretch * keys), values)
        curves["softmax_similarity"].append(direct[0, 0])
        curves["three factors"].append(kernel_attention(a[:, None] * b * c, values)[0, 0])
figure, axis = plt.subplots(figsize=(5.6, 2.9))
for (name, curve), style in zip(curves.items(), ("C0-", "C1-", "C3-"), strict=True):
    alive = np.isfinite(curve)
    axis.semilogx(3 * stretches[alive], np.array(curve)[alive], style, lw=7 - 2.5 * list(curves).index(name),
                  alpha=0.6, label=name)
    if not alive.all():
        axis.plot(3 * stretches[alive][-1], np.array(curve)[alive][-1], style[:2] + "X", ms=10)
    print(f"{name}: finite up to a longest key of {3 * stretches[alive][-1]:.2g}")
axis.set(title="Attention of query 0 as the keys grow", xlabel="length of the longest key",
         ylabel="first component of the output")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 16. A cross marks where a curve turns into NaN. The three factors multiplied end near length 50, the
# plain similarity near 4000. Yours goes on to the edge of the figure and beyond.*
#
# **What would happen if** one number, the largest of the whole table, lowered every row?

# %% study=true
two_rows = np.array([[1000.0, 1001.0], [0.0, 1.0]])
with np.errstate(invalid="ignore"):
    for name, offset in (("row by row", np.array([[1001.0], [1.0]])), ("by the whole table's", 1001.0)):
        print(f"{name}: weights", kernel_attention(np.exp(two_rows - offset), np.eye(2)).round(3).tolist())

# %% [markdown]
# The quiet row underflows to 0 / 0. Each row needs its own number.
#
# ## Summary
#
# - The softmax similarity is a query factor, a Gaussian kernel and a key factor, with $\sigma = D^{1/4}$.
# - One of the two factors can go and the other can't. You have written down why.
# - Exponents can be lowered row by row before they are raised, so that attention never overflows.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Tsai et al. 2019](https://arxiv.org/abs/1908.11775) read attention as a kernel
# smoother. [Katharopoulos et al. 2020](https://arxiv.org/abs/2006.16236) put feature maps in the kernel's
# place, for linear cost. Two papers approximate it with random features:
# [Peng et al. 2021](https://arxiv.org/abs/2103.02143) (RFA, which starts from this very rewrite) and
# [Choromanski et al. 2021](https://arxiv.org/abs/2009.14794) (Performer).
#
# **Where it lives today.** FlashAttention carries the row's largest exponent along, block by block.
# Long-context models mix linear attention with softmax layers.
# Lesson 02 replaces your kernel by random features, in time that grows like N.
