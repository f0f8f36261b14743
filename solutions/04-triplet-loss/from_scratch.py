# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The triplet loss: what the max is for
#
# When you have finished this notebook you will be able to
#
# - write the triplet loss and its three gradients by hand, and check them by differences;
# - say what the max switches off, and what it does not;
# - compute on the active triplets alone, and know when that pays.
#
# It takes two and a half hours, 130 minutes of them for exercises, and carries 21 points.
# You need NumPy, squared distances and the chain rule.

# %% setup=true
import autograder

lesson = autograder.lesson("04-triplet-loss", track="from_scratch")

# %% [markdown]
# After each exercise stands a check cell. Run it to see what is right and what is not yet.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.

# %%
import math
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import sympy

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})
rng = np.random.default_rng(4)


def arrow(axis, start, end, colour):
    """Draw an arrow from one point to another."""
    axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})


# %% [markdown]
# A triplet is three images: an anchor, a positive of the same person, a negative of another.
#
# | in formulas | in code | shape | meaning |
# |---|---|---|---|
# | $a_b,\ p_b,\ n_b$ | `anchors[b]` … | $(E,)$ | embeddings of triplet $b$'s three images |
# | $B,\ E$ | | | triplets in a batch, numbers in an embedding |
# | $d_{ap},\ d_{an}$ | `d_ap`, `d_an` | $(B,)$ | **squared** distances from the anchor |
# | $\alpha$ | `margin` | scalar | by how much $d_{an}$ must exceed $d_{ap}$ |
#
# ## 1. What does a max switch off?
#
# A student asked a forum: does the max in this loss save any computing? Begin with one weight.

# %% study=true
numbers = np.array([-1.6, -0.7, 0.4, 0.9, 1.3])
weights = np.linspace(-2, 2, 201)
figure, axis = plt.subplots(figsize=(5.4, 2.9))
for number in numbers:
    axis.plot(weights, np.clip(weights * number, 0, None), lw=1, label=f"x = {number}")
axis.plot(weights, sum(np.clip(weights * number, 0, None) for number in numbers), "k", lw=2, label="J, their sum")
axis.set(title="Five hinges and their sum", xlabel="weight w", ylabel="max(0, w·x)")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# *Figure 1. To the right of zero only the three positive numbers count. To the left only the two negative
# ones do. A closed hinge is flat: its number has no say in the slope.*
#
# $$J(w)=\sum_{i=1}^{m}\max(0,\,w\,x_i)$$
#
# The obvious loop asks each hinge whether it is open.

# %%
weight = 0.5
for number in (-1.6, -0.7, 0.4, 0.9, 1.3):
    print(f"x = {number:4}: w·x = {weight * number:5.2f}", "open" if weight * number > 0 else "closed")

# %% [markdown]
# **Exercise · `hinge_gradient`** · ●○○ · 5 minutes · 1 point
#
# Take a scalar `w` and `x` $(m,)$, return the scalar $dJ/dw$. At the kink, $w\,x_i=0$, take the slope as zero.

# %% exercise="hinge_gradient"
def hinge_gradient(w, x):
    """Return dJ/dw of J = Σ max(0, w·x_i): scalar, (m,) -> scalar; zero at the kink."""
    ### BEGIN SOLUTION
    return np.sum(x * (w * x > 0))
    ### END SOLUTION


# %% check="hinge_gradient"

# %% study=true
figure, axis = plt.subplots(figsize=(5.4, 2.6))
axis.plot(weights, [hinge_gradient(w, numbers) for w in weights], "C3.", ms=3)
axis.set(title="Your slope of J", xlabel="weight w", ylabel="dJ/dw")
plt.show()
print("left of zero, at zero, right of zero:", [round(float(hinge_gradient(w, numbers)), 2) for w in (-1, 0, 1)])

# %% [markdown]
# *Figure 2. The slope is −2.3 on the left and 2.6 on the right: two different sets of numbers shape it.*
#
# **What would happen if** only one hinge in a hundred were open? The forum writes
# `np.dot(w * x > 0, x)`: a mask. Compare it with picking the open ones first.

# %% study=true
many = np.abs(rng.normal(size=1_000_000)) * np.where(rng.random(1_000_000) < 0.01, 1, -1)
products = 0.5 * many  # needed to find out which hinges are open, whatever follows
found = np.flatnonzero(products > 0)
print(f"the mask multiplies {many.size} numbers, {many.size - found.size} of them by zero")
print(f"gathering multiplies none of them by zero, and adds up {found.size} numbers")
print(f"both agree: {np.isclose(np.dot(products > 0, many), many[found].sum())}")

# %% [markdown]
# So there are two questions. Which terms *shape* the gradient? The max decides that. Which terms are
# *computed*? A mask computes them all. We come back to the second in section 7.
#
# ## 2. On which sphere do faces live?
#
# FaceNet lets an embedding keep its direction alone.

# %% study=true
loose = rng.normal(size=(14, 2)) * rng.uniform(0.4, 2, size=(14, 1))
turn = np.linspace(0, 2 * np.pi, 200)
figure, axis = plt.subplots(figsize=(3.6, 3.6))
axis.plot(np.cos(turn), np.sin(turn), "k", lw=1)
for point in loose:
    axis.plot(*np.stack([point, point / math.hypot(*point)]).T, ":", color="grey")
axis.plot(*loose.T, "o", color="C1", label="network's output")
axis.plot(*np.array([point / math.hypot(*point) for point in loose]).T, "o", color="C0", label="embedding")
axis.set(title="Every output moves to the circle", aspect="equal", xlabel="first component",
         ylabel="second component")
axis.legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 3. Each output (orange) slides along its own ray (dotted) to length one (blue).*
#
# $$f_b = \frac{x_b}{\lVert x_b\rVert}\qquad\text{row by row: }(B,E)\to(B,E)$$

# %%
for row in ([3.0, 4.0], [0.3, 0.4]):
    length = math.sqrt(row[0] ** 2 + row[1] ** 2)
    print(f"{row} has length {length:.1f} and becomes", [round(number / length, 2) for number in row])

# %% [markdown]
# **Exercise · `l2_normalize`** · ●○○ · 5 minutes · 1 point
#
# Take `x` $(B, E)$, return its rows at unit length $(B, E)$. No row is zero. Leave `x` as it is.

# %% exercise="l2_normalize"
def l2_normalize(x):
    """Return the rows of x scaled to unit length: (B, E) -> (B, E)."""
    ### BEGIN SOLUTION
    return x / np.linalg.norm(x, axis=1, keepdims=True)
    ### END SOLUTION


# %% check="l2_normalize"

# %% study=true
lengths = {width: np.linalg.norm(rng.normal(size=(500, width)), axis=1) for width in (2, 16, 128)}
figure, axis = plt.subplots(figsize=(5, 2.6))
for width, before in lengths.items():
    axis.hist(before, bins=40, alpha=0.6, label=f"before, E = {width}")
after = np.linalg.norm(l2_normalize(rng.normal(size=(500, 128))), axis=1)
axis.axvline(after.mean(), color="k", label="after, for every E")
axis.set(title="Lengths of 500 random rows", xlabel="length", ylabel="rows")
axis.legend(fontsize=7)
plt.show()
print(f"after: between {after.min():.12f} and {after.max():.12f}")

# %% [markdown]
# *Figure 4. Random rows grow like √E. After your function all lie on the black line.*
#
# ## 3. How wrong is a triplet?
#
# Both distances start at the anchor, and both are squared.
#
# $$d_{ap}=\lVert a-p\rVert^2,\qquad d_{an}=\lVert a-n\rVert^2\qquad(B,)$$

# %%
a, p, n = [1.0, 0.0], [0.8, 0.6], [0.0, 1.0]
d_ap = d_an = 0.0
for a_e, p_e, n_e in zip(a, p, n, strict=True):
    d_ap += (a_e - p_e) ** 2
    d_an += (a_e - n_e) ** 2
print(f"d_ap = {d_ap:.2f}, d_an = {d_an:.2f}")

# %% [markdown]
# **Exercise · `triplet_distances`** · ●○○ · 5 minutes · 1 point
#
# Take `anchors`, `positives` and `negatives`, each $(B, E)$. Return the tuple `(d_ap, d_an)`, each $(B,)$.
# The vectors need not have unit length.

# %% exercise="triplet_distances"
def triplet_distances(anchors, positives, negatives):
    """Return ‖a − p‖² and ‖a − n‖² of every triplet: three (B, E) -> (B,), (B,)."""
    ### BEGIN SOLUTION
    d_ap = np.sum((anchors - positives) ** 2, axis=1)  # (B,)
    d_an = np.sum((anchors - negatives) ** 2, axis=1)  # (B,)
    return d_ap, d_an
    ### END SOLUTION


# %% check="triplet_distances"

# %% study=true
angles = np.linspace(0, np.pi, 100)
around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
east = np.tile([1.0, 0.0], (100, 1))
figure, axis = plt.subplots(figsize=(4.8, 2.6))
axis.plot(np.degrees(angles), triplet_distances(east, around, around)[0])
axis.set(title="Squared distance on the circle", xlabel="angle between two unit vectors (degrees)",
         ylabel="squared distance", xticks=range(0, 181, 30))
plt.show()
print("at 0, 90 and 180 degrees:", np.interp([0, 90, 180], np.degrees(angles),
                                             triplet_distances(east, around, around)[0]).round(2))

# %% [markdown]
# *Figure 5. On the sphere a squared distance is 2 − 2cos of the angle: 0, then 2 at a right angle, at most 4.*
#
# The triplet is good if $d_{ap}+\alpha\le d_{an}$. What it lacks is its loss.

# %% study=true
span = np.linspace(-1.2, 1.2, 161)
plane = np.stack(np.meshgrid(span, span), axis=-1)
lacks = 0.49 + 0.2 - (plane**2).sum(axis=-1)
figure, axis = plt.subplots(figsize=(4.6, 3.6))
drawn = axis.contourf(span, span, np.clip(lacks, 0, None), 12, cmap="Reds")
axis.contour(span, span, lacks, [0], colors="k")
axis.add_patch(plt.Circle((0, 0), 0.7, fill=False, ls="--"))
axis.plot(0, 0, "ko")
axis.plot(0.7, 0, "C0s")
axis.text(0.05, 0.08, "anchor", color="white")
axis.text(0.75, 0.05, "positive", color="C0")
axis.set(title="Loss of one triplet, by where its negative stands", aspect="equal",
         xlabel="negative, first component", ylabel="second component")
figure.colorbar(drawn, ax=axis, label="loss")
plt.show()

# %% [markdown]
# *Figure 6. Inside the dashed circle the negative is nearer than the positive: hard. Between the dashed circle
# and the black one it is farther, but not by the margin: semi-hard. Outside, the loss is zero and flat.*
#
# $$L=\sum_{b=1}^{B}\max\bigl(d_{ap,b}-d_{an,b}+\alpha,\;0\bigr)$$

# %%
margin, total = 0.2, 0.0
for near, far in ((0.4, 2.0), (0.5, 0.6), (0.9, 0.3)):
    term = near - far + margin
    total += term if term > 0 else 0.0
    print(f"d_ap {near}, d_an {far}: lacks {term:5.1f}, loss so far {total:.1f}")

# %% [markdown]
# **Exercise · `triplet_loss`** · ●○○ · 10 minutes · 2 points
#
# Take `anchors`, `positives`, `negatives`, each $(B, E)$, and the scalar `margin`. Return the scalar $L$.
# It is a sum: mind that libraries divide it by different things.

# %% exercise="triplet_loss"
def triplet_loss(anchors, positives, negatives, margin):
    """Return Σ_b max(d_ap − d_an + margin, 0): three (B, E), scalar -> scalar."""
    ### BEGIN SOLUTION
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    slack = d_ap - d_an + margin  # (B,)
    return np.sum(np.maximum(slack, 0))
    ### END SOLUTION


# %% check="triplet_loss"

# %% [markdown]
# **What would happen if** the network gave up and sent every image to one point? Try it with and without a
# margin, beside embeddings that know something.

# %% study=true
point = np.tile(l2_normalize(rng.normal(size=(1, 8))), (300, 1))
centres = l2_normalize(rng.normal(size=(2, 8)))
good = [l2_normalize(centres[who] + 0.25 * rng.normal(size=(300, 8))) for who in (0, 0, 1)]
alphas = np.linspace(0, 0.6, 13)
figure, axis = plt.subplots(figsize=(5, 2.7))
axis.plot(alphas, [triplet_loss(point, point, point, alpha) / 300 for alpha in alphas], "C3o-", ms=3,
          label="all images at one point")
axis.plot(alphas, [triplet_loss(*good, alpha) / 300 for alpha in alphas], "C0o-", ms=3, label="two people apart")
axis.set(title="What giving up costs", xlabel="margin", ylabel="loss per triplet")
axis.legend()
plt.show()
for alpha in (0.0, 0.2):
    print(f"margin {alpha}: one point {triplet_loss(point, point, point, alpha) / 300:.3f},",
          f"two people apart {triplet_loss(*good, alpha) / 300:.3f}")

# %% [markdown]
# *Figure 7. Without a margin giving up costs nothing: it is a global minimum. With one it costs just the
# margin, for every triplet.*
#
# ## 4. Where do the slopes come from?
#
# One component is enough: the others look the same. A derivation is a list of lines, each equal to the one
# above. `diff(expression, symbol)` is a derivative. Here is one, of another function.

# %% study=true
u, v = sympy.symbols("u v")
example = ["diff((u*v - 3)**2, u)", "2*(u*v - 3)*diff(u*v - 3, u)", "2*v*(u*v - 3)"]
for above, below in pairwise(example):
    print(below, "  follows:", sympy.simplify(sympy.sympify(above) - sympy.sympify(below)) == 0)

# %% [markdown]
# **Exercise · `derive_triplet_gradient`** · ●○○ · 10 minutes · 2 points
#
# An active triplet's loss, in one component, is `L` = `(a-p)**2 - (a-n)**2 + margin`. Derive its slope in `a`, in
# `p` and in `n`: a dictionary of three lists. The last lines hold only `a`, `p`, `n`.

# %% exercise="derive_triplet_gradient"
derive_triplet_gradient = {
    "a": [
        "diff(L, a)",
        ### BEGIN SOLUTION
        "diff((a-p)**2, a) - diff((a-n)**2, a)",
        "2*(a-p) - 2*(a-n)",
        "2*(n-p)",
        ### END SOLUTION
    ],
    "p": [
        "diff(L, p)",
        ### BEGIN SOLUTION
        "diff((a-p)**2, p)",
        "2*(p-a)",
        ### END SOLUTION
    ],
    "n": [
        "diff(L, n)",
        ### BEGIN SOLUTION
        "-diff((a-n)**2, n)",
        "2*(a-n)",
        ### END SOLUTION
    ],
}

# %% check="derive_triplet_gradient"

# %% [markdown]
# What do your three results add up to? Moving all three points alike changes no distance.
#
# ## 5. How would you know without a derivation?
#
# Step a little to both sides and look at the rise.

# %% study=true
curve = np.linspace(0.2, 1.8, 100)
figure, axis = plt.subplots(figsize=(4.8, 2.8))
axis.plot(curve, np.exp(curve), "k", label="function")
for low, high, colour, label in ((1.0, 1.6, "C1", "one-sided"), (0.4, 1.6, "C0", "central")):
    axis.plot([low, high], np.exp([low, high]), "o-", color=colour, label=label)
    print(f"{label}: slope {(math.exp(high) - math.exp(low)) / (high - low):.2f}, right is {math.e:.2f}")
axis.plot(curve, math.e * curve, "k:", label="tangent at 1")
axis.set(title="Two ways to step, with a long step", xlabel="x", ylabel="function")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 8. The central line is more nearly parallel to the tangent: 2.88 against 3.72, where 2.72 is right.
# Its error shrinks with the square of the step.*
#
# $$\frac{\partial f}{\partial x_i}\approx\frac{f(x+h\,e_i)-f(x-h\,e_i)}{2h}$$

# %%
for step in (1e-1, 1e-3, 1e-5, 1e-9, 1e-13):
    slope = (math.exp(1 + step) - math.exp(1 - step)) / (2 * step)
    print(f"h = {step:.0e}: error {abs(slope - math.e):.0e}")

# %% [markdown]
# **Exercise · `numerical_gradient`** · ●●○ · 15 minutes · 2 points
#
# Take a `function` from an array to a scalar, and a point `x` of any shape. Return an array like `x`.
# Move one entry at a time; `x` must be left as it was, and may hold whole numbers. A step near $10^{-5}$ is
# good. `scalar_functions.py`, beside this notebook, has functions to try.

# %% exercise="numerical_gradient"
def numerical_gradient(function, x):
    """Return the gradient of a scalar function at x by central differences, in the shape of x."""
    ### BEGIN SOLUTION
    step = 1e-5
    x = np.array(x, dtype=np.float64)  # a copy, so that the caller's x stays
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + step
        above = function(x)
        x[index] = value - step
        below = function(x)
        x[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient
    ### END SOLUTION


# %% check="numerical_gradient"

# %% [markdown]
# **What would happen if** you asked at the very kink? Push one negative slowly over the edge.

# %% study=true
offsets = np.linspace(-3e-5, 3e-5, 61)
seen = []
for offset in offsets:
    far = np.array([[math.sqrt(0.69 + offset), 0.0]])
    slope = numerical_gradient(lambda moved: triplet_loss(np.zeros((1, 2)), np.array([[0.0, 0.7]]), moved, 0.2), far)
    seen.append(slope[0, 0] / (-2 * far[0, 0]))
figure, axis = plt.subplots(figsize=(5, 2.7))
axis.plot(offsets, seen, "o-", ms=3)
axis.set(title="How open is the gate?", xlabel="d_an − d_ap − margin", ylabel="share of the full slope")
plt.show()
print(f"share at the kink: {np.interp(0, offsets, seen):.2f}")

# %% [markdown]
# *Figure 9. Within a step of the kink a difference sees a bit of both sides: one half at the edge itself.
# Anything from 0 to 1 is a valid slope there. PyTorch's `relu` says 0, its `maximum` ½, its `clamp` 1. So no
# check ever judges a tie.*
#
# ## 6. Which way does each point go?
#
# Your derivation, for whole vectors, with the gate $g_b = 1$ where the triplet's term is above zero, else 0:
#
# $$\frac{\partial L}{\partial a}=2g\,(n-p)\qquad\frac{\partial L}{\partial p}=2g\,(p-a)\qquad
# \frac{\partial L}{\partial n}=2g\,(a-n)\qquad(B,E)$$

# %%
for name, term in (("easy", -1.4), ("semi-hard", 0.1), ("hard", 0.8)):
    gate = 1 if term > 0 else 0
    print(f"{name}: lacks {term}, gate {gate}, so the anchor's slope is {2 * gate} times the way from p to n")

# %% [markdown]
# **Exercise · `triplet_gradients`** · ●●○ · 20 minutes · 3 points
#
# Take what `triplet_loss` takes. Return the tuple of its three gradients, in anchors, positives and negatives, each
# $(B, E)$. A good triplet's rows are zero.

# %% exercise="triplet_gradients"
def triplet_gradients(anchors, positives, negatives, margin):
    """Return the loss's gradients in anchors, positives and negatives: three (B, E), scalar -> three (B, E)."""
    ### BEGIN SOLUTION
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    gate = (d_ap - d_an + margin > 0)[:, None]  # (B, 1)
    d_anchors = 2 * gate * (negatives - positives)
    d_positives = 2 * gate * (positives - anchors)
    d_negatives = 2 * gate * (anchors - negatives)
    return d_anchors, d_positives, d_negatives
    ### END SOLUTION


# %% check="triplet_gradients"

# %% study=true
trio = [np.array(t) for t in ([[0, 0], [3, 0]], [[0.9, 0.2], [3.5, 0.3]], [[0.5, 0.8], [3.2, 1.5]])]
slopes = triplet_gradients(*trio, 0.2)
figure, axis = plt.subplots(figsize=(5.6, 2.9))
for points, slope, colour, label in zip(trio, slopes, ("k", "C0", "C3"), ("anchor", "positive", "negative"), strict=True):
    axis.plot(*points.T, "o", color=colour, label=label)
    for start, down in zip(points, -0.25 * slope, strict=True):
        if np.any(down):
            arrow(axis, start, start + down, colour)
axis.set(title="A hard triplet, and a good one", xlim=(-1, 4.2), ylim=(-0.8, 1.9), aspect="equal",
         xlabel="first component", ylabel="second component")
axis.legend(loc="upper center", fontsize=7)
plt.show()
by_steps = numerical_gradient(lambda moved: triplet_loss(moved, trio[1], trio[2], 0.2), trio[0])
print(f"largest difference from your numerical gradient: {np.abs(by_steps - slopes[0]).max():.0e}")
print("sum of the three gradients:", sum(slopes).round(12).tolist())

# %% [markdown]
# *Figure 10. Steps against your gradients. On the left the positive comes and the negative goes. The anchor
# moves in the direction from the negative to the positive. On the right nobody moves.*
#
# **What would happen if** all points coincide, as in Figure 7? Every loss is the margin. And the gradient?

# %% study=true
collapsed = triplet_gradients(point, point, point, 0.2)
print(f"loss per triplet {triplet_loss(point, point, point, 0.2) / 300:.2f},",
      f"largest slope {max(np.abs(slope).max() for slope in collapsed)}")

# %% [markdown]
# Every gate is open, and every difference is zero. It is a bad place, but a flat one.
#
# ### Back through the sphere
#
# The network makes $x$, the loss sees $f=x/\lVert x\rVert$. What arrives at $x$?

# %% study=true
x, upstream = np.array([1.5, 1.0]), np.array([0.3, 1.4])
unit_x = x / math.hypot(*x)
share = (upstream @ unit_x) * unit_x
figure, axis = plt.subplots(figsize=(4, 3.4))
axis.plot(np.cos(turn), np.sin(turn), "k", lw=1)
arrow(axis, (0, 0), x, "grey")
for start, way, colour, label in ((x, upstream, "C1", "from above, g"), (x, share, "C7", "along x: lost"),
                                  (x, upstream - share, "C0", "across x: kept")):
    arrow(axis, start, start + way, colour)
    axis.plot([], [], color=colour, label=label)
axis.text(*(x - [0.15, 0.3]), "x")
axis.set(xlim=(-1.2, 2.8), ylim=(-1.2, 2.8), aspect="equal", title="A gradient meets the sphere",
         xlabel="first component", ylabel="second component")
axis.legend(fontsize=7, loc="lower right")
plt.show()

# %% [markdown]
# *Figure 11. Moving x along its own ray does not move f. So the part of g along x is lost.*
#
# $$\frac{\partial L}{\partial x}=\frac{g-(g\cdot f)\,f}{\lVert x\rVert}\qquad(B,E)$$

# %%
g, f, length = (0.0, 1.0), (0.6, 0.8), 5.0
dot = g[0] * f[0] + g[1] * f[1]
kept = [(g_e - dot * f_e) / length for g_e, f_e in zip(g, f, strict=True)]
print(f"g·f = {dot:.1f}, what arrives is", [round(number, 3) for number in kept])

# %% [markdown]
# **Exercise · `normalize_gradient`** · ●●○ · 15 minutes · 2 points
#
# Take `x` $(B, E)$ and `upstream` $(B, E)$, the gradient at `l2_normalize(x)`. Return the gradient at `x`
# $(B, E)$.

# %% exercise="normalize_gradient"
def normalize_gradient(x, upstream):
    """Return the gradient at x of what has the gradient `upstream` at x / ‖x‖: two (B, E) -> (B, E)."""
    ### BEGIN SOLUTION
    norms = np.linalg.norm(x, axis=1, keepdims=True)  # (B, 1)
    unit = x / norms
    along = np.sum(upstream * unit, axis=1, keepdims=True)  # (B, 1)
    return (upstream - along * unit) / norms
    ### END SOLUTION


# %% check="normalize_gradient"

# %% study=true
tries, above = rng.normal(size=(2, 400, 16))
back = normalize_gradient(tries, above)
cosines = (tries * back).sum(axis=1) / np.linalg.norm(tries, axis=1) / np.linalg.norm(back, axis=1)
print(f"400 rows: largest cosine between x and its gradient {np.abs(cosines).max():.0e}")
walker, path = rng.normal(size=(1, 16)), []
target = l2_normalize(rng.normal(size=(1, 16)))
for _ in range(60):
    path.append((np.linalg.norm(walker), ((l2_normalize(walker) - target) ** 2).sum()))
    walker = walker - 1.5 * normalize_gradient(walker, 2 * (l2_normalize(walker) - target))
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.plot(path, label=["length of x", "squared distance of f to a target"])
axis.set(title="Plain descent through the sphere", xlabel="step", ylabel="value")
axis.legend()
plt.show()
print(f"length from {path[0][0]:.2f} to {path[-1][0]:.2f}")

# %% [markdown]
# *Figure 12. The gradient is at right angles to x, so each step makes x longer, never shorter. A longer x
# turns less: the steps slow down by themselves.*
#
# ### All together: people on a circle
#
# Four people, six images each. All 2160 triplets, your functions, 40 steps of descent.

# %% study=true
who = np.repeat(np.arange(4), 6)
same = (who[:, None] == who) & ~np.eye(24, dtype=bool)
valid = np.argwhere(same[:, :, None] & (who[:, None] != who)[:, None, :])  # (2160, 3)
outputs = rng.normal(size=(24, 2)) + 0.6 * np.stack([np.cos(1.6 * who), np.sin(1.6 * who)], axis=1)
first, shares = l2_normalize(outputs), []
for _ in range(40):
    embedded = l2_normalize(outputs)
    slopes = triplet_gradients(*embedded[valid.T], 0.2)
    shares.append(np.any(slopes[1] != 0, axis=1).mean())
    summed = np.zeros_like(embedded)
    for index, slope in zip(valid.T, slopes, strict=True):
        np.add.at(summed, index, slope)
    outputs -= 0.001 * normalize_gradient(outputs, summed)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.9))
for axis, points, title in ((axes[0], first, "before"), (axes[1], embedded, "after 40 steps")):
    axis.scatter(*points.T, c=who, cmap="tab10", s=30)
    axis.set(title=title, aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xlabel="first component",
             ylabel="second component")
axes[2].plot(shares)
axes[2].set(title="active triplets", xlabel="step", ylabel="share of all", ylim=(0, 1))
plt.show()
print(f"active: {shares[0]:.2f} of all triplets at first, {shares[-1]:.3f} at the end")

# %% [markdown]
# *Figure 13. Colours are people. They come apart, and the active share falls from 0.48 to below 0.01: the max
# lets less and less through.*
#
# ## 7. Does the max save work?
#
# Not by itself. A program saves work if it knows which triplets are active *before* it computes.

# %%
for b, (near, far) in enumerate(((0.4, 2.0), (0.5, 0.6), (0.9, 0.3), (0.1, 3.0))):
    if near + 0.2 > far:
        print(f"triplet {b} is active")

# %% [markdown]
# **Exercise · `active_triplets`** · ●○○ · 5 minutes · 1 point
#
# Take what `triplet_loss` takes. Return the indices of the triplets whose loss is above zero, in ascending
# order $(A,)$.

# %% exercise="active_triplets"
def active_triplets(anchors, positives, negatives, margin):
    """Return the sorted indices of the triplets whose loss is above zero: three (B, E), scalar -> (A,)."""
    ### BEGIN SOLUTION
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return np.flatnonzero(d_ap - d_an + margin > 0)
    ### END SOLUTION


# %% check="active_triplets"

# %% study=true
table = embedded[valid.T]
listed = active_triplets(*table, 0.2)
members = np.bincount(valid[listed].ravel(), minlength=24)
figure, axis = plt.subplots(figsize=(5.4, 2.5))
axis.bar(np.arange(24), members, color=plt.cm.tab10(who / 3))
axis.set(title="Whose triplets are still active?", xlabel="image", ylabel="active triplets with it")
plt.show()
print(f"{listed.size} of {len(valid)} triplets; images in none of them: {np.sum(members == 0)} of 24")

# %% [markdown]
# *Figure 14. Colours are people. Of 2160 triplets 14 are left. The ten images without a bar get no gradient at
# all.*
#
# Now gather, compute, scatter. With the active rows $i_1<\dots<i_A$:
#
# $$\underbrace{a'=a[i]}_{(A,E)}\quad\to\quad\underbrace{2\,(n'-p')}_{(A,E)}\quad\to\quad
# \underbrace{\text{row } i_k\text{ of zeros}}_{(B,E)}$$

# %%
result = [0.0, 0.0, 0.0, 0.0]
for row, slope in zip((1, 2), (0.7, -0.4), strict=True):
    result[row] = slope
print("two computed, four returned:", result)

# %% [markdown]
# **Exercise · `gathered_triplet_gradients`** · ●●○ · 20 minutes · 3 points
#
# Same arguments and results as `triplet_gradients`, rows of inactive triplets zero. Beyond finding the active
# ones, work on those alone. One point is for that: a good triplet's negative may even stand at infinity
# (`np.inf`), and zero times infinity is not a number.

# %% exercise="gathered_triplet_gradients"
def gathered_triplet_gradients(anchors, positives, negatives, margin):
    """Return the gradients of `triplet_loss`, computed on the active triplets alone: three (B, E)."""
    ### BEGIN SOLUTION
    active = active_triplets(anchors, positives, negatives, margin)
    a, p, n = anchors[active], positives[active], negatives[active]  # (A, E)
    gradients = np.zeros((3, *anchors.shape))
    gradients[:, active] = 2 * np.stack([n - p, p - a, a - n])
    return tuple(gradients)
    ### END SOLUTION


# %% check="gathered_triplet_gradients"

# %% [markdown]
# There is a third way. Count, for each pair of images, in how many active triplets it stands: $+1$ for anchor and
# positive, $-1$ for anchor and negative. With these counts $W$ and $S=W+W^\top$ the loss's gradient is
#
# $$\nabla F = 2\,\bigl(\operatorname{diag}(S\mathbf 1)-S\bigr)\,F\qquad(N,E)$$
#
# for all $N$ images at once: a graph Laplacian. Its work is $N^2E$, however many triplets there are.

# %% study=true
people = np.repeat(np.arange(16), 6)
faces = l2_normalize(l2_normalize(rng.normal(size=(16, 64)))[people] + 0.085 * rng.normal(size=(96, 64)))
alike = (people[:, None] == people) & ~np.eye(96, dtype=bool)
index = np.argwhere(alike[:, :, None] & (people[:, None] != people)[:, None, :]).T  # (3, 43200)
tables = [faces[column] for column in index]  # three times (43200, 64)
partners = [(np.flatnonzero(mates), np.flatnonzero(people != person)) for mates, person in zip(alike, people, strict=True)]


def pair_counts(margin):
    """Count active triplets by pair of images, one anchor at a time: scalar -> (96, 96)."""
    far = 2 - 2 * (faces @ faces.T)
    counts = np.zeros_like(far)
    for row, count, (mates, others) in zip(far, counts, partners, strict=True):
        violated = np.add.outer(row[mates] + margin, -row[others]) > 0
        count[mates] = violated.sum(axis=1)
        count[others] = -violated.sum(axis=0)
    return counts


def by_pairs(margin):
    """Return the gradient of the sum over all triplets, from counts: scalar -> (96, 64)."""
    both = pair_counts(margin)
    both = both + both.T
    return 2 * (both.sum(axis=1)[:, None] * faces - both @ faces)


def by_image(slopes, columns):
    """Add gradients of triplets up by image: three (A, E), three (A,) -> (96, E)."""
    total = np.zeros_like(faces)
    for column, slope in zip(columns, slopes, strict=True):
        np.add.at(total, column, slope)
    return total


gaps = np.subtract(*triplet_distances(*tables)[::-1])
alpha = float(np.median(gaps))
total = by_image(triplet_gradients(*tables, alpha), index)
print(f"{index.shape[1]} triplets of 96 images")
print(f"pairs against triplets: difference {np.abs(by_pairs(alpha) - total).max() / np.abs(total).max():.0e}")

# %% [markdown]
# The clock, then. All four end with the gradient at the 96 images.

# %% study=true
def by_mask(margin):
    """Compute all triplets; the inactive ones come out as zeros."""
    return by_image(triplet_gradients(*tables, margin), index)


def by_gathering(margin):
    """Compute the active triplets, found among the triplets."""
    columns = index[:, active_triplets(*tables, margin)]
    return by_image(gathered_triplet_gradients(*(faces[column] for column in columns), margin), columns)


def by_table(margin):
    """Compute the active triplets, found in the table of distances between images."""
    far = 2 - 2 * (faces @ faces.T)
    columns = index[:, far[index[0], index[1]] + margin > far[index[0], index[2]]]
    return by_image(gathered_triplet_gradients(*(faces[column] for column in columns), margin), columns)


def fastest(action, margin, tries=3):
    """Return the least CPU time of some tries, in seconds."""
    spent = []
    for _ in range(tries):
        begun = time.process_time()
        action(margin)
        spent.append(time.process_time() - begun)
    return min(spent)


ways = {"mask": by_mask, "gather, found in the triplets": by_gathering, "gather, found in the table": by_table,
        "pairs (Laplacian)": by_pairs}
times, actual, lines = {name: [] for name in ways}, [], ["active   gradient rows: mask  gather   pairs"]
for share in (0.5, 0.15, 0.035, 0.005):
    alpha = float(np.quantile(gaps, share))
    actual.append(float((gaps < alpha).mean()))
    for name, action in ways.items():
        times[name].append(fastest(action, alpha))
    lines.append(f"{actual[-1]:6.1%} {3 * index.shape[1]:20} {3 * int((gaps < alpha).sum()):7} {96:7}")
figure, axis = plt.subplots(figsize=(6.6, 3.1))
for name, spent in times.items():
    axis.loglog(actual, spent, "o-", label=name)
    ratios = [mask / own for mask, own in zip(times["mask"], spent, strict=True)]
    lines.append(f"{name}: the mask takes " + ", ".join(f"{ratio:.1f}" for ratio in ratios) + " times as long")
axis.set(title="Gradient of 43 200 triplets", xlabel="share of active triplets", ylabel="CPU seconds")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
print("\n".join(lines))

# %% [markdown]
# *Figure 15. The mask computes 129 600 rows, whatever is active. Gathering among the triplets gains up to about
# ten: it still looks at each one. From the table of distances the work falls with the share. Pairs are near 100 times
# faster throughout; only below one percent does gathering catch up.*
#
# So the max alone saves no work. Knowing early what is active does.
#
# ## 8. Why not simply drop the max?
#
# $$J_1=\sum_b\,(d_{ap,b}-d_{an,b})\qquad\text{against}\qquad J_2=\sum_b\max(d_{ap,b}-d_{an,b}+\alpha,\,0)$$

# %%
one, other = [-0.1, -0.1, 0.3], [-5.0, 0.3, 0.3]
for name, terms in (("one", one), ("the other", other)):
    print(f"{name}: J1 = {sum(terms):.1f}, violated triplets {sum(term > 0 for term in terms)}")

# %% [markdown]
# **Exercise · `ungated_objective`** · ●○○ · 5 minutes · 1 point
#
# Take what `triplet_loss` takes and return the scalar $J_1$. The margin is taken, so that the two functions can
# change places, and not used.

# %% exercise="ungated_objective"
def ungated_objective(anchors, positives, negatives, margin):
    """Return Σ_b (d_ap − d_an); the margin is taken but not used: three (B, E), scalar -> scalar."""
    ### BEGIN SOLUTION
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return np.sum(d_ap - d_an)
    ### END SOLUTION


# %% check="ungated_objective"

# %% [markdown]
# Now 100 triplets in the plane, and an embedding of one number: the projection on a direction. Ninety triplets are
# modest. Ten are easy: their negatives are nine units up.

# %% study=true
starts = rng.normal(size=(100, 2))
to_positive = np.where(np.arange(100)[:, None] < 90, [0.0, 0.7], [0.0, 0.0]) + 0.05 * rng.normal(size=(100, 2))
to_negative = np.where(np.arange(100)[:, None] < 90, [0.9, 0.0], [0.0, 9.0]) + 0.05 * rng.normal(size=(100, 2))
corners = starts, starts + to_positive, starts + to_negative
degrees = np.arange(0, 180, 0.5)
score = {"J1": [], "J2": [], "violated": []}
for angle in np.radians(degrees):
    direction = np.array([[math.cos(angle)], [math.sin(angle)]])
    seen = [corner @ direction for corner in corners]  # three times (100, 1)
    score["J1"].append(ungated_objective(*seen, 0.2))
    score["J2"].append(triplet_loss(*seen, 0.2))
    score["violated"].append(active_triplets(*seen, 0.2).size)
zero = np.flatnonzero((np.array(score["J2"]) == 0) & (degrees < 90))
best1, best2 = int(np.argmin(score["J1"])), int(zero[len(zero) // 2])
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9))
for axis, name in zip(axes, score, strict=True):
    axis.plot(degrees, score[name], "k")
    for best, colour, label in ((best1, "C3", "best for J1"), (best2, "C0", "best for J2")):
        axis.plot(degrees[best], score[name][best], "o", color=colour, label=label)
    axis.set(title=name if name != "violated" else "violated triplets", xlabel="direction (degrees)",
             xticks=range(0, 181, 45))
axes[0].set(ylabel="objective")
axes[2].legend(fontsize=7)
plt.show()
for name, best in (("J1", best1), ("J2", best2)):
    print(f"best for {name}: {degrees[best]} degrees, {score['violated'][best]} of 100 triplets violated")
print(f"J2 is zero from {degrees[zero[0]]} to {degrees[zero[-1]]} degrees, and in the mirror image of that")

# %% [markdown]
# *Figure 16. Red is best for J1: 90 degrees, where the ten easy triplets outweigh the ninety. It violates 90 of
# 100. Blue is best for J2, here 17 degrees in the middle of a flat stretch from 3.5 to 30.5: it violates none.*
#
# J2 reaches zero only because some direction satisfies everybody. Otherwise its minimum is above zero. And zero
# here promises nothing about people never seen.
#
# **What would happen if** embeddings need not have unit length?

# %% study=true
unit_triplets = [l2_normalize(rng.normal(size=(100, 8))) for _ in range(2)]
unit_triplets.insert(1, l2_normalize(unit_triplets[0] + 0.6 * rng.normal(size=(100, 8))))
for stretch in (1, 10, 100):
    moved = [stretch * table for table in unit_triplets]
    left = int(sum(np.subtract(*triplet_distances(*moved)) > 0))
    print(f"{stretch:3} times as long: J1 = {ungated_objective(*moved, 0.2):12.1f},",
          f"negatives nearer than positives: {left}")

# %% [markdown]
# $J_1$ falls without end, with the square of the length, and not one triplet has changed sides. On the unit
# sphere no term is below −4. There $J_1$ has a minimum, but still serves those who have enough.

# %% [markdown] written="explain_gate"
# **Written · `explain_gate`** · ●●○ · 15 minutes · 2 points
#
# Why is $J_1$ no substitute for $J_2$? Use the figures of your own run: the best directions, how many triplets
# each violates, what scaling does. Then answer the forum: what does the max save, and what does it not?

# %% [markdown]
# ## Summary
#
# - The max decides which terms shape the gradient. It does not decide which are computed.
# - A mask saves nothing. Gathering saves the gradient's work. Finding the active triplets in the table of
#   distances, or summing by pairs, saves nearly all of it.
# - The margin makes giving up costly. The unit sphere gives the objective a floor.
# - The gradient through the sphere lies across x. At a tie nobody is right, so nobody is judged.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Schroff et al. 2015](https://arxiv.org/abs/1503.03832) (FaceNet), equations 1 to 3.
# [Weinberger and Saul 2009](https://jmlr.org/papers/v10/weinberger09a.html) had the margin and the hinge before.
#
# **Where it lives today.** Face and speaker verification, image search, and retrieval models for text. Their
# newer losses weigh many negatives softly, in place of one max. Lesson 05 chooses which triplets to form at all.
