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
# PyTorch computes attention in one call. Here you take it apart. Afterwards you will be able to
#
# - split softmax attention into a Gaussian kernel and two factors, without losing autograd;
# - say which factor attention needs, and why;
# - write attention that survives bfloat16, long vectors and its own backward pass.
#
# It takes two hours, 85 minutes of them for exercises, and carries 16 points.
# You need tensors and `backward()`.

# %% setup=true
import autograder

lesson = autograder.lesson("01-kernel-attention", track="pytorch")

# %% [markdown]
# After each exercise stands a check cell. It judges values, dtype and the gradients that reach every input.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.
#
# `as_floats`, below, is yours to use: integer tensors can't be raised or divided as they are.

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import sympy
import torch
import torch.nn.functional as F

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})


def as_floats(*tensors):
    """Return the tensors, integers promoted to the default dtype; dtype and device are kept otherwise."""
    default = torch.get_default_dtype()
    return tuple(t if t.is_floating_point() else t.to(default) for t in tensors)


def heat_map(axis, table, title, xlabel="key j", ylabel="query i", style=".2g"):
    """Draw a two-dimensional tensor as coloured squares with their numbers in them."""
    rows = table.detach().double().cpu().tolist()
    axis.imshow(rows, cmap="viridis")
    middle = (max(map(max, rows)) + min(map(min, rows))) / 2
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            colour = "white" if number < middle else "black"
            axis.text(j, i, f"{number:{style}}", ha="center", va="center", fontsize=7, color=colour)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xticks=range(len(rows[0])), yticks=range(len(rows)))


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
# Six queries and eight keys to play with; the keys grow longer. All are float64, so that rounding does not
# distract.

# %%
generator = torch.Generator().manual_seed(3)


def normal(*shape):
    """Draw a float64 tensor of standard normal numbers."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


queries, values = normal(6, 4), normal(8, 3)  # (N_q, D), (N_k, M)
keys = F.normalize(normal(8, 4), dim=1) * torch.linspace(0.5, 3, 8, dtype=torch.float64)[:, None]  # (N_k, D)
print("lengths of the keys:", [round(length, 2) for length in keys.norm(dim=1).tolist()])

# %% [markdown]
# ## 1. What does torch's attention do to a noisy curve?
#
# Put places on a circle and call them keys. Let noisy measurements be the values. Ask torch at every angle.

# %% study=true
def on_circle(angles, radius):
    """Return points on a circle: (N,) -> (N, 2)."""
    return radius * torch.stack([angles.cos(), angles.sin()], dim=1)


angles = torch.linspace(0, 2 * math.pi, 61, dtype=torch.float64)[:60]
noisy = torch.sin(2 * angles) + 0.4 * normal(60)
fine = torch.linspace(0, 2 * math.pi, 300, dtype=torch.float64)
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), sharey=True)
for axis, radius in zip(axes, (1, 5, 30), strict=True):
    asked, known = on_circle(fine, radius), on_circle(angles, radius)
    smooth = F.scaled_dot_product_attention(asked, known, noisy[:, None])
    axis.plot(angles, noisy, "o", ms=3, color="grey", label="measured")
    axis.plot(fine, torch.sin(2 * fine), "k:", label="truth")
    axis.plot(fine, smooth[:, 0], "C3", label="torch's attention")
    axis.set(title=f"circle of radius {radius}", xlabel="angle")
axes[0].set(ylabel="measurement")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# *Figure 1. Torch's attention acts like the kernel smoother of Nadaraya and Watson (1964). Radius 1 averages
# nearly everything, 5 finds the curve, 30 repeats the noise.*
#
# Why a smoother? Attention compares by
#
# $$\underbrace{s_{ij}}_{(N_q,\,N_k)} = \exp\!\left(\frac{q_i\cdot k_j}{\sqrt D}\right)$$
#
# For one query and one key the obvious loop runs over components.

# %%
dot = 0.0
for q_d, k_d in zip(queries[0].tolist(), keys[7].tolist(), strict=True):
    dot += q_d * k_d
print(f"s[0, 7] = exp({dot:.3f} / 2) = {math.exp(dot / 2):.3f}")

# %% [markdown]
# **Exercise · `softmax_similarity`** · ●○○ · 5 minutes · 1 point
#
# Fill the whole table without a Python loop. It takes `queries` $(N_q, D)$ and `keys` $(N_k, D)$
# and returns $(N_q, N_k)$. Stay in torch throughout: NumPy would lose the gradients.

# %% exercise="softmax_similarity"
def softmax_similarity(queries, keys):
    """Return exp(q·k / √D) for every query and key: (N_q, D), (N_k, D) -> (N_q, N_k)."""
    ### BEGIN SOLUTION
    queries, keys = as_floats(queries, keys)
    scale = queries.shape[1] ** 0.5
    return torch.exp(queries @ keys.T / scale)  # (N_q, N_k)
    ### END SOLUTION


# %% check="softmax_similarity"

# %% study=true
figure, axis = plt.subplots(figsize=(4.6, 3.4))
heat_map(axis, softmax_similarity(queries, keys), "softmax similarity of 6 queries and 8 keys")
plt.show()

# %% [markdown]
# *Figure 2. Your table. The short keys on the left say about 1 to everybody. What the long keys say on the
# right runs from 0.35 to 7.7.*
#
# **What would happen if** we did not divide by $\sqrt D$? Raising your table to the power $\sqrt D$ takes the
# division back. Watch what remains of the gradient that a softmax row passes on.

# %% study=true
dims = [1, 4, 16, 64, 256]
passed = {"with √D": [], "without √D": []}
for dim in dims:
    table = softmax_similarity(normal(64, dim), normal(64, dim))
    for label, power in (("with √D", 1), ("without √D", math.sqrt(dim))):
        share = F.normalize(table**power, p=1, dim=1)
        passed[label].append((share * (1 - share)).sum(dim=1).mean().item())
figure, axis = plt.subplots(figsize=(4.6, 2.7))
for label, slope in passed.items():
    axis.semilogx(dims, slope, "o-", base=2, label=label)
axis.set(title="Slope of the weights, 64 keys", xlabel="dimension D", ylabel="Σ w(1 − w) of a row",
         ylim=(0, 1))
axis.legend()
plt.show()
print("D = 256:", {label: round(slope[-1], 2) for label, slope in passed.items()})

# %% [markdown]
# *Figure 3. The height says how far a row's weights still respond to their scores. With the division it
# stays near 0.96. Without it only 0.17 is left at D = 256.*
#
# ## 2. How far apart are they?
#
# The Gaussian needs the squared distance of every pair. Its gradient with respect to $q$ is $2(q-k)$:
# an arrow away from the key, as long as twice the way.

# %% study=true
q = torch.tensor([0.5, 0.3], requires_grad=True)
places = torch.tensor([[-1.2, 0.4], [0.2, -1.1], [1.5, 1.2]])
figure, axis = plt.subplots(figsize=(4.2, 3.1))
for place, colour in zip(places, ("C0", "C1", "C2"), strict=True):
    (slope,) = torch.autograd.grad(((q - place) ** 2).sum(), q)
    axis.plot(*place, "o", color=colour)
    axis.plot(*torch.stack([place, q.detach()]).T, ":", color=colour)
    arrow = {"arrowstyle": "->", "color": colour, "lw": 2}
    axis.annotate("", (q + slope).tolist(), q.tolist(), arrowprops=arrow)
axis.text(0.55, 0.1, "q", weight="bold")
axis.set(xlim=(-2, 4.4), ylim=(-2, 3.4), aspect="equal", title="gradient of ‖q − k‖² at q, for three keys",
         xlabel="first component", ylabel="second component")
plt.show()

# %% [markdown]
# *Figure 4. Each arrow carries on the dotted line from its key (dot), twice as far.*
#
# $$\underbrace{\lVert q_i-k_j\rVert^2}_{(N_q,\,N_k)} = \underbrace{\lVert q_i\rVert^2}_{(N_q,1)}
# + \underbrace{\lVert k_j\rVert^2}_{(1,N_k)} - 2\,\underbrace{q_i\cdot k_j}_{(N_q,\,N_k)}$$
#
# Subtracting all pairs at once makes a cube of $N_q N_k D$ numbers, and autograd keeps it for the way back.

# %%
distance = 0.0
for q_d, k_d in zip(queries[0].tolist(), keys[7].tolist(), strict=True):
    distance += (q_d - k_d) ** 2
print(f"squared distance of query 0 and key 7: {distance:.3f}")
table_gb = 4096**2 * 4 / 1e9
print(f"4096 queries and keys, D = 64, float32: cube {64 * table_gb:.1f} GB, table {table_gb:.2f} GB")

# %% [markdown]
# **Exercise · `squared_distances`** · ●●○ · 10 minutes · 2 points
#
# Take `queries` $(N_q, D)$ and `keys` $(N_k, D)$, return all squared distances $(N_q, N_k)$, without the
# cube. Rounding can turn a distance of zero into a tiny negative number. Never return one.

# %% exercise="squared_distances"
def squared_distances(queries, keys):
    """Return ‖q − k‖² for every query and key: (N_q, D), (N_k, D) -> (N_q, N_k)."""
    ### BEGIN SOLUTION
    queries, keys = as_floats(queries, keys)
    query_norms = queries.square().sum(dim=1)[:, None]  # (N_q, 1)
    key_norms = keys.square().sum(dim=1)[None, :]  # (1, N_k)
    distances = query_norms + key_norms - 2 * queries @ keys.T
    return distances.clamp(min=0)  # rounding may leave a tiny negative
    ### END SOLUTION


# %% check="squared_distances"

# %% study=true
few = (on_circle(angles[::3], 1) + 0.2 * normal(20, 2)).requires_grad_()
torch.exp(-2 * squared_distances(few, few.detach())).sum().backward()
by_torch = torch.cdist(few.detach(), few.detach()) ** 2
gap = (squared_distances(few, few).detach() - by_torch).abs().max()
print(f"largest difference from torch.cdist(queries, keys) ** 2: {gap:.0e}")
figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1))
left.quiver(*few.detach().T, *few.grad.T, angles="xy", color="C3", width=0.006)
left.plot(*few.detach().T, "o")
left.set(title="20 points and a gradient", aspect="equal", xlabel="first component",
         ylabel="second component")
shown = right.imshow(squared_distances(few, few).detach(), cmap="viridis")
right.set(title="squared distances", xlabel="point j", ylabel="point i", yticks=range(0, 20, 5))
figure.colorbar(shown, ax=right, label="‖q − k‖²")
plt.show()

# %% [markdown]
# *Figure 5. Right: your distances of 20 points, zero on the diagonal. Left: the points, and the gradient
# (arrows) of a sum of Gaussians, through your function. Points are drawn towards their neighbours.*
#
# **What would happen if** you took the root? At distance zero it has no slope.

# %% study=true
same = torch.ones(1, 4, requires_grad=True)
there = torch.ones(1, 4)
gaps = {"your squared distance": squared_distances(same, there),
        "its root": squared_distances(same, there).sqrt(), "torch.cdist": torch.cdist(same, there)}
for name, apart in gaps.items():
    (slope,) = torch.autograd.grad(apart.sum(), same)
    print(f"{name}: gradient where query and key coincide {slope[0].tolist()}")

# %% [markdown]
# Autograd makes `nan` of infinity times zero. `torch.cdist` has a rule of its own for this case. Squares
# need none.
#
# ## 3. What does a Gaussian hear?
#
# It turns a distance into a loudness between 0 and 1. Its width $\sigma$ says how far it hears.

# %% study=true
apart = torch.linspace(0, 4, 200)
figure, axis = plt.subplots(figsize=(4.6, 2.6))
for width2 in (0.25, 1, 4):
    axis.plot(apart, torch.exp(-0.5 * apart**2 / width2), label=f"σ² = {width2}")
axis.set(title="A Gaussian of three widths", xlabel="distance ‖q − k‖", ylabel="kernel")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 6. At the distance σ each curve has fallen to 0.61. The wider the curve, the later that is.*
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
    return torch.exp(-squared_distances(queries, keys) / (2 * sigma2))
    ### END SOLUTION


# %% check="gaussian_kernel"

# %% study=true
figure, axis = plt.subplots(figsize=(5, 2.8))
line = torch.linspace(0, 4, 200, dtype=torch.float64)[:, None].requires_grad_()
for width2 in (0.25, 1.0, 4.0):
    (slope,) = torch.autograd.grad(gaussian_kernel(line, torch.zeros(1, 1).double(), width2).sum(), line)
    axis.plot(line.detach(), -slope, label=f"σ² = {width2:g}")
    print(f"sigma2 = {width2}: pulls hardest at distance {line[slope.argmin()].item():.2f}")
axis.set(title="How hard a key pulls at a query", xlabel="distance ‖q − k‖", ylabel="−∂K / ∂distance")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 7. The gradient of your kernel, by autograd. A key at distance σ pulls hardest. A near one has
# nothing to gain, and a far one is not heard.*
#
# **What would happen if** $\sigma$ went to zero, or to infinity? Guess before you run this cell.

# %% study=true
for width2 in (1e-3, 2.0, 1e6):
    heard = gaussian_kernel(queries[:1], keys, width2)[0]
    print(f"sigma2 = {width2:<9g} kernel of query 0:", [round(loud, 3) for loud in heard.tolist()])

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
# Attention's level lines are straight, the Gaussian's are circles. One factor turns circles into lines.

# %% study=true
span = torch.linspace(-3, 3, 121)
plane = torch.cartesian_prod(span, span).flip(1)  # (14641, 2), every point is a key
query = torch.tensor([[1.2, 0.6]])
growth = torch.exp(squared_distances(torch.zeros(1, 2), plane)[0] / math.sqrt(8))
bump = gaussian_kernel(query, plane, math.sqrt(2))[0]
levels = [math.exp(step / 2) for step in range(-18, 9)]
figure, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), sharey=True)
panels = {"Gaussian kernel": bump, "× key factor exp(‖k‖² / 2√D)": growth, "= straight lines": bump * growth}
for axis, (title, height) in zip(axes, panels.items(), strict=True):
    inside = height.clamp(1.01 * levels[0], 0.99 * levels[-1]).reshape(121, 121)
    drawn = axis.contourf(span, span, inside, levels, norm="log")
    axis.annotate("", query[0].tolist(), (0, 0), arrowprops={"arrowstyle": "->", "color": "white", "lw": 2})
    axis.set(title=title, xlabel="key, first component", aspect="equal")
axes[0].set(ylabel="key, second component")
figure.colorbar(drawn, ax=axes, ticks=[1e-3, 1e-2, 1e-1, 1, 10], format="%g", label="height")
plt.show()

# %% [markdown]
# *Figure 8. The factor grows away from the origin just as the bump around the query (arrow) falls. Their
# product has straight level lines; the query factor only sets their overall height.*
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
# Take `queries` $(N_q, D)$ and `keys` $(N_k, D)$. Return a tuple of three tensors: the query factor $(N_q,)$,
# the kernel $(N_q, N_k)$ and the key factor $(N_k,)$. Their product is your `softmax_similarity`.

# %% exercise="rewrite_softmax_similarity"
def rewrite_softmax_similarity(queries, keys):
    """Return (query_factor (N_q,), kernel (N_q, N_k), key_factor (N_k,)) with σ² = √D."""
    ### BEGIN SOLUTION
    queries, keys = as_floats(queries, keys)
    sigma2 = queries.shape[1] ** 0.5
    query_factor = torch.exp(queries.square().sum(dim=1) / (2 * sigma2))  # (N_q,)
    key_factor = torch.exp(keys.square().sum(dim=1) / (2 * sigma2))  # (N_k,)
    kernel = gaussian_kernel(queries, keys, sigma2)  # (N_q, N_k)
    return query_factor, kernel, key_factor
    ### END SOLUTION


# %% check="rewrite_softmax_similarity"

# %% study=true
of_query, bell, of_key = rewrite_softmax_similarity(queries, keys)
figure, axes = plt.subplots(1, 4, figsize=(9.8, 2.5), width_ratios=[8, 1.8, 8, 8])
heat_map(axes[0], softmax_similarity(queries, keys), "softmax similarity")
heat_map(axes[1], of_query[:, None], "= query factor", xlabel="", ylabel="")
heat_map(axes[2], bell, "× Gaussian kernel", ylabel="")
heat_map(axes[3], of_key[None, :], "× key factor", ylabel="")
axes[1].set(xticks=[])
axes[3].set(yticks=[])
plt.show()
gap = (torch.einsum("i,ij,j->ij", of_query, bell, of_key) - softmax_similarity(queries, keys)).abs().max()
print(f"largest difference between the product and the similarity: {gap:.0e}")

# %% [markdown]
# *Figure 9. Your four tables. One number per row and one per column turn the kernel into the similarity.*
#
# **What would happen if** you read $\sigma^2=\sqrt D$ as $\sigma=\sqrt D$? It is the usual slip.
# Then $\sigma^2 = D$; the right width is $\sigma=D^{1/4}$. The next cell tries both, with $D=16$.

# %% study=true
many_q, many_k, origin = normal(30, 16), normal(30, 16), torch.zeros(1, 16).double()
target = softmax_similarity(many_q, many_k)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3))
for width2, label, colour in ((4.0, "σ² = √D = 4", "C0"), (16.0, "σ² = D = 16, the slip", "C3")):
    lift = torch.exp((squared_distances(many_q, origin) + squared_distances(origin, many_k)) / width2 / 2)
    product = gaussian_kernel(many_q, many_k, width2) * lift
    shares = F.normalize(product[0], p=1, dim=0).sort(descending=True).values
    left.loglog(target.ravel(), product.ravel(), ".", ms=3, color=colour, label=label)
    right.plot(shares, "o-", ms=3, color=colour, label=label)
    print(f"{label}: largest weight of query 0 is {shares[0]:.2f}")
left.set(title="product of the three parts", xlabel="softmax similarity", ylabel="product")
right.set(title="weights of one query", xlabel="keys, loudest first", ylabel="share of the row")
left.legend()
plt.show()

# %% [markdown]
# *Figure 10. Blue is right: the product is the similarity. The slip (red) gives $e^{q\cdot k/D}$, a flatter
# line. Its attention is far too even: the loudest key gets 0.06 in place of 0.18. With D = 1 nobody would
# notice.*
#
# ## 6. From similarity to attention
#
# Attention is a weighted mean of the values. The weights of a row are its similarities, made to sum to one.

# %%
measured_at = torch.linspace(0, 1, 60, dtype=torch.float64)[:, None]  # (N_k, 1), one key is one place
measured = torch.sin(9 * measured_at**2) + 0.3 * normal(60, 1)  # (N_k, M), M = 1

# %% study=true
place = 0.4
loud = torch.exp(-0.5 * ((measured_at[:, 0] - place) / 0.05) ** 2)
mean = loud @ measured[:, 0] / loud.sum()
figure, axis = plt.subplots(figsize=(5.4, 2.8))
axis.scatter(measured_at, measured, s=4 + 120 * loud, alpha=0.6, label="values, sized by weight")
axis.plot(place, mean, "C3*", ms=14, label="attention at 0.4")
axis.axvline(place, color="C3", lw=0.8)
axis.set(title="One query averages its neighbourhood", xlabel="place (key)", ylabel="measurement (value)")
axis.legend(loc="lower left")
plt.show()
print(f"attention at {place}: {mean:.2f}, the noiseless curve: {math.sin(9 * place**2):.2f}")

# %% [markdown]
# *Figure 11. The query sits on the red line. Large dots count much, small ones hardly. The star is their
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
    similarity, values = as_floats(similarity, values)
    weights = similarity / similarity.sum(dim=1, keepdim=True)  # rows sum to one
    return weights @ values  # (N_q, M)
    ### END SOLUTION


# %% check="kernel_attention"

# %% study=true
by_torch = F.scaled_dot_product_attention(queries, keys, values)
gap = (kernel_attention(softmax_similarity(queries, keys), values) - by_torch).abs().max()
print(f"largest difference from torch's scaled_dot_product_attention: {gap:.0e}")

# %% [markdown]
# **What would happen if** the width were a parameter? Let every measurement be predicted from all the others,
# and let autograd turn $\log\sigma$.

# %% study=true
others = 1 - torch.eye(60, dtype=torch.float64)


def smooth(at, places, told, log_sigma, mask=1.0):
    """Smooth the measurements with a Gaussian of width exp(log_sigma)."""
    return kernel_attention(gaussian_kernel(at, places, torch.exp(2 * log_sigma)) * mask, told)


log_sigma = torch.tensor(math.log(0.3), dtype=torch.float64, requires_grad=True)
optimiser = torch.optim.Adam([log_sigma], lr=0.1)
widths, losses = [], []
for _ in range(60):
    left_out = smooth(measured_at, measured_at, measured, log_sigma, others)  # nobody hears itself
    loss = F.mse_loss(left_out, measured)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    widths.append(log_sigma.exp().item())
    losses.append(loss.item())
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
left.plot(widths, label="width σ")
left.plot(losses, label="error of prediction")
left.set(title="learning the width", xlabel="step", ylabel="value")
left.legend()
right.plot(measured_at, measured, "o", ms=3, color="grey", label="measured")
with torch.no_grad():
    for width, style in ((0.3, "C0--"), (widths[-1], "C3")):
        curve = smooth(measured_at, measured_at, measured, torch.tensor(width).log())
        right.plot(measured_at, curve, style, label=f"σ = {width:.2f}")
right.set(title="before and after", xlabel="place", ylabel="measurement")
right.legend(fontsize=7)
plt.show()
print(f"sigma from 0.30 to {widths[-1]:.3f}, error from {losses[0]:.2f} to {losses[-1]:.2f}")

# %% [markdown]
# *Figure 12. Left: the width falls from 0.30 to 0.036, the error from 0.42 to 0.11; the noise alone makes
# 0.09. Right: the smooth curve before (dashed) and after. The gradient passed through your kernel and your
# attention.*
#
# ## 7. Which factors does attention need?
#
# Leave one out and look. With the identity matrix as values, attention returns its own weights.

# %% study=true
variants = {"all three parts": softmax_similarity(queries, keys),
            "without the query factor": bell * of_key, "without the key factor": bell * of_query[:, None]}
figure, axes = plt.subplots(1, 3, figsize=(9.8, 2.7))
everything = F.scaled_dot_product_attention(queries, keys, values)
for axis, (name, table) in zip(axes, variants.items(), strict=True):
    heat_map(axis, kernel_attention(table, torch.eye(8).double()), "weights, " + name)
    change = (kernel_attention(table, values) - everything).abs().max()
    print(f"{name}: differs from torch's attention by {change:.0e}")
plt.show()

# %% [markdown]
# *Figure 13. Left and middle are the same weights, torch's. On the right the long keys lose their say.*
#
# **What would happen if** every key were equally long, as on the circle of figure 1? Change `trial_keys` and
# see.

# %% study=true
trial_keys = keys  # try: F.normalize(keys, dim=1)
_, trial_bell, trial_factor = rewrite_softmax_similarity(queries, trial_keys)
with_it, without_it = (kernel_attention(table, values) for table in (trial_bell * trial_factor, trial_bell))
print(f"dropping the key factor changes the output by {(with_it - without_it).abs().max():.3f}")

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
norms2 = torch.logspace(1, 4.4, 4000, dtype=torch.float64)
figure, axis = plt.subplots(figsize=(5.6, 3))
ends = ((torch.float64, "C2", 10), (torch.bfloat16, "C4", 14),
        (torch.float32, "C0", 8), (torch.float16, "C1", 10))
for dtype, colour, size in ends:
    factor = torch.exp((norms2 / 16).to(dtype))
    finite = factor.isfinite()
    limit = math.log(torch.finfo(dtype).max)
    name = str(dtype).removeprefix("torch.")
    axis.loglog(norms2[finite], factor[finite].double().log10(), color=colour)
    end = f"‖k‖² = {16 * limit:.0f}"
    axis.plot(16 * limit, limit / math.log(10), "X", color=colour, ms=size, label=f"{name}: {end}")
    print(f"{name}: exp overflows above {limit:.1f}, so for D = 64 above {end}")
axis.set(title="The key factor, until it overflows (D = 64)", xlabel="‖k‖²", ylabel="log₁₀ of the key factor")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 14. A cross marks a type's end: float16 at ‖k‖² = 177, float32 and bfloat16 near 1420,
# float64 at 11 357. Beyond there is only infinity.*
#
# Infinity over infinity is not a number. But the mean does not change when a whole row is divided by one
# number:
#
# $$\frac{e^{x_j}}{\sum_l e^{x_l}}=\frac{e^{x_j-c}}{\sum_l e^{x_l-c}}\qquad\text{for every } c$$

# %%
for name, offset in (("as they are", 0.0), ("all lowered by 1002", 1002.0)):
    row_exponents = torch.tensor([1000.0, 1001.0, 1002.0], requires_grad=True)
    raised = torch.exp(row_exponents - offset)
    first = raised[0] / raised.sum()
    first.backward()
    print(f"{name}: first weight {first.item():.3f}, its gradient {row_exponents.grad.numpy().round(3)}")

# %% [markdown]
# **Exercise · `stable_kernel_attention`** · ●●● · 20 minutes · 3 points
#
# Take `queries` $(N_q, D)$, `keys` $(N_k, D)$, `values` $(N_k, M)$; return softmax attention $(N_q, M)$.
# It must be finite for vectors of length 10 000 (100 in float32). Suggestion: put the needed factor into
# the exponent, beside the kernel's. Then lower each row before you raise.

# %% exercise="stable_kernel_attention"
def stable_kernel_attention(queries, keys, values):
    """Return softmax attention that cannot overflow: (N_q, D), (N_k, D), (N_k, M) -> (N_q, M)."""
    ### BEGIN SOLUTION
    queries, keys, values = as_floats(queries, keys, values)
    sigma2 = queries.shape[1] ** 0.5
    key_exponents = keys.square().sum(dim=1) / (2 * sigma2)  # (N_k,), log of the key factor
    exponents = key_exponents - squared_distances(queries, keys) / (2 * sigma2)  # (N_q, N_k)
    exponents = exponents - exponents.amax(dim=1, keepdim=True)  # cancels in the ratio
    return kernel_attention(torch.exp(exponents), values)
    ### END SOLUTION


# %% check="stable_kernel_attention"

# %% study=true
stretches = torch.logspace(-1, 3.5, 120, dtype=torch.float64)
curves = {"yours, stable": [], "softmax_similarity": [], "three factors": []}
for stretch in stretches:
    a, b, c = rewrite_softmax_similarity(queries, stretch * keys)
    curves["yours, stable"].append(stable_kernel_attention(queries, stretch * keys, values)[0, 0])
    direct = kernel_attention(softmax_similarity(queries, stretch * keys), values)
    curves["softmax_similarity"].append(direct[0, 0])
    curves["three factors"].append(kernel_attention(a[:, None] * b * c, values)[0, 0])
figure, axis = plt.subplots(figsize=(5.6, 2.9))
for (name, curve), colour, width in zip(curves.items(), ("C0", "C1", "C3"), (7, 4.5, 2), strict=True):
    curve = torch.stack(curve)
    alive = curve.isfinite()
    axis.semilogx(3 * stretches[alive], curve[alive], color=colour, lw=width, alpha=0.6, label=name)
    if not alive.all():
        axis.plot(3 * stretches[alive][-1], curve[alive][-1], "X", color=colour, ms=10)
    print(f"{name}: finite up to a longest key of {3 * stretches[alive][-1]:.2g}")
axis.set(title="Attention of query 0 as the keys grow", xlabel="length of the longest key",
         ylabel="first component of the output")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 15. A cross marks where a curve turns into NaN. The three factors multiplied end near length 50, the
# plain similarity near 4000. Yours goes on to the edge of the figure and beyond.*
#
# ## 9. Do gradients reach everything?
#
# Take the output of query 2 alone and go back. Which rows feel it, and does torch agree?

# %% study=true
inputs = [tensor.clone().requires_grad_() for tensor in (queries, keys, values)]
ours = torch.autograd.grad(stable_kernel_attention(*inputs)[2].square().sum(), inputs)
torchs = torch.autograd.grad(F.scaled_dot_product_attention(*inputs)[2].square().sum(), inputs)
figure, axes = plt.subplots(1, 3, figsize=(8.6, 3))
for axis, name, slope, reference in zip(axes, ("queries", "keys", "values"), ours, torchs, strict=True):
    heat_map(axis, slope, f"gradient at the {name}", xlabel="component", ylabel="position", style=".1g")
    axis.set_aspect("auto")
    print(f"{name}: largest difference from torch's gradient {(slope - reference).abs().max():.0e}")
plt.show()

# %% [markdown]
# *Figure 16. Among the queries only number 2 has a gradient. Every key and every value has one, largest at
# positions 4 and 7, to which query 2 listens most. Torch's gradients are the same.*
#
# **What would happen if** a step went through NumPy or `detach()`? And if the plain exponentials overflowed?

# %% study=true
leaf = keys.clone().requires_grad_()
stable_kernel_attention(queries.clone().requires_grad_(), leaf.detach(), values).sum().backward()
print("keys detached: their gradient is", leaf.grad)
for stretch in (1.0, 10.0, 1e4):
    leaf = (stretch * keys).requires_grad_()
    outputs = {"plain": kernel_attention(softmax_similarity(queries, leaf), values),
               "stable": stable_kernel_attention(queries, leaf, values)}
    for name, output in outputs.items():
        (slope,) = torch.autograd.grad(output.sum(), leaf)
        finite = slope.isfinite().all().item()
        print(f"{name}, keys {stretch:g} times as long: is the gradient finite? {finite}")

# %% [markdown]
# No error appears in either case. The gradient is simply missing, or not a number.
#
# ## 10. Does it keep dtype and device?
#
# A model in bfloat16 must not turn into float32 half-way. The device `meta`, which every machine has,
# computes shapes only. It finds tensors made in the wrong place.

# %% study=true
exact = F.scaled_dot_product_attention(queries, keys, values)
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    output = stable_kernel_attention(*(tensor.to(dtype) for tensor in (queries, keys, values)))
    error = (output.double() - exact).norm() / exact.norm()
    print(f"{dtype!s:16} gives {output.dtype!s:16} relative error {error:.0e}")
extra = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
for device in ["cpu", "meta", *extra]:
    output = stable_kernel_attention(*(tensor.float().to(device) for tensor in (queries, keys, values)))
    print(f"{device} gives {output.device.type}, shape {tuple(output.shape)}")

# %% [markdown]
# Each output comes back in the dtype and on the device of its inputs. bfloat16 stays within a hundredth: it
# keeps eight significant bits.
#
# ## Summary
#
# - The softmax similarity is a query factor, a Gaussian kernel and a key factor, with $\sigma = D^{1/4}$.
# - One of the two factors can go and the other can't. You have written down why.
# - Exponents can be lowered row by row before they are raised. Then neither attention nor its gradient
#   overflows.
#
# **What torch gives.** `torch.cdist` for distances, `torch.softmax` and `torch.logsumexp` for lowered
# exponents. `F.scaled_dot_product_attention` is the whole lesson in one fused call: use it in your models.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Tsai et al. 2019](https://arxiv.org/abs/1908.11775) read attention as a kernel
# smoother. [Katharopoulos et al. 2020](https://arxiv.org/abs/2006.16236) put feature maps in the kernel's
# place, for linear cost. Two papers approximate it with random features:
# [Peng et al. 2021](https://arxiv.org/abs/2103.02143) (RFA, which starts from this very rewrite) and
# [Choromanski et al. 2021](https://arxiv.org/abs/2009.14794) (Performer).
#
# **Where it lives today.** FlashAttention, behind torch's call on a GPU, carries the row's largest exponent
# along, block by block. Long-context models mix linear attention with softmax layers. Lesson 02 replaces
# your kernel by random features, in time that grows like N.
