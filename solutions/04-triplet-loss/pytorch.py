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
# PyTorch has a triplet loss in one call. Here you take it apart. Afterwards you will be able to
#
# - write the loss so that autograd follows it, and its backward pass by hand;
# - say what the max switches off, and what it does not;
# - compute on the active triplets alone, and know when that pays.
#
# It takes two and a half hours, 120 minutes of them for exercises: 19 points.
# You need `backward()` and the chain rule.

# %% setup=true
import autograder

lesson = autograder.lesson("04-triplet-loss", track="pytorch")

# %% [markdown]
# After each exercise stands a check cell. It judges values, dtype and the gradients that reach every input.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.
#
# `as_floats`, below, is yours to use: integer tensors have no gradients.

# %%
import math
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import sympy
import torch
import torch.nn.functional as F

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})
generator = torch.Generator().manual_seed(4)


def as_floats(*tensors):
    """Return the tensors, integers promoted to the default dtype; dtype and device are kept otherwise."""
    default = torch.get_default_dtype()
    return tuple(t if t.is_floating_point() else t.to(default) for t in tensors)


def normal(*shape):
    """Draw a float64 tensor of standard normal numbers."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def arrow(axis, start, end, colour):
    """Draw an arrow from one point to another."""
    axis.annotate("", [float(v) for v in end], [float(v) for v in start],
                  arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})


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
# ## 1. What does autograd do at a max?
#
# A student asked a forum: does the max in this loss save any computing? Begin with one weight, and let autograd
# walk over the kink. Torch has several ways to write a hinge.

# %% study=true
hinges = {"relu": torch.relu, "clamp": lambda z: z.clamp(min=0),
          "maximum": lambda z: torch.maximum(z, torch.zeros_like(z))}
weights = torch.linspace(-1, 1, 9)
figure, axis = plt.subplots(figsize=(5.4, 2.7))
for (name, hinge), marker, size in zip(hinges.items(), "osD", (11, 8, 5), strict=True):
    leaf = weights.clone().requires_grad_()
    (slope,) = torch.autograd.grad(hinge(leaf).sum(), leaf)
    axis.plot(weights, slope, marker, ms=size, alpha=0.7, label=name)
    print(f"{name}: slope at the kink {slope[4].item()}")
axis.set(title="Slope of max(0, w), by three of torch's functions", xlabel="w", ylabel="slope")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 1. Away from zero all three agree. At zero `relu` says 0, `maximum` ½, `clamp` 1. Any slope between 0 and
# 1 is valid there. So no check of a loss ever judges a tie.*
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
# Take a scalar `w` and `x` $(m,)$, return the scalar tensor $dJ/dw$. At the kink, $w\,x_i=0$, take the slope as
# zero. It depends on `x`, so gradients must reach `x`. `w` may be a plain number.

# %% exercise="hinge_gradient"
def hinge_gradient(w, x):
    """Return dJ/dw of J = Σ max(0, w·x_i): scalar, (m,) -> scalar; zero at the kink."""
    ### BEGIN SOLUTION
    (x,) = as_floats(x)
    return (x * (w * x > 0)).sum()
    ### END SOLUTION


# %% check="hinge_gradient"

# %% study=true
numbers = torch.tensor([-1.6, -0.7, 0.4, 0.9, 1.3])
fine = torch.linspace(-2, 2, 201)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.7))
for number in numbers:
    left.plot(fine, (fine * number).clamp(min=0), lw=1, label=f"x = {number:.1f}")
left.set(title="five hinges", xlabel="weight w", ylabel="max(0, w·x)")
left.legend(fontsize=7)
right.plot(fine, [hinge_gradient(float(w), numbers) for w in fine], "C3.", ms=3)
right.set(title="your slope of their sum", xlabel="weight w", ylabel="dJ/dw")
plt.show()
print("left of zero, at zero, right of zero:", [round(hinge_gradient(w, numbers).item(), 2) for w in (-1.0, 0.0, 1.0)])

# %% [markdown]
# *Figure 2. The slope is −2.3 on the left and 2.6 on the right: two different sets of numbers shape it.*
#
# **What would happen if** only one hinge in a hundred were open? The forum multiplies by a mask. Compare it with
# picking the open ones first.

# %% study=true
many = normal(1_000_000).abs() * torch.where(torch.rand(1_000_000, generator=generator) < 0.01, 1.0, -1.0)
products = 0.5 * many  # needed to find out which hinges are open, whatever follows
found = products.gt(0).nonzero()[:, 0]
print(f"the mask multiplies {many.numel()} numbers, {many.numel() - found.numel()} of them by zero")
print(f"gathering multiplies none of them by zero, and adds up {found.numel()} numbers")
print("both agree:", torch.isclose(products.gt(0).double() @ many, many[found].sum()).item())

# %% [markdown]
# So there are two questions. Which terms *shape* the gradient? The max decides that. Which terms are
# *computed*? A mask computes them all. We come back to the second in section 7.
#
# ## 2. On which sphere do faces live?
#
# FaceNet lets an embedding keep its direction alone.

# %% study=true
loose = normal(14, 2)
turn = torch.linspace(0, 2 * math.pi, 200)
figure, axis = plt.subplots(figsize=(3.6, 3.6))
axis.plot(turn.cos(), turn.sin(), "k", lw=1)
onto = torch.stack([point / math.hypot(*point.tolist()) for point in loose])
for start, end in zip(loose, onto, strict=True):
    axis.plot(*torch.stack([start, end]).T, ":", color="grey")
axis.plot(*loose.T, "o", color="C1", label="network's output")
axis.plot(*onto.T, "o", color="C0", label="embedding")
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
    (x,) = as_floats(x)
    return x / x.norm(dim=1, keepdim=True)
    ### END SOLUTION


# %% check="l2_normalize"

# %% study=true
rows = 7 * normal(500, 128)
print(f"largest difference from F.normalize: {(l2_normalize(rows) - F.normalize(rows, dim=1)).abs().max():.0e}")
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    unit = l2_normalize(rows.to(dtype))
    print(f"{unit.dtype}: lengths are within {(unit.double().norm(dim=1) - 1).abs().max():.0e} of one")

# %% [markdown]
# `F.normalize` is torch's own. It divides by no less than $10^{-12}$, for rows of zeros. In bfloat16 a length of one
# is one up to a few thousandths.
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
    anchors, positives, negatives = as_floats(anchors, positives, negatives)
    d_ap = (anchors - positives).square().sum(dim=1)  # (B,)
    d_an = (anchors - negatives).square().sum(dim=1)  # (B,)
    return d_ap, d_an
    ### END SOLUTION


# %% check="triplet_distances"

# %% [markdown]
# **What would happen if** you took the root, as `F.triplet_margin_loss` does? Look at a positive that coincides with
# its anchor.

# %% study=true
same, there = torch.ones(1, 4, requires_grad=True), torch.ones(1, 4)
near = triplet_distances(same, there, there)[0]
for name, distance in (("squared", near), ("its root", near.sqrt()), ("torch's norm", (same - there).norm(dim=1))):
    (slope,) = torch.autograd.grad(distance.sum(), same, retain_graph=True)
    print(f"{name}: gradient {slope[0].tolist()}")
angles = torch.linspace(0, math.pi, 100)
around, east = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([[1.0, 0.0]]).expand(100, 2)
squared = triplet_distances(east, around, around)[0]
figure, axis = plt.subplots(figsize=(4.8, 2.6))
axis.plot(angles.rad2deg(), squared, label="squared")
axis.plot(angles.rad2deg(), squared.sqrt(), label="root")
axis.set(title="Distances on the circle", xlabel="angle between two unit vectors (degrees)", ylabel="distance",
         xticks=range(0, 181, 30))
axis.legend()
plt.show()

# %% [markdown]
# *Figure 4. On the sphere a squared distance is 2 − 2cos of the angle, from 0 to 4. It is flat at zero. The root
# comes in at a slope that jumps, and autograd makes `nan` of infinity times zero.*
#
# The triplet is good if $d_{ap}+\alpha\le d_{an}$. What it lacks is its loss.

# %% study=true
span = torch.linspace(-1.2, 1.2, 161)
plane = torch.cartesian_prod(span, span).flip(1)
lacks = (0.49 + 0.2 - plane.square().sum(dim=1)).reshape(161, 161)
figure, axis = plt.subplots(figsize=(4.6, 3.6))
drawn = axis.contourf(span, span, lacks.clamp(min=0), 12, cmap="Reds")
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
# *Figure 5. Inside the dashed circle the negative is nearer than the positive: hard. Between the dashed circle
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
    return slack.clamp(min=0).sum()
    ### END SOLUTION


# %% check="triplet_loss"

# %% study=true
batch = [l2_normalize(normal(200, 8)) for _ in range(3)]
ours = triplet_loss(*batch, 0.2).item()
squared = F.triplet_margin_with_distance_loss(
    *batch, distance_function=lambda u, v: F.mse_loss(u, v, reduction="none").sum(dim=1), margin=0.2)
print(f"yours: {ours:.4f} in all, {ours / 200:.4f} per triplet")
print(f"torch with your distance: {squared.item():.4f}")
print(f"F.triplet_margin_loss as it is: {F.triplet_margin_loss(*batch, margin=0.2).item():.4f}")

# %% [markdown]
# Torch's own divides by $B$ and takes the root of each distance. The numbers cannot be compared until both are
# settled.
#
# **What would happen if** the network gave up and sent every image to one point? Try it with and without a margin,
# beside embeddings that know something.

# %% study=true
point = l2_normalize(normal(1, 8)).expand(300, 8)
centres = l2_normalize(normal(2, 8))
good = [l2_normalize(centres[who] + 0.25 * normal(300, 8)) for who in (0, 0, 1)]
alphas = torch.linspace(0, 0.6, 13).tolist()
figure, axis = plt.subplots(figsize=(5, 2.7))
axis.plot(alphas, [triplet_loss(point, point, point, alpha) / 300 for alpha in alphas], "C3o-", ms=3,
          label="all images at one point")
axis.plot(alphas, [triplet_loss(*good, alpha) / 300 for alpha in alphas], "C0o-", ms=3, label="two people apart")
axis.set(title="What giving up costs", xlabel="margin", ylabel="loss per triplet")
axis.legend()
plt.show()
leaf = point.clone().requires_grad_()
triplet_loss(leaf, leaf, leaf, 0.2).backward()
for alpha in (0.0, 0.2):
    print(f"margin {alpha}: one point {triplet_loss(point, point, point, alpha) / 300:.3f},",
          f"two people apart {triplet_loss(*good, alpha) / 300:.3f}")
print(f"largest slope at the one point: {leaf.grad.abs().max():.0e}")

# %% [markdown]
# *Figure 6. Without a margin giving up costs nothing: it is a global minimum. With one it costs just the margin, for
# every triplet. The gradient there is still zero: a bad place, but a flat one.*
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
# ## 5. Which way does each point go?
#
# Autograd knows already. Draw one hard triplet and one good one, with steps against its gradients.

# %% study=true
trio = [torch.tensor(t, dtype=torch.float64).requires_grad_()
        for t in ([[0, 0], [3, 0]], [[0.9, 0.2], [3.5, 0.3]], [[0.5, 0.8], [3.2, 1.5]])]
slopes = torch.autograd.grad(triplet_loss(*trio, 0.2), trio)
figure, axis = plt.subplots(figsize=(5.6, 2.9))
for points, slope, colour, label in zip(trio, slopes, ("k", "C0", "C3"), ("anchor", "positive", "negative"), strict=True):
    axis.plot(*points.detach().T, "o", color=colour, label=label)
    for start, down in zip(points.detach(), -0.25 * slope, strict=True):
        if down.any():
            arrow(axis, start, start + down, colour)
axis.set(title="A hard triplet, and a good one", xlim=(-1, 4.2), ylim=(-0.8, 1.9), aspect="equal",
         xlabel="first component", ylabel="second component")
axis.legend(loc="upper center", fontsize=7)
plt.show()
print("sum of the three gradients:", sum(slopes).tolist())

# %% [markdown]
# *Figure 7. On the left the positive comes and the negative goes. The anchor moves in the direction from the
# negative to the positive. On the right nobody moves.*
#
# Your derivation for whole vectors, with the gate $g_b=1$ where the triplet's term is above zero, else 0, and with
# $\bar L$, the gradient of whatever follows with respect to $L$:
#
# $$\bar a=2\bar L g\,(n-p)\qquad\bar p=2\bar L g\,(p-a)\qquad\bar n=2\bar L g\,(a-n)\qquad(B,E)$$
#
# An operation of your own has two functions. Here is one for $y=c\,x^3$.

# %%
class Cube(torch.autograd.Function):
    """c·x³ with a backward pass by hand."""

    @staticmethod
    def forward(ctx, x, c):
        """Keep what backward needs, return the value."""
        ctx.save_for_backward(x)
        ctx.c = c
        return c * x**3

    @staticmethod
    def backward(ctx, upstream):
        """Return one thing for each argument of forward: None for the plain number c."""
        (x,) = ctx.saved_tensors
        return 3 * ctx.c * upstream * x**2, None


leaf = torch.tensor([1.0, 2.0], requires_grad=True)
(10 * Cube.apply(leaf, 0.5)).sum().backward()
print("slope of 10 · 0.5 · x³ at 1 and 2:", leaf.grad.tolist())

# %% [markdown]
# **Exercise · `TripletLossFunction`** · ●●● · 25 minutes · 3 points
#
# Write `forward(ctx, anchors, positives, negatives, margin)`, which returns the scalar $L$, and `backward`, by hand
# and gated. It is called as `TripletLossFunction.apply(…)` and must pass `torch.autograd.gradcheck` away from the
# kink.

# %% exercise="TripletLossFunction"
class TripletLossFunction(torch.autograd.Function):
    """The triplet loss with its backward pass by hand; call it as TripletLossFunction.apply(…)."""

    @staticmethod
    def forward(ctx, anchors, positives, negatives, margin):
        """Return Σ_b max(d_ap − d_an + margin, 0): three (B, E), scalar -> scalar."""
        ### BEGIN SOLUTION
        anchors, positives, negatives = as_floats(anchors, positives, negatives)
        d_ap, d_an = triplet_distances(anchors, positives, negatives)
        slack = d_ap - d_an + margin  # (B,)
        ctx.save_for_backward(anchors, positives, negatives, slack > 0)
        return slack.clamp(min=0).sum()
        ### END SOLUTION

    @staticmethod
    def backward(ctx, loss_gradient):
        """Return the gradients for the four arguments of forward; the margin gets None."""
        ### BEGIN SOLUTION
        anchors, positives, negatives, gate = ctx.saved_tensors
        scale = 2 * loss_gradient * gate[:, None]  # (B, 1)
        d_anchors, d_positives = scale * (negatives - positives), scale * (positives - anchors)
        return d_anchors, d_positives, scale * (anchors - negatives), None
        ### END SOLUTION


# %% check="TripletLossFunction"

# %% study=true
leaves = [table.clone().requires_grad_() for table in batch]
by_hand = torch.autograd.grad(3 * TripletLossFunction.apply(*leaves, 0.2), leaves)
by_autograd = torch.autograd.grad(3 * triplet_loss(*leaves, 0.2), leaves)
gap = max((one - other).abs().max().item() for one, other in zip(by_hand, by_autograd, strict=True))
print(f"largest difference from autograd: {gap:.0e}")
kept = {"autograd": triplet_loss, "by hand": TripletLossFunction.apply}
for name, function in kept.items():
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
        function(*leaves, 0.2)
    print(f"{name}: keeps {len(sizes)} tensors, {sum(sizes)} numbers, for the way back")

# %% [markdown]
# The worked backward keeps the three tables and the gate. Autograd keeps two differences and a mask. Keeping the
# active rows alone would beat both.
#
# **What would happen if** `gradcheck` met a tie? It takes differences, and sees half of each side.

# %% study=true
origin, positive = torch.zeros(1, 2).double(), torch.tensor([[0.0, 0.7]]).double()
for name, squared in (("away from the kink", 0.5), ("at the kink", 0.69)):
    far = torch.tensor([[math.sqrt(squared), 0.0]], dtype=torch.float64, requires_grad=True)
    fine = torch.autograd.gradcheck(lambda moved: TripletLossFunction.apply(origin, positive, moved, 0.2), far,
                                    raise_exception=False)
    print(f"{name}: gradcheck passes: {fine}")

# %% [markdown]
# ## 6. What comes back through the sphere?
#
# The network makes $x$, the loss sees $f=x/\lVert x\rVert$. What arrives at $x$?

# %% study=true
x, upstream = torch.tensor([1.5, 1.0]), torch.tensor([0.3, 1.4])
unit_x = x / math.hypot(*x.tolist())
share = (upstream @ unit_x) * unit_x
figure, axis = plt.subplots(figsize=(4, 3.4))
axis.plot(turn.cos(), turn.sin(), "k", lw=1)
arrow(axis, (0, 0), x, "grey")
for start, way, colour, label in ((x, upstream, "C1", "from above, g"), (x, share, "C7", "along x: lost"),
                                  (x, upstream - share, "C0", "across x: kept")):
    arrow(axis, start, start + way, colour)
    axis.plot([], [], color=colour, label=label)
axis.text(1.35, 0.7, "x")
axis.set(xlim=(-1.2, 2.8), ylim=(-1.2, 2.8), aspect="equal", title="A gradient meets the sphere",
         xlabel="first component", ylabel="second component")
axis.legend(fontsize=7, loc="lower right")
plt.show()

# %% [markdown]
# *Figure 8. Moving x along its own ray does not move f. So the part of g along x is lost.*
#
# $$\frac{\partial L}{\partial x}=\frac{g-(g\cdot f)\,f}{\lVert x\rVert}\qquad(B,E)$$

# %%
g, f, length = (0.0, 1.0), (0.6, 0.8), 5.0
dot = g[0] * f[0] + g[1] * f[1]
arrives = [(g_e - dot * f_e) / length for g_e, f_e in zip(g, f, strict=True)]
print(f"g·f = {dot:.1f}, what arrives is", [round(number, 3) for number in arrives])

# %% [markdown]
# **Exercise · `normalize_gradient`** · ●●○ · 15 minutes · 2 points
#
# Take `x` $(B, E)$ and `upstream` $(B, E)$, the gradient at `l2_normalize(x)`. Return the gradient at `x`
# $(B, E)$. Gradients must reach both arguments.

# %% exercise="normalize_gradient"
def normalize_gradient(x, upstream):
    """Return the gradient at x of what has the gradient `upstream` at x / ‖x‖: two (B, E) -> (B, E)."""
    ### BEGIN SOLUTION
    x, upstream = as_floats(x, upstream)
    norms = x.norm(dim=1, keepdim=True)  # (B, 1)
    unit = x / norms
    along = (upstream * unit).sum(dim=1, keepdim=True)  # (B, 1)
    return (upstream - along * unit) / norms
    ### END SOLUTION


# %% check="normalize_gradient"

# %% study=true
tries, above = normal(400, 16).requires_grad_(), normal(400, 16)
back = normalize_gradient(tries, above)
(reference,) = torch.autograd.grad(F.normalize(tries, dim=1), tries, above)
print(f"largest difference from autograd: {(back - reference).abs().max():.0e}")
print(f"largest cosine between x and its gradient: {F.cosine_similarity(tries, back, dim=1).abs().max():.0e}")
walker, path = torch.nn.Parameter(normal(1, 16)), []
target = l2_normalize(normal(1, 16))
optimiser = torch.optim.SGD([walker], lr=1.5)
for _ in range(60):
    loss = (l2_normalize(walker) - target).square().sum()
    path.append((walker.norm().item(), loss.item()))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.plot(path, label=["length of x", "squared distance of f to a target"])
axis.set(title="Plain SGD through the sphere", xlabel="step", ylabel="value")
axis.legend()
plt.show()
print(f"length from {path[0][0]:.2f} to {path[-1][0]:.2f}")

# %% [markdown]
# *Figure 9. The gradient is at right angles to x, so each step makes x longer, never shorter. A longer x
# turns less: the steps slow down by themselves.*
#
# ### All together: people on a circle
#
# Four people, six images each. All 2160 triplets, your functions, 40 steps of SGD.

# %% study=true
who = torch.arange(4).repeat_interleave(6)
same = (who[:, None] == who) & ~torch.eye(24, dtype=torch.bool)
valid = (same[:, :, None] & (who[:, None] != who)[:, None, :]).nonzero()  # (2160, 3)
outputs = torch.nn.Parameter(normal(24, 2) + 0.6 * torch.stack([(1.6 * who).cos(), (1.6 * who).sin()], dim=1))
optimiser, first, shares = torch.optim.SGD([outputs], lr=0.001), l2_normalize(outputs).detach(), []
for _ in range(40):
    embedded = l2_normalize(outputs)
    table = [embedded[column] for column in valid.T]
    near, far = triplet_distances(*table)
    shares.append((near + 0.2 > far).double().mean().item())
    optimiser.zero_grad()
    TripletLossFunction.apply(*table, 0.2).backward()
    optimiser.step()
embedded = embedded.detach()
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
# *Figure 10. Colours are people. They come apart, and the active share falls from 0.47 to 0.01: the max lets less
# and less through.*
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
# order, a tensor of whole numbers $(A,)$.

# %% exercise="active_triplets"
def active_triplets(anchors, positives, negatives, margin):
    """Return the sorted indices of the triplets whose loss is above zero: three (B, E), scalar -> (A,)."""
    ### BEGIN SOLUTION
    d_ap, d_an = triplet_distances(anchors, positives, negatives)
    return (d_ap - d_an + margin > 0).nonzero().flatten()
    ### END SOLUTION


# %% check="active_triplets"

# %% study=true
listed = active_triplets(*(embedded[column] for column in valid.T), 0.2)
members = torch.bincount(valid[listed].flatten(), minlength=24)
figure, axis = plt.subplots(figsize=(5.4, 2.5))
axis.bar(range(24), members, color=plt.cm.tab10(who / 3))
axis.set(title="Whose triplets are still active?", xlabel="image", ylabel="active triplets with it")
plt.show()
print(f"{listed.numel()} of {len(valid)} triplets; images in none of them: {(members == 0).sum()} of 24")

# %% [markdown]
# *Figure 11. Colours are people. Of 2160 triplets 30 are left. The five images without a bar get no gradient at
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
# Return the tuple of the loss's three gradients, each $(B, E)$, computed by hand under `no_grad`; rows of inactive
# triplets are zero. Beyond finding the active ones, work on those alone. One point is for that: a good triplet's
# negative may even stand at infinity, and zero times infinity is not a number.

# %% exercise="gathered_triplet_gradients"
@torch.no_grad()
def gathered_triplet_gradients(anchors, positives, negatives, margin):
    """Return the gradients of `triplet_loss`, computed on the active triplets alone: three (B, E)."""
    ### BEGIN SOLUTION
    anchors, positives, negatives = as_floats(anchors, positives, negatives)
    active = active_triplets(anchors, positives, negatives, margin)
    a, p, n = anchors[active], positives[active], negatives[active]  # (A, E)
    gradients = anchors.new_zeros(3, *anchors.shape)
    gradients[:, active] = 2 * torch.stack([n - p, p - a, a - n])
    return tuple(gradients)
    ### END SOLUTION


# %% check="gathered_triplet_gradients"

# %% [markdown]
# There is a third way. Count, for each pair of images, in how many active triplets it stands: $+1$ for anchor and
# positive, $-1$ for anchor and negative. With these counts $W$, fixed, the loss is $\sum_{ij}W_{ij}d_{ij}$ and a
# constant. With $S=W+W^\top$ its gradient is
#
# $$\nabla F = 2\,\bigl(\operatorname{diag}(S\mathbf 1)-S\bigr)\,F\qquad(N,E)$$
#
# for all $N$ images at once: a graph Laplacian. Its work is $N^2E$, however many triplets there are.

# %% study=true
people = torch.arange(16).repeat_interleave(6)
faces = l2_normalize(l2_normalize(normal(16, 64))[people] + 0.085 * normal(96, 64))
alike = (people[:, None] == people) & ~torch.eye(96, dtype=torch.bool)
strange = people[:, None] != people
index = (alike[:, :, None] & strange[:, None, :]).nonzero().T.contiguous()  # (3, 43200)
mates, others = (mask.nonzero()[:, 1].reshape(96, -1) for mask in (alike, strange))  # (96, 5), (96, 90)


def by_pairs(margin):
    """Return the gradient of the sum over all triplets from counts by pair: scalar -> (96, 64)."""
    far = 2 - 2 * (faces @ faces.T)
    violated = far.gather(1, mates)[:, :, None] + margin > far.gather(1, others)[:, None, :]  # (96, 5, 90)
    counts = torch.zeros_like(far).scatter(1, mates, violated.sum(dim=2).to(far.dtype))
    counts = counts.scatter(1, others, -violated.sum(dim=1).to(far.dtype))
    both = counts + counts.T
    return 2 * (both.sum(dim=1)[:, None] * faces - both @ faces)


def by_autograd(margin):
    """Let autograd go back through all triplets: relu is its mask."""
    leaf = faces.clone().requires_grad_()
    triplet_loss(*(leaf[column] for column in index), margin).backward()
    return leaf.grad


gaps = torch.sub(*triplet_distances(*(faces[column] for column in index))[::-1])
alpha = gaps.quantile(0.5).item()
total = by_autograd(alpha)
print(f"{index.shape[1]} triplets of 96 images")
print(f"pairs against triplets: difference {((by_pairs(alpha) - total).abs().max() / total.abs().max()).item():.0e}")

# %% [markdown]
# The clock, then. All five end with the gradient at the 96 images.

# %% study=true
def by_mask(margin):
    """Go back through all triplets with the backward pass by hand: the mask is its gate."""
    leaf = faces.clone().requires_grad_()
    TripletLossFunction.apply(*(leaf[column] for column in index), margin).backward()
    return leaf.grad


def added_up(slopes, columns):
    """Add gradients of triplets up by image: three (A, E), three (A,) -> (96, E)."""
    total = torch.zeros_like(faces)
    for column, slope in zip(columns, slopes, strict=True):
        total.index_add_(0, column, slope)
    return total


def by_gathering(margin):
    """Compute the active triplets, found among the triplets."""
    columns = index[:, active_triplets(*(faces[column] for column in index), margin)]
    return added_up(gathered_triplet_gradients(*(faces[column] for column in columns), margin), columns)


def by_table(margin):
    """Compute the active triplets, found in the table of distances between images."""
    far = 2 - 2 * (faces @ faces.T)
    columns = index[:, far[index[0], index[1]] + margin > far[index[0], index[2]]]
    return added_up(gathered_triplet_gradients(*(faces[column] for column in columns), margin), columns)


def fastest(action, margin, tries=3):
    """Return the least CPU time of some tries, in seconds."""
    spent = []
    for _ in range(tries):
        begun = time.process_time()
        action(margin)
        spent.append(time.process_time() - begun)
    return min(spent)


ways = {"mask, autograd": by_autograd, "mask, by hand": by_mask, "gather, found in the triplets": by_gathering,
        "gather, found in the table": by_table, "pairs (Laplacian)": by_pairs}
times, actual, lines = {name: [] for name in ways}, [], ["active   gradient rows: mask  gather   pairs"]
for share in (0.5, 0.15, 0.035, 0.005):
    alpha = gaps.quantile(share).item()
    actual.append((gaps < alpha).double().mean().item())
    for name, action in ways.items():
        times[name].append(fastest(action, alpha))
    lines.append(f"{actual[-1]:6.1%} {3 * index.shape[1]:20} {3 * (gaps < alpha).sum().item():7} {96:7}")
figure, axis = plt.subplots(figsize=(6.6, 3.1))
for name, spent in times.items():
    axis.loglog(actual, spent, "o-", label=name)
    ratios = [mask / own for mask, own in zip(times["mask, autograd"], spent, strict=True)]
    lines.append(f"{name}: autograd's mask takes " + ", ".join(f"{ratio:.1f}" for ratio in ratios) + " times as long")
axis.set(title="Gradient of 43 200 triplets", xlabel="share of active triplets", ylabel="CPU seconds")
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
print("\n".join(lines))

# %% [markdown]
# *Figure 12. Both masks go back through 129 600 rows: autograd skips nothing. Gathering among the triplets still looks
# at each one. From the table of distances the work falls with the share. Pairs are more than 100 times faster
# throughout.*
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
    return (d_ap - d_an).sum()
    ### END SOLUTION


# %% check="ungated_objective"

# %% [markdown]
# Now 100 triplets in the plane, and an embedding of one number: the projection on a direction. Ninety triplets are
# modest. Ten are easy: their negatives are nine units up. Let SGD turn the direction, once for each objective.

# %% study=true
modest = torch.arange(100)[:, None] < 90
starts = normal(100, 2)
to_positive = torch.where(modest, torch.tensor([0.0, 0.7]), torch.tensor([0.0, 0.0])) + 0.05 * normal(100, 2)
to_negative = torch.where(modest, torch.tensor([0.9, 0.0]), torch.tensor([0.0, 9.0])) + 0.05 * normal(100, 2)
corners = starts, starts + to_positive, starts + to_negative


def projected(angle):
    """Project all corners on the direction of an angle: scalar -> three times (100, 1)."""
    return [corner @ torch.stack([angle.cos(), angle.sin()])[:, None] for corner in corners]


objectives = {"J1": ungated_objective, "J2": triplet_loss}
degrees = torch.arange(0, 180, 0.5, dtype=torch.float64)
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9))
violated = [active_triplets(*projected(angle), 0.2).numel() for angle in degrees.deg2rad()]
axes[2].plot(degrees, violated, "k")
for axis, (name, objective), colour in zip(axes[:2], objectives.items(), ("C3", "C0"), strict=True):
    axis.plot(degrees, [objective(*projected(angle), 0.2) for angle in degrees.deg2rad()], "k")
    angle = torch.tensor(math.radians(60), dtype=torch.float64, requires_grad=True)
    for _ in range(300):
        loss = objective(*projected(angle), 0.2)
        (slope,) = torch.autograd.grad(loss, angle)
        angle = (angle - 5e-4 * slope).detach().requires_grad_()
    left = active_triplets(*projected(angle.detach()), 0.2).numel()
    axis.plot(angle.rad2deg().item(), loss.item(), "o", color=colour)
    axes[2].plot(angle.rad2deg().item(), left, "o", color=colour, label=f"where {name} leads")
    axis.set(title=name, xlabel="direction (degrees)", xticks=range(0, 181, 45))
    print(f"{name} leads to {angle.rad2deg().item():.1f} degrees: {left} of 100 triplets violated")
axes[0].set(ylabel="objective")
axes[2].set(title="violated triplets", xlabel="direction (degrees)", xticks=range(0, 181, 45))
axes[2].legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 13. J1 (red) leads to 90 degrees, where the ten easy triplets outweigh the ninety. It violates 90 of 100.
# J2 (blue) goes downhill from 60 degrees and stops near 31, at the first direction that violates none.*
#
# J2 reaches zero only because some direction satisfies everybody. Otherwise its minimum is above zero. And zero
# here promises nothing about people never seen.
#
# **What would happen if** embeddings need not have unit length?

# %% study=true
unit_triplets = [l2_normalize(normal(100, 8)) for _ in range(2)]
unit_triplets.insert(1, l2_normalize(unit_triplets[0] + 0.6 * normal(100, 8)))
for stretch in (1, 10, 100):
    moved = [stretch * table for table in unit_triplets]
    near, far = triplet_distances(*moved)
    print(f"{stretch:3} times as long: J1 = {ungated_objective(*moved, 0.2).item():12.1f},",
          f"negatives nearer than positives: {(near > far).sum().item()}")

# %% [markdown]
# $J_1$ falls without end, with the square of the length, and not one triplet has changed sides. On the unit
# sphere no term is below −4. There $J_1$ has a minimum, but still serves those who have enough.

# %% [markdown] written="explain_gate"
# **Written · `explain_gate`** · ●●○ · 15 minutes · 2 points
#
# Why is $J_1$ no substitute for $J_2$? Use the figures of your own run: where each leads, how many triplets are
# violated there, what scaling does. Then answer the forum: what does the max save, and what does it not?

# %% [markdown]
# ## 9. Does it keep dtype and device?
#
# The device `meta` computes shapes only. It finds tensors made in the wrong place.

# %% study=true
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    loss = triplet_loss(*(table.to(dtype) for table in batch), 0.2)
    print(f"{dtype!s:15} gives {loss.dtype!s:15} relative error {abs(loss.item() - ours) / ours:.0e}")
extra = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
for device in ["cpu", "meta", *extra]:
    loss = triplet_loss(*(table.float().to(device) for table in batch), 0.2)
    print(f"{device} gives {loss.device.type}")

# %% [markdown]
# ## Summary
#
# - The max decides which terms shape the gradient. It does not decide which are computed, in autograd neither.
# - A mask saves nothing. Gathering saves the gradient's work. Finding the active triplets in the table of
#   distances, or summing by pairs, saves nearly all of it.
# - The margin makes giving up costly. The unit sphere gives the objective a floor.
# - The gradient through the sphere lies across x. At a tie nobody is right, so nobody is judged.
#
# **What torch gives.** `F.normalize`, `F.triplet_margin_loss` (mean, roots), and
# `F.triplet_margin_with_distance_loss` for distances of your own. In training, find the active triplets under
# `no_grad` and send only their images through the network again.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Schroff et al. 2015](https://arxiv.org/abs/1503.03832) (FaceNet), equations 1 to 3.
# [Weinberger and Saul 2009](https://jmlr.org/papers/v10/weinberger09a.html) had the margin and the hinge before.
#
# **Where it lives today.** Face and speaker verification, image search, and retrieval models for text. Their
# newer losses weigh many negatives softly, in place of one max. Lesson 05 chooses which triplets to form at all.
