# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Triplet mining: choosing what to learn from
#
# When you have finished this notebook you will be able to
#
# - count, list and mine triplets without ever building a $B\times B\times B$ table;
# - train a small CNN that recognises characters it has never seen;
# - say why the hardest triplets ruin a young network, and repeat four studies of the FaceNet paper.
#
# It takes four hours, three of them for the exercises, and carries 31 points.
# You need lesson 04's triplet loss, and tensors with `backward()`.

# %% setup=true
import autograder

lesson = autograder.lesson("05-triplet-mining", track="pytorch")

# %% [markdown]
# After each exercise stands a check cell. Run it to see what is right and what is not yet.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.
#
# `as_floats`, below, is yours to use: integer tensors become floats, the others stay as they are. Mining gives
# integers, so no gradient passes through it; a loss must keep its gradient.

# %%
import contextlib
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})


def as_floats(*tensors):
    """Return the tensors, integers promoted to the default dtype; dtype and device are kept otherwise."""
    default = torch.get_default_dtype()
    return tuple(t if t.is_floating_point() else t.to(default) for t in tensors)

# %% [markdown]
# | in formulas | in code | shape | meaning |
# |---|---|---|---|
# | $f(x_i)$ | `embeddings[i]` | $(E,)$ | where image $i$ lies, a row of length one |
# | $y_i$ | `labels[i]` | integer | whose image it is, its identity |
# | $d_{ap},\ d_{an}$ | `d_ap`, `d_an` | | **squared** distances from the anchor |
# | $\alpha$ | `margin` | scalar | how much farther negatives should be, 0.2 |
# | $B,\ P,\ K$ | | | images in a batch, identities in it, images of each |
#
# ## 1. What are we going to recognise?
#
# Faces would raise questions of consent. Here identities are characters, and a character's views are the twelve
# DejaVu styles that matplotlib ships. Each drawing is turned, scaled and shifted a little.

# %%
def find_glyphs():
    """Return the path of glyphs/glyphs.npz in a data folder here or above, or None."""
    folders = [Path(os.environ["AUTOGRADER_DATA"])] if "AUTOGRADER_DATA" in os.environ else []
    folders += [folder / "data" for folder in (Path.cwd(), *Path.cwd().parents)]
    for folder in folders:
        with contextlib.suppress(OSError):
            if (folder / "glyphs" / "glyphs.npz").is_file():
                return folder / "glyphs" / "glyphs.npz"
    return None


glyphs_path = find_glyphs()
if glyphs_path:
    with np.load(glyphs_path) as archive:
        glyphs = {name: archive[name] for name in archive.files}
    print(f"{len(glyphs['images'])} images of {len(np.unique(glyphs['identities']))} characters")
else:
    print("data/glyphs/glyphs.npz is not here: the exercises work, the figures of real characters don't")

# %% study=true
figure, axes = plt.subplots(6, 12, figsize=(8.4, 4.4))
shown = [ord(character) for character in "aB8Ωж≠"]
for strip, code in zip(axes, shown, strict=True):
    views = glyphs["images"][glyphs["code_points"] == code]
    for axis, view in zip(strip, views, strict=True):
        axis.imshow(view, cmap="gray_r")
        axis.set(xticks=[], yticks=[])
    strip[0].set_ylabel(chr(code), rotation=0, labelpad=12, va="center")
figure.suptitle("Six identities (rows) in twelve views (columns)")
figure.supxlabel("font style")
plt.show()

# %% [markdown]
# *Figure 1. The images, 24 × 24 pixels. A row is one identity. Serifs, slant and weight change along it, and
# shouldn't matter.*
#
# Some characters can't be told apart: Latin A, Greek Alpha, Cyrillic A. `identities` gives such **homoglyphs** one
# label; `code_points` keeps them apart.

# %% study=true
one_view = glyphs["fonts"] == 0
groups, sizes = np.unique(glyphs["identities"][one_view], return_counts=True)
print(f"{one_view.sum()} code points, {len(groups)} identities; {(sizes > 1).sum()} groups look the same, such as")
for group in groups[sizes > 1][[5, 20, 40, 60]]:
    members = glyphs["code_points"][one_view & (glyphs["identities"] == group)]
    print("  ", " ".join(f"{chr(code)} (U+{code:04X})" for code in members))

# %% [markdown]
# A network must be judged on characters that training has not shown. So the split is by identity: no character
# lies on both sides. A split by image would only test memory.

# %% study=true
TRAINING, TEST = 0, 2


def some_characters(split, identities, views, seed, label="identities"):
    """Return images (n, 24, 24) in [0, 1] and labels of random characters of a split."""
    draw = np.random.default_rng([seed])
    names = np.unique(glyphs[label][glyphs["splits"] == split])
    rows = []
    for name in draw.permutation(names)[:identities]:
        rows += draw.permutation(np.flatnonzero(glyphs[label] == name))[:views].tolist()
    return torch.from_numpy(glyphs["images"][rows]).float() / 255, torch.from_numpy(glyphs[label][rows]).long()


train_images, train_labels = some_characters(TRAINING, 600, 10, seed=1)
test_images, test_labels = some_characters(TEST, 200, 6, seed=2)
print("training:", tuple(train_images.shape), " test:", tuple(test_images.shape))
print("identities in both:", len(set(train_labels.tolist()) & set(test_labels.tolist())))

# %% [markdown]
# ## 2. How far apart are all images of a batch?
#
# Mining starts from one table of squared distances:
#
# $$\underbrace{D_{ij}}_{(B,\,B)}=\lVert f(x_i)-f(x_j)\rVert^2$$
#
# Here it is by the obvious loop, for three points.

# %%
points = [[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]]
for row in points:
    print([round(sum((x - y) ** 2 for x, y in zip(row, other, strict=True)), 3) for other in points])

# %% [markdown]
# **Exercise · `pairwise_squared_distances`** · ●●○ · 10 minutes · 2 points
#
# Take `embeddings` $(B, E)$, return all squared distances $(B, B)$, without a $(B, B, E)$ intermediate. The table
# must be exactly symmetric and exactly zero on the diagonal, to the last bit, and never negative. Rows need not
# have length one. Gradients must reach the embeddings.

# %% exercise="pairwise_squared_distances"
def pairwise_squared_distances(embeddings):
    """Return ‖f_i − f_j‖² for all pairs: (B, E) -> (B, B)."""
    ### BEGIN SOLUTION
    (embeddings,) = as_floats(embeddings)
    gram = embeddings @ embeddings.T  # (B, B)
    norms = gram.diagonal()
    distances = norms[:, None] + norms[None, :] - (gram + gram.T)
    return distances.clamp(min=0)  # rounding may leave a tiny negative
    ### END SOLUTION

# %% check="pairwise_squared_distances"

# %% study=true
pixels = F.normalize(train_images[:50].flatten(1))
figure, axis = plt.subplots(figsize=(4.2, 3.4))
drawn = axis.imshow(pairwise_squared_distances(pixels), cmap="viridis")
axis.set(title="raw pixels of 5 characters, 10 views each", xlabel="image j", ylabel="image i")
figure.colorbar(drawn, label="squared distance")
plt.show()
table = pairwise_squared_distances(pixels)
alike = train_labels[:50, None] == train_labels[None, :50]
print(f"mean within a character {table[alike].mean():.2f}, between characters {table[~alike].mean():.2f}")

# %% [markdown]
# *Figure 2. Your table on raw pixels. Blocks of 10 along the diagonal are one character. They should be dark;
# they are hardly darker than the rest. Pixels don't know what a character is.*
#
# ## 3. How many triplets are there?
#
# Anchor and positive are two different images of one identity, the negative is of another. By the obvious loop:

# %%
small = [7, 7, 7, 3, 3]
found = [
    (a, p, n)
    for a in range(5)
    for p in range(5)
    for n in range(5)
    if a != p and small[a] == small[p] and small[a] != small[n]
]
print(len(found), "triplets among the labels", small)

# %% [markdown]
# **Exercise · `count_triplets`** · ●○○ · 5 minutes · 1 point
#
# Take `labels` $(B,)$, integers in any order, and return how many ordered triplets $(a, p, n)$ there are, as an exact
# Python `int`. It must be right for a billion images. Torch's integers overflow silently; Python's never do.

# %% exercise="count_triplets"
def count_triplets(labels):
    """Return the number of triplets (a, p, n) with a ≠ p of one label and n of another, as an int."""
    ### BEGIN SOLUTION
    counts = labels.unique(return_counts=True)[1]
    total = len(labels)
    return sum(m * (m - 1) * (total - m) for m in counts.tolist())
    ### END SOLUTION

# %% check="count_triplets"

# %% study=true
for people, each in ((30, 6), (45, 40), (200, 10), (20_000, 10)):
    total = count_triplets(torch.arange(people).repeat_interleave(each))
    print(f"{people:6d} identities x {each:2d} images: {total:.2e} triplets of {(people * each) ** 3:.0e} triples")
print(f"FaceNet, 8 million x 25: {8_000_000 * 25 * 24 * (200_000_000 - 25):.1e} triplets")

# %% [markdown]
# FaceNet's collection has about $10^{18}$ triplets. Seeing a million a second would take 30 000 years. Most would
# teach nothing. So triplets are chosen within a batch, and the batch is made of identities.
#
# ## 4. Which pairs does a batch offer?
#
# Each ordered pair of two images of one identity is an anchor and its positive:
#
# $$\mathcal P=\{(a,p): a\neq p,\ y_a=y_p\}$$

# %%
print([(a, p) for a in range(5) for p in range(5) if a != p and small[a] == small[p]])

# %% [markdown]
# **Exercise · `anchor_positive_pairs`** · ●○○ · 5 minutes · 1 point
#
# Take `labels` $(B,)$, return all such pairs as positions, $(P, 2)$, sorted by anchor and then positive. Both
# $(a, p)$ and $(p, a)$ count. Where there is none the shape is $(0, 2)$.

# %% exercise="anchor_positive_pairs"
def anchor_positive_pairs(labels):
    """Return the ordered pairs (a, p), a ≠ p, of one label, sorted: (B,) -> (P, 2)."""
    ### BEGIN SOLUTION
    same = labels[:, None] == labels[None, :]  # (B, B)
    return same.fill_diagonal_(False).nonzero()
    ### END SOLUTION

# %% check="anchor_positive_pairs"

# %% study=true
few = torch.tensor([4, 1, 4, 2, 1, 4, 2, 9])
pairs = anchor_positive_pairs(few)
figure, axis = plt.subplots(figsize=(3.2, 2.9))
axis.scatter(pairs[:, 1], pairs[:, 0], c=few[pairs[:, 0]], cmap="tab10", marker="s", s=90)
axis.set(title="anchor–positive pairs of 8 images", xlabel="positive p", ylabel="anchor a", xlim=(-0.5, 7.5),
         ylim=(7.5, -0.5), xticks=range(8), yticks=range(8))
axis.set_xticklabels(few.tolist())
axis.set_yticklabels(few.tolist())
plt.show()
print(f"{len(pairs)} pairs; a batch of FaceNet, 45 identities x 40: {45 * 40 * 39} pairs")

# %% [markdown]
# *Figure 3. Your pairs; ticks are labels. The table is symmetric, its diagonal empty. Label 9 is alone and
# has no pair.*
#
# ## 5. Which negatives are worth it?
#
# For a pair at $d_{ap}$, two borders cut all negatives into three kinds.

# %% study=true
figure, axis = plt.subplots(figsize=(6.4, 1.9))
for left, right, colour, name in ((0, 0.5, "C3", "hard"), (0.5, 0.7, "C2", "semi-hard"), (0.7, 1.3, "C0", "easy")):
    axis.axvspan(left, right, color=colour, alpha=0.3)
    axis.text((left + right) / 2, 0.5, name, ha="center")
axis.plot([0, 0.5], [0.15, 0.15], "ko")
axis.text(0, 0.22, "a", ha="center")
axis.text(0.5, 0.22, "p", ha="center")
axis.set(title="Where a negative may lie, as seen from the anchor", xlabel="squared distance from the anchor",
         xlim=(-0.05, 1.3), ylim=(0, 0.75), yticks=[], xticks=[0, 0.5, 0.7])
axis.set_xticklabels(["0", r"$d_{ap}$", r"$d_{ap}+\alpha$"])
plt.show()

# %% [markdown]
# *Figure 4. Hard negatives are nearer than the positive. Semi-hard ones are farther, but by less than the margin.
# Easy ones have a loss of zero.*
#
# $$\text{hard: } d_{an}\le d_{ap}\qquad \text{semi-hard: } d_{ap}<d_{an}<d_{ap}+\alpha\qquad
# \text{easy: } d_{an}\ge d_{ap}+\alpha$$
#
# FaceNet's equation 4 prints only the lower bound of the middle one. The upper bound stands in the next sentence.

# %%
for d_negative in (0.3, 0.5, 0.6, 0.7, 1.1):
    print(f"d_ap 0.5, margin 0.2, d_an {d_negative}: loss {max(0.5 - d_negative + 0.2, 0):.1f}")

# %% [markdown]
# **Exercise · `classify_negatives`** · ●○○ · 10 minutes · 2 points
#
# Take `d_ap`, `d_an`, tensors whose shapes broadcast, and the scalar `margin` above zero. Return integers of their
# common shape: 0 where easy, 1 where semi-hard, 2 where hard. The borders belong where the formulas put them.

# %% exercise="classify_negatives"
def classify_negatives(d_ap, d_an, margin):
    """Return 0 (easy), 1 (semi-hard) or 2 (hard) for squared distances that broadcast."""
    ### BEGIN SOLUTION
    return torch.where(d_an >= d_ap + margin, 0, torch.where(d_an > d_ap, 1, 2))
    ### END SOLUTION

# %% check="classify_negatives"

# %% study=true
pairs = anchor_positive_pairs(train_labels[:50])
d_pairs = table[pairs[:, 0], pairs[:, 1]][:, None]  # (P, 1)
kinds = classify_negatives(d_pairs, table[pairs[:, 0]], 0.2)  # (P, B)
different = ~alike[pairs[:, 0]]
figure, axis = plt.subplots(figsize=(5.4, 2.7))
gap = table[pairs[:, 0]] - d_pairs
for kind, name, colour in ((2, "hard", "C3"), (1, "semi-hard", "C2"), (0, "easy", "C0")):
    chosen = gap[different & (kinds == kind)]
    axis.hist(chosen, bins=np.linspace(-1.5, 1.5, 61), color=colour, label=f"{name}: {len(chosen)}")
axis.set(title="All triplets of 50 images, raw pixels", xlabel=r"$d_{an}-d_{ap}$", ylabel="triplets")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 5. Your classes. Before any learning a third of the triplets is hard (6002 of 18 000). The band of semi-hard
# ones, 3408, is only a margin wide.*
#
# **What would happen if** the margin were zero? Then no negative is semi-hard: nothing lies between two equal
# borders. And an $f$ that is constant would have no loss at all.
#
# ## 6. How do you find the semi-hard ones?
#
# For each pair FaceNet takes one: the closest negative inside the band. All triples at once would be a cube of
# $B^3$ numbers.

# %%
for batch in (180, 1800):
    print(f"B = {batch}: table {batch**2 * 8 / 1e6:.1f} MB, cube of one byte each {batch**3 / 1e9:.3f} GB")

# %% [markdown]
# A block of pairs at a time is enough, say 128: a table $(128, B)$. What a pair may not take goes to infinity; the
# least of what is left is its negative, if it lies inside the margin. One pair after the other:

# %%
apart = [0.9, 0.2, 0.55, 0.5]  # distances of four negatives from the anchor
for d_positive in (0.3, 0.5, 0.6):
    farther = [d if d > d_positive else float("inf") for d in apart]
    nearest = min(farther)
    inside = nearest < d_positive + 0.2
    print(f"positive at {d_positive}: nearest farther one {nearest}, index {farther.index(nearest)}, inside: {inside}")

# %% [markdown]
# **Exercise · `mine_semi_hard`** · ●●● · 25 minutes · 4 points
#
# Take `embeddings` $(B, E)$, `labels` $(B,)$ and `margin`. Return $(T, 3)$ integers: a row $(a, p, n)$ for every
# anchor–positive pair that has a semi-hard negative, with the closest such $n$ (of equals the lowest index). Pairs
# without one are left out; with none at all the shape is $(0, 3)$. Sort by $(a, p)$. Never hold $(B, B, B)$ numbers,
# nor $(P, B)$ for all $P$ pairs: with large classes that is nearly as many.

# %% exercise="mine_semi_hard"
def mine_semi_hard(embeddings, labels, margin):
    """Return the closest semi-hard negative of each pair: (B, E), (B,), scalar -> (T, 3) rows (a, p, n)."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        distances = pairwise_squared_distances(embeddings)
        negatives = distances.masked_fill(labels[:, None] == labels[None, :], torch.inf)
        triplets = []
        for block in anchor_positive_pairs(labels).split(128):  # (128, B) at a time, not (P, B)
            a, p = block.T
            near = distances[a, p]
            farther = negatives[a]
            best, n = farther.masked_fill_(farther <= near[:, None], torch.inf).min(dim=1)
            triplets.append(torch.cat([block, n[:, None]], dim=1)[best < near + margin])
        return torch.cat(triplets)
    ### END SOLUTION

# %% check="mine_semi_hard"

# %% study=true
chosen = mine_semi_hard(pixels, train_labels[:50], 0.2)
print(f"{len(chosen)} of {len(pairs)} pairs have a semi-hard negative")
figure, axes = plt.subplots(3, 5, figsize=(5.4, 3.5))
for column, triplet in zip(axes.T, chosen[:: len(chosen) // 5][:5], strict=True):
    for axis, image, role in zip(column, train_images[triplet], ("anchor", "positive", "negative"), strict=True):
        axis.imshow(image, cmap="gray_r")
        axis.set(xticks=[], yticks=[])
        if column[0] is axes[0, 0]:
            axis.set_ylabel(role)
    a, p, n = triplet
    column[0].set_title(f"{table[a, p]:.2f} < {table[a, n]:.2f}", fontsize=8)
figure.suptitle("Five mined triplets, with d_ap < d_an")
plt.show()

# %% [markdown]
# *Figure 6. Triplets that you mined on raw pixels; 415 of 450 pairs have one. Above each stand its distances: the
# negative is farther than the positive, by less than 0.2.*
#
# ## 7. Do libraries agree on what semi-hard means?
#
# They don't. Three rules, told in our words, on one batch of random unit rows:
#
# - **FaceNet**: the closest negative inside the band; none, no triplet.
# - **TensorFlow Addons**: the closest negative farther than the positive, without upper bound; none, the farthest of
#   all.
# - **pytorch-metric-learning**: every negative in the band, its upper end included, on *unsquared* distances.

# %% study=true
draw = torch.Generator().manual_seed(5)
crowd = torch.arange(4).repeat_interleave(8)
cloud = F.normalize(torch.randn(4, 3, generator=draw)[crowd] + torch.randn(32, 3, generator=draw))
squared = pairwise_squared_distances(cloud)
losses = {"FaceNet, per pair": [], "FaceNet, per triplet": [], "TF Addons": [], "PML, squared": [], "PML": []}
for a, p in anchor_positive_pairs(crowd).tolist():
    for name, d in (("PML, squared", squared), ("PML", squared.sqrt())):
        others = d[a][crowd != crowd[a]] - d[a, p]
        losses[name] += (0.2 - others[(others > 0) & (others <= 0.2)]).tolist()
    others = squared[a][crowd != crowd[a]]
    beyond = others[others > squared[a, p]]
    farther = beyond.min() if len(beyond) else others.max()
    loss = max((squared[a, p] - farther + 0.2).item(), 0)
    losses["TF Addons"].append(loss)
    losses["FaceNet, per pair"].append(loss if len(beyond) else 0)
ours = mine_semi_hard(cloud, crowd, 0.2)
losses["FaceNet, per triplet"] = squared[ours[:, 0], ours[:, 1]] - squared[ours[:, 0], ours[:, 2]] + 0.2
losses["FaceNet, per triplet"] = losses["FaceNet, per triplet"].tolist()
for name, each in losses.items():
    print(f"{name:21s} {np.count_nonzero(each):4d} triplets with a loss, mean {np.mean(each):.4f}")

# %% [markdown]
# *One batch, one margin, five numbers*, from 0.098 to 0.126. Five of the 224 pairs have no farther negative at
# all: there Addons takes the farthest. The rule, the root and the denominator all differ. Two papers' "semi-hard
# loss" can't be compared before you know which is meant. Addons' default margin is 1.0; metric-learning's loss
# has 0.05.
#
# ## 8. What if all triplets should count?
#
# $$L=\sum_{(a,p)\in\mathcal P}\ \sum_{n:\,y_n\ne y_a}\max(0,\ d_{ap}-d_{an}+\alpha)$$
#
# For one pair, put $t=d_{ap}+\alpha$. Only the $c$ negatives with $d_{an}<t$ contribute:
#
# $$\sum_n \max(0,\,t-d_{an})=c\,t-\sum_{\text{the }c\text{ closest}} d_{an}$$

# %%
queue = torch.tensor([0.2, 0.5, 0.55, 0.9])  # four negatives, sorted
limit, running = 0.75, 0.0
for count, d in enumerate(queue.tolist()):
    running += max(0.0, limit - d)
    print(f"after {count + 1} negatives: sum of losses {running:.2f}")
print(f"c·t − sum of the closest three = 3 · {limit} − {0.2 + 0.5 + 0.55:.2f} = {3 * limit - 1.25:.2f}")
print("c by bisection, for the limits 0.1 and 0.75:", torch.searchsorted(queue, torch.tensor([0.1, limit])).tolist())

# %% [markdown]
# **Exercise · `batch_all_triplet_loss`** · ●●● · 25 minutes · 4 points
#
# Take `embeddings` $(B, E)$, `labels` $(B,)$ and `margin`. Return a tuple: the sum of the losses of all valid
# triplets, and how many of them are above zero, as an `int`. No mean: the plain sum. Never hold $(B, B, B)$ or
# $(P, B)$ numbers.
# Sorted negatives and their prefix sums do it, and autograd passes through both. `torch.searchsorted` takes a sorted
# table and bisects each row.

# %% exercise="batch_all_triplet_loss"
def batch_all_triplet_loss(embeddings, labels, margin):
    """Return (Σ max(0, d_ap − d_an + margin) over all triplets, how many are above zero)."""
    ### BEGIN SOLUTION
    distances = pairwise_squared_distances(embeddings)
    same = labels[:, None] == labels[None, :]
    ordered = distances.masked_fill(same, torch.inf).sort(dim=1).values  # negatives, closest first
    sums = F.pad(ordered.masked_fill(ordered.isinf(), 0).cumsum(dim=1), (1, 0))  # entry c: the c closest
    limits = distances + margin
    closer = torch.searchsorted(ordered.detach(), limits.detach())
    losses = closer * limits - sums.gather(1, closer)
    positive = same.clone().fill_diagonal_(False)
    return losses[positive].sum(), int(closer[positive].sum())
    ### END SOLUTION

# %% check="batch_all_triplet_loss"

# %% study=true
owner = torch.arange(12).repeat_interleave(5)
spreads = np.linspace(0.05, 2, 25)
shares, means = [], []
for spread in spreads:
    draw = torch.Generator().manual_seed(3)
    rows = torch.randn(12, 8, generator=draw)[owner] + spread * torch.randn(60, 8, generator=draw)
    total, above = batch_all_triplet_loss(F.normalize(rows), owner, 0.2)
    shares.append(above / count_triplets(owner))
    means.append([float(total) / count_triplets(owner), float(total) / max(above, 1)])
figure, axis = plt.subplots(figsize=(5.4, 2.8))
axis.plot(spreads, shares, "k", label="share of active triplets")
axis.plot(spreads, np.array(means)[:, 0], "C0", label="mean loss of all")
axis.plot(spreads, np.array(means)[:, 1], "C1", label="mean loss of the active")
axis.set(title="All triplets of 12 classes of 5", xlabel="spread within a class", ylabel="share, or loss", ylim=(0, 1.2))
axis.legend()
plt.show()
print(f"spread {spreads[6]:.2f}: {shares[6]:.1%} active, mean of all {means[6][0]:.4f}, of the active {means[6][1]:.3f}")

# %% [markdown]
# *Figure 7. As classes tighten (to the left) ever fewer triplets are active. At a spread of 0.54 only 8.7 % are:
# the mean over all is 0.04, the mean over the active ones 0.45. Say which denominator you use.*
#
# ## 9. And the hardest of all?
#
# Why not take what violates most? *Batch hard* takes per anchor the farthest positive and the closest negative:
#
# $$p^*=\arg\max_{p} d_{ap},\qquad n^*=\arg\min_{n} d_{an}$$
#
# "Hardest" is not "hard": in a good model even the closest negative is beyond the positive.

# %%
to_positives, to_negatives = {1: 0.4, 4: 0.9}, {2: 1.1, 3: 0.7, 5: 2.0}
print("farthest positive:", max(to_positives, key=to_positives.get), " closest negative:",
      min(to_negatives, key=to_negatives.get))

# %% [markdown]
# **Exercise · `mine_hardest`** · ●●○ · 10 minutes · 2 points
#
# Take `embeddings` $(B, E)$ and `labels` $(B,)$, return $(T, 3)$ integers, one row $(a, p^*, n^*)$ per anchor, sorted by
# anchor. Ties go to the lowest index. Anchors without a positive or without a negative are left out; without any
# the shape is $(0, 3)$.

# %% exercise="mine_hardest"
def mine_hardest(embeddings, labels):
    """Return each anchor's farthest positive and closest negative: (B, E), (B,) -> (T, 3) rows (a, p, n)."""
    ### BEGIN SOLUTION
    distances = pairwise_squared_distances(embeddings.detach())
    same = labels[:, None] == labels[None, :]
    positive = same.clone().fill_diagonal_(False)
    farthest = distances.masked_fill(~positive, -torch.inf).argmax(dim=1)
    closest = distances.masked_fill(same, torch.inf).argmin(dim=1)
    anchors = (positive.any(dim=1) & ~same.all(dim=1)).nonzero()[:, 0]
    return torch.stack([anchors, farthest[anchors], closest[anchors]], dim=1)
    ### END SOLUTION

# %% check="mine_hardest"

# %% study=true
hardest = mine_hardest(pixels, train_labels[:50])
figure, axis = plt.subplots(figsize=(3.9, 3.3))
for triplets, name, colour in ((hardest, "hardest", "C3"), (chosen, "semi-hard", "C2")):
    a, p, n = triplets.T
    axis.plot(table[a, p], table[a, n], ".", color=colour, label=name)
axis.axline((0, 0), slope=1, color="k", lw=0.8)
axis.axline((0, 0.2), slope=1, color="k", lw=0.8, ls=":")
axis.set(title="Two ways to choose, raw pixels", xlabel=r"$d_{ap}$", ylabel=r"$d_{an}$", xlim=(0, 2), ylim=(0, 2))
axis.legend()
plt.show()
a, p, n = hardest.T
print(f"hardest: mean d_ap {table[a, p].mean():.2f}, mean d_an {table[a, n].mean():.2f}")

# %% [markdown]
# *Figure 8. Semi-hard triplets (green) lie between the line of equality and the margin (dotted). The hardest (red) lie
# far below: with mean distances of 1.51 and 0.81 their loss is far above the margin. Keep that in mind for section 13.*
#
# ## 10. What goes into a batch?
#
# Random images would hardly contain a pair. So draw $P$ identities, then $K$ images of each.

# %%
drawn = torch.randint(1000, (30,), generator=torch.Generator().manual_seed(0))
print("30 random labels of 1000:", 30 - len(drawn.unique()), "repeats")

# %% [markdown]
# **Exercise · `sample_identity_batch`** · ●●○ · 10 minutes · 2 points
#
# Take `labels` $(n,)$, `num_identities` $P$, `per_identity` $K$ and `rng`, a `torch.Generator`. Return
# positions $(P\cdot K,)$: $P$ different identities drawn uniformly, one after another, and of each $K$ different images
# drawn uniformly, all by `rng` alone. Labels with fewer than $K$ images are never drawn. Raise `ValueError` where
# fewer than $P$ are left.

# %% exercise="sample_identity_batch"
def sample_identity_batch(labels, num_identities, per_identity, rng):
    """Return positions (P·K,) of K random images of each of P random identities, identity by identity."""
    ### BEGIN SOLUTION
    identities, counts = labels.unique(return_counts=True)
    enough = identities[counts >= per_identity]
    if len(enough) < num_identities:
        raise ValueError(f"{len(enough)} identities have {per_identity} images; {num_identities} are asked for")
    chosen = enough[torch.randperm(len(enough), generator=rng)[:num_identities]]
    batch = []
    for identity in chosen:
        images = (labels == identity).nonzero()[:, 0]
        batch.append(images[torch.randperm(len(images), generator=rng)[:per_identity]])
    return torch.cat(batch)
    ### END SOLUTION

# %% check="sample_identity_batch"

# %% study=true
batch = sample_identity_batch(train_labels, 4, 6, torch.Generator().manual_seed(8))
figure, axes = plt.subplots(4, 6, figsize=(4.2, 3))
for axis, at in zip(axes.flat, batch, strict=True):
    axis.imshow(train_images[at], cmap="gray_r")
    axis.set(xticks=[], yticks=[])
for strip, at in zip(axes, batch[::6], strict=True):
    strip[0].set_ylabel(f"U+{train_labels[at]:04X}", fontsize=7)
figure.suptitle("A batch of 4 identities, 6 images each")
plt.show()

# %% [markdown]
# *Figure 9. Your batch, one identity per row, no image twice.*
#
# ## 11. How good is an embedding?
#
# Accept a pair as "same" if its distance is at most a threshold $d$. FaceNet counts two shares:
#
# $$\mathrm{VAL}(d)=\frac{\text{same pairs with } D\le d}{\text{same pairs}},\qquad
# \mathrm{FAR}(d)=\frac{\text{different pairs with } D\le d}{\text{different pairs}}$$

# %%
same_pairs, different_pairs = [0.1, 0.3, 0.8], [0.4, 0.9, 1.1, 1.5]
for d in (0.3, 0.4, 0.8):
    val = sum(x <= d for x in same_pairs) / len(same_pairs)
    far = sum(x <= d for x in different_pairs) / len(different_pairs)
    print(f"d = {d}: VAL {val:.2f}, FAR {far:.2f}")

# %% [markdown]
# **Exercise · `validation_rate`** · ●●○ · 15 minutes · 3 points
#
# Take `same_distances`, `different_distances` (vectors) and `far_target`. Return a tuple `(threshold, val, far)` of
# numbers: the best VAL whose FAR is at most the target. Any threshold that accepts just those pairs is right. If even
# accepting the closest pair of all is too much, `val` and `far` are 0, and the threshold accepts nothing.

# %% exercise="validation_rate"
def validation_rate(same_distances, different_distances, far_target):
    """Return (threshold, val, far) with the best VAL at a FAR of at most `far_target`."""
    ### BEGIN SOLUTION
    same, different = same_distances.sort().values, different_distances.sort().values
    far = torch.searchsorted(different, same, right=True).double() / len(different)  # at each same distance
    allowed = (far <= far_target).nonzero()[:, 0]
    if len(allowed) == 0:
        return -1.0, 0.0, 0.0
    last = allowed[-1]
    threshold = same[last].item()
    return threshold, (same <= threshold).double().mean().item(), far[last].item()
    ### END SOLUTION

# %% check="validation_rate"

# %% study=true
def unseen_distances(embed):
    """Return the distances of all same pairs and of all different pairs of the test images."""
    upper = torch.triu_indices(len(test_labels), len(test_labels), 1).unbind()
    with torch.no_grad():
        apart = pairwise_squared_distances(embed(test_images))[upper]
    equal = (test_labels[:, None] == test_labels[None, :])[upper]
    return apart[equal], apart[~equal]


def raw_pixels(images):
    """Return the pixels as unit rows."""
    return F.normalize(images.flatten(1))


same_raw, different_raw = unseen_distances(raw_pixels)
print(f"{len(same_raw)} same pairs, {len(different_raw)} different pairs")
for target in (1e-3, 1e-2, 1e-1):
    threshold, val, far = validation_rate(same_raw, different_raw, target)
    print(f"raw pixels, FAR {far:.4f}: threshold {threshold:.2f}, VAL {val:.3f}")

# %% [markdown]
# That is what has to be beaten: raw pixels recognise 14 % of the same pairs if one different pair in a hundred may
# slip through.
#
# ## 12. Now train
#
# The network is small: three convolutions of stride 2, one linear layer to $E$ outputs, rows scaled to length one.
# `make_network` draws its weights from your generator, so that a seed decides everything.

# %%
class Network(torch.nn.Module):
    """Three strided convolutions: images (B, 24, 24) -> unit rows (B, dim)."""

    def __init__(self, dim=32):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 5, stride=2, padding=2),  # (B, 16, 12, 12)
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),  # (B, 32, 6, 6)
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 64, 3, stride=2, padding=1),  # (B, 64, 3, 3)
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(576, dim),
        )

    def forward(self, images):
        return F.normalize(self.body(images[:, None]), dim=1)


def make_network(dim, rng):
    """Return a network whose weights are drawn with `rng`, a torch.Generator."""
    network = Network(dim)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            bound = (6 / parameter[0].numel()) ** 0.5
            torch.nn.init.uniform_(parameter, -bound, bound, generator=rng)
        else:
            torch.nn.init.zeros_(parameter)
    return network


print(sum(parameter.numel() for parameter in Network().parameters()), "parameters")

# %% [markdown]
# Mining chooses among the batch's rows, the loss is made of the chosen ones alone. Indexing with a repeated position is
# fine: autograd adds the gradients up.

# %%
row = torch.zeros(3, requires_grad=True)
row[torch.tensor([0, 2, 2])].sum().backward()
print("gradient of row[[0, 2, 2]].sum():", row.grad.tolist())

# %% [markdown]
# **Exercise · `train_embedding`** · ●●● · 30 minutes · 5 points
#
# Take `images` $(n, 24, 24)$ in $[0, 1]$, `labels` $(n,)$ and `rng`; return a callable from images to unit rows
# $(B, E)$. The check trains on 600 characters and asks for VAL at FAR 0.01 on 200 others: 0.80 or more (raw pixels:
# 0.13). That takes some ten seconds; after 240 it is stopped.
#
# One step: a batch of 30 × 6, its rows, their triplets, the loss, Adam. The loss is the mean over the triplets; skip a
# step that has none. 800 steps do, while the rate falls in a line from 0.008 to 0. The paper too lowers its rate at
# the end.
#
# The other arguments are for the studies: `choose(rows, labels)` gives the triplets (if None, semi-hard with margin
# 0.2), then $E$ and the steps.

# %% exercise="train_embedding"
def train_embedding(images, labels, rng, choose=None, dim=32, steps=800):
    """Train on (n, 24, 24) images with (n,) labels; return a callable from images to unit rows (B, dim)."""
    ### BEGIN SOLUTION
    network = make_network(dim, rng)
    optimiser = torch.optim.Adam(network.parameters(), lr=8e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1, 0, total_iters=steps)
    for _ in range(steps):
        batch = sample_identity_batch(labels, 30, 6, rng)
        rows = network(images[batch])
        triplets = choose(rows.detach(), labels[batch]) if choose else mine_semi_hard(rows, labels[batch], 0.2)
        if len(triplets):
            a, p, n = (rows[role] for role in triplets.T)
            excess = (a - p).square().sum(dim=1) - (a - n).square().sum(dim=1) + 0.2
            optimiser.zero_grad()
            (excess.relu().sum() / len(triplets)).backward()
            optimiser.step()
            schedule.step()
    return network
    ### END SOLUTION

# %% check="train_embedding"

# %% study=true
embed = train_embedding(train_images, train_labels, torch.Generator().manual_seed(0))
same_new, different_new = unseen_distances(embed)
figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.8), sharey=True)
for axis, same, different, name in ((axes[0], same_raw, different_raw, "raw pixels"),
                                    (axes[1], same_new, different_new, "your embedding")):
    bins = np.linspace(0, 4, 81)
    axis.hist(same, bins, density=True, alpha=0.6, label="same character")
    axis.hist(different, bins, density=True, alpha=0.6, label="different characters")
    threshold, val, far = validation_rate(same, different, 0.01)
    axis.axvline(threshold, color="k", lw=0.8)
    axis.set(title=f"{name}: VAL {val:.2f} at FAR 0.01", xlabel="squared distance")
    print(f"{name}: threshold {threshold:.2f}, VAL {val:.3f}")
axes[0].set(ylabel="density")
axes[0].legend()
plt.show()

# %% [markdown]
# *Figure 10. Distances between characters that training never showed. The line is the threshold at FAR 0.01. To its
# left lie 14 % of the same pairs (blue) on raw pixels, and 87 % with your embedding.*
#
# ## 13. Does it matter which triplets you choose?
#
# Four rules, the same network, 300 steps and three seeds each. "Random" gives every pair one negative blindly. "All
# active" draws up to 1000 of the triplets with a loss.

# %% study=true
def random_negatives(rows, labels):
    """Return one random negative for every anchor–positive pair."""
    pairs = anchor_positive_pairs(labels)
    others = (labels[pairs[:, 0], None] != labels[None, :]).double()
    return torch.cat([pairs, torch.multinomial(others, 1, generator=dice)], dim=1)


def all_active(rows, labels):
    """Return up to 1000 random ones of the triplets that have a loss."""
    d, pairs = pairwise_squared_distances(rows), anchor_positive_pairs(labels)
    limits = d[pairs[:, 0], pairs[:, 1]][:, None] + 0.2
    which, n = ((d[pairs[:, 0]] < limits) & (labels[pairs[:, 0], None] != labels[None, :])).nonzero().T
    kept = torch.randperm(len(which), generator=dice)[:1000]
    return torch.cat([pairs[which[kept]], n[kept][:, None]], dim=1)


dice = torch.Generator().manual_seed(77)
def unseen_val(model):
    """Return VAL at FAR 0.01 on the test characters."""
    return validation_rate(*unseen_distances(model), 0.01)[1]


def three_seeds(train):
    """Return the test VALs of what `train` returns for the seeds 0, 1 and 2, and print mean and deviation."""
    vals = [unseen_val(train(seed)) for seed in range(3)]
    print(f"{np.mean(vals):.3f} ± {np.std(vals, ddof=1):.3f}")
    return vals


def with_rule(rule):
    """Return a function that trains 300 steps on the triplets that a rule chooses."""

    def train(seed):
        return train_embedding(train_images, train_labels, torch.Generator().manual_seed(seed), choose=rule, steps=300)

    return train


rules = {"semi-hard": None, "all active": all_active, "random": random_negatives, "hardest": mine_hardest}
scores = {}
for name, rule in rules.items():
    print(f"{name:10s} VAL at FAR 0.01: ", end="")
    scores[name] = three_seeds(with_rule(rule))
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.bar(list(scores), [np.mean(s) for s in scores.values()], yerr=[np.std(s, ddof=1) for s in scores.values()],
         capsize=4)
axis.axhline(validation_rate(same_raw, different_raw, 0.01)[1], color="k", ls=":", label="raw pixels")
axis.set(title="Which triplets to learn from (300 steps, 3 seeds)", ylabel="VAL at FAR 0.01")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 11. Means and standard deviations. Semi-hard reaches 0.77, all active 0.71, random 0.52. The hardest,
# from the start, end at 0.11, below raw pixels. Let us watch one such run.*

# %% study=true
def watched(rule, log):
    """Return a rule that also notes the mean d_ap, the mean d_an and the mean loss of its triplets."""

    def choose(rows, labels):
        triplets = rule(rows, labels)
        a, p, n = rows[triplets.T]
        d_ap, d_an = (a - p).square().sum(dim=1), (a - n).square().sum(dim=1)
        log.append([d_ap.mean().item(), d_an.mean().item(), (d_ap - d_an + 0.2).relu().mean().item()])
        return triplets

    return choose


figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.8), sharey=True)
for axis, (name, rule) in zip(axes, {"hardest": mine_hardest,
                                     "semi-hard": lambda f, y: mine_semi_hard(f, y, 0.2)}.items(), strict=True):
    log = []
    train_embedding(train_images, train_labels, torch.Generator().manual_seed(0), choose=watched(rule, log), steps=400)
    for curve, label in zip(np.array(log).T, ("mean $d_{ap}$", "mean $d_{an}$", "mean loss"), strict=True):
        axis.plot(curve, label=label)
    axis.axhline(0.2, color="k", ls=":", lw=0.8)
    axis.set(title=f"{name}, from the start", xlabel="step")
    print(f"{name}: last d_ap {log[-1][0]:.4f}, d_an {log[-1][1]:.4f}, loss {log[-1][2]:.4f}")
axes[0].set(ylabel="squared distance, or loss")
axes[1].legend()
plt.show()

# %% [markdown]
# *Figure 12. Left: with the hardest triplets both distances fall to 0.0000, and the loss comes to rest at 0.2000,
# the margin (dotted). All characters have become one point. Right: semi-hard training keeps them apart.*

# %% [markdown] written="explain_collapse"
# **Written · `explain_collapse`** · ●●○ · 15 minutes · 2 points
#
# Explain figure 12's left half with the numbers of your own run. What does the loss read at the end, and why just
# that? Why does choosing the hardest triplets from the start send $f$ to one point, and why does training not leave it
# again? The paper writes $f(x)=0$: what is it on the sphere?

# %% [markdown]
# **What would happen if** the hardest came later? Start semi-hard, and change over when distances mean something.

# %% study=true
def semi_hard_then_hardest(change_at):
    """Return a rule that is semi-hard for some steps and takes the hardest after."""
    count = iter(range(10**9))
    return lambda f, y: mine_semi_hard(f, y, 0.2) if next(count) < change_at else mine_hardest(f, y)


for change_at in (0, 50, 200):
    model = train_embedding(train_images, train_labels, torch.Generator().manual_seed(0),
                            choose=semi_hard_then_hardest(change_at), steps=400)
    apart = unseen_distances(model)[1].mean()
    print(f"hardest from step {change_at:3d}: VAL {unseen_val(model):.3f}, mean distance of different ones {apart:.3f}")

# %% [markdown]
# After 50 steps it is too early: distances fall to 0.001 all the same. After 200 the network goes on learning:
# VAL 0.79, different characters 1.35 apart. These are single runs: an illustration, no measurement.
#
# ## 14. Are the labels right?
#
# Without merging, Latin A and Greek Alpha are two identities. Then the hardest negatives *are* mislabelled positives.
# Look at the false accepts with the smallest distances.

# %% study=true
noisy_images, noisy_labels = some_characters(TEST, 500, 3, seed=4, label="code_points")
with torch.no_grad():
    apart = pairwise_squared_distances(embed(noisy_images))
apart[noisy_labels[:, None] <= noisy_labels[None, :]] = torch.inf
closest = apart.flatten().argsort()[:100].tolist()
noisy_labels = noisy_labels.tolist()
figure, axes = plt.subplots(2, 8, figsize=(8.2, 2.5))
merged = dict(zip(glyphs["code_points"].tolist(), glyphs["identities"].tolist(), strict=True))
for column, flat in zip(axes.T, closest[:8], strict=True):
    for axis, at in zip(column, divmod(flat, len(noisy_labels)), strict=True):
        axis.imshow(noisy_images[at], cmap="gray_r")
        axis.set(xticks=[], yticks=[], xlabel=f"U+{noisy_labels[at]:04X}")
figure.suptitle("The eight closest pairs with different code points")
plt.show()
twins = [merged[noisy_labels[i]] == merged[noisy_labels[j]]
         for i, j in (divmod(flat, len(noisy_labels)) for flat in closest)]
look, own = torch.tensor([merged[label] for label in noisy_labels]), torch.tensor(noisy_labels)
share = (look[:, None] == look).double().mean() - (own[:, None] == own).double().mean()
print(f"of the 100 closest such pairs {sum(twins)} are homoglyphs; of all such pairs {share:.4%}")

# %% [markdown]
# *Figure 13. Several of the worst "errors" are label noise: nobody could tell A from Alpha. Of all such pairs
# 0.03 % are homoglyphs, of the 100 closest 20 %. The others are near twins. Does the noise harm training?*

# %% study=true
noisy_images, noisy_labels = some_characters(TRAINING, 600, 10, seed=1, label="code_points")
print("unmerged: VAL ", end="")
three_seeds(lambda seed: train_embedding(noisy_images, noisy_labels, torch.Generator().manual_seed(seed), steps=300))
print(f"merged:   VAL {np.mean(scores['semi-hard']):.3f} ± {np.std(scores['semi-hard'], ddof=1):.3f}")

# %% [markdown]
# Not so that one could see it: 0.767 ± 0.011 unmerged, 0.765 ± 0.006 merged. In a batch of 30 characters a
# homoglyph pair is rare, and semi-hard mining passes over negatives nearer than the positive. But an honest test
# needs merged labels.
#
# ## 15. How large should the embedding be?
#
# FaceNet's table 5 has VAL at FAR 10⁻³ for four sizes: 64: 86.8 ± 1.7, 128: 87.9 ± 1.9, 256: 87.7 ± 1.9,
# 512: 85.6 ± 2.0. The paper calls the differences insignificant. And here?

# %% study=true
def study(settings, run):
    """Return the mean and the standard deviation of VAL over three seeds for each setting."""
    rows = []
    for setting in settings:
        print(f"{setting:5d}: VAL ", end="")
        vals = three_seeds(lambda seed, setting=setting: run(setting, seed))
        rows.append([np.mean(vals), np.std(vals, ddof=1)])
    return np.array(rows)


def of_size(dim, seed):
    """Train an embedding of that many dimensions."""
    return train_embedding(train_images, train_labels, torch.Generator().manual_seed(seed), dim=dim, steps=300)


sizes = [2, 8, 32, 128]
by_size = study(sizes, of_size)
paper_sizes, paper_vals, paper_errors = [64, 128, 256, 512], [86.8, 87.9, 87.7, 85.6], [1.7, 1.9, 1.9, 2.0]
figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.7))
axes[0].errorbar(sizes, 100 * by_size[:, 0], 100 * by_size[:, 1], fmt="o-", ms=3, capsize=3)
axes[1].errorbar(paper_sizes, paper_vals, paper_errors, fmt="s", ms=3, capsize=3, color="C1")
axes[0].set(title="glyphs, 300 steps, 3 seeds", xlabel="embedding size E", ylabel="VAL at FAR 0.01, %", xscale="log",
            ylim=(0, 100))
axes[1].set(title="FaceNet, table 5", xlabel="embedding size E", ylabel="VAL at FAR 0.001, %", xscale="log",
            ylim=(0, 100))
for axis, ticks in zip(axes, (sizes, paper_sizes), strict=True):
    axis.set_xticks(ticks, ticks)
    axis.minorticks_off()
plt.show()

# %% [markdown]
# *Figure 14. Left ours, right the paper's. Two dimensions are far too few (0.04), eight reach 0.63. From 32 to
# 128 the gain is within the error bars: 0.765 ± 0.006 and 0.771 ± 0.011. That carries over: beyond some size,
# neighbours hardly differ. What does not: where that begins, and the level.*
#
# ## 16. How much data is enough?
#
# Table 6: 2.6 M images 76.3, 26 M 85.1, 52 M 85.1, 260 M 86.2. All were trained equally long, 700 hours. We keep the
# steps equal, and vary the number of characters.

# %% study=true
amounts = [40, 150, 600, 1500]


def with_characters(count, seed):
    """Train on that many characters, other ones for each seed."""
    images, labels = some_characters(TRAINING, count, 10, seed=10 + seed)
    return train_embedding(images, labels, torch.Generator().manual_seed(seed), steps=300)


by_amount = study(amounts, with_characters)
figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.7))
axes[0].errorbar(amounts, 100 * by_amount[:, 0], 100 * by_amount[:, 1], fmt="o-", ms=3, capsize=3)
axes[1].plot([2.6, 26, 52, 260], [76.3, 85.1, 85.1, 86.2], "s", color="C1")
axes[0].set(title="glyphs, 300 steps, 3 seeds", xlabel="characters in training", ylabel="VAL at FAR 0.01, %",
            xscale="log", ylim=(0, 100))
axes[1].set(title="FaceNet, table 6", xlabel="images in training, millions", ylabel="VAL, %", xscale="log",
            ylim=(0, 100))
for axis, ticks in zip(axes, (amounts, [2.6, 26, 52, 260]), strict=True):
    axis.set_xticks(ticks, ticks)
    axis.minorticks_off()
plt.show()

# %% [markdown]
# *Figure 15. Ours tapers as the paper's does: 0.202, 0.515, 0.759, 0.781. Its last step is small, but more than the
# error bars. The shape carries over; where it bends does not. Both mix two things: with more data each image is seen
# less often in the same time.*
#
# ## 17. Can a new model live beside the old one?
#
# A service holds embeddings of an old model, and the images are gone. New embeddings that can't be compared with
# them would be useless. FaceNet's *harmonic* training mixes both versions in its triplets.

# %% study=true
figure, axis = plt.subplots(figsize=(4.6, 2.5))
for place, name, colour, marker in (((0, 0), "anchor, new", "C0", "o"), ((0.55, 0.35), "positive, new", "C2", "o"),
                                    ((0.7, -0.3), "positive, old", "C2", "s"), ((1.2, 0.3), "negative, new", "C3", "o"),
                                    ((0.95, -0.55), "negative, old", "C3", "s")):
    axis.plot(*place, marker, color=colour, ms=10)
    axis.annotate(name, place, xytext=(8, 5), textcoords="offset points", fontsize=8)
axis.set(title="Slots of a harmonic triplet", xlim=(-0.2, 1.8), ylim=(-0.8, 0.7), xlabel="first component",
         ylabel="second component")
plt.show()

# %% [markdown]
# *Figure 16. The anchor is new. Positive and negative may be new (round) or old (square); old ones are frozen.*
#
# With $d(v, j)=\lVert f_{\text{new}}(x_a)-f_v(x_j)\rVert^2$ for version $v$ (0 old, 1 new), each $(a, p, v)$ asks for the
# closest $(w, n)$ with $d(v,p)<d(w,n)<d(v,p)+\alpha$.

# %%
versions = {("old", "p"): 0.5, ("new", "n1"): 0.45, ("old", "n1"): 0.68, ("old", "n2"): 0.62}
within = {key: d for key, d in versions.items() if key[1] != "p" and 0.5 < d < 0.7}
print("for the old positive at 0.5:", min(within, key=within.get))

# %% [markdown]
# **Exercise · `harmonic_triplets`** · ●●● · 20 minutes · 3 points
#
# Take `old_embeddings`, `new_embeddings` $(B, E)$, `labels` $(B,)$, `margin`. Return $(T, 5)$ integers
# $(a, p, n, v_p, v_n)$, versions 0 old and 1 new, sorted by $(a, p, v_p)$. Anchors are new. Positives are other
# images of the identity, in each version: an image's own old embedding is none. The negative is the closest
# semi-hard one of both versions together; ties: lowest index, then old. None, no row.

# %% exercise="harmonic_triplets"
def harmonic_triplets(old_embeddings, new_embeddings, labels, margin):
    """Return rows (a, p, n, p_version, n_version) of semi-hard triplets across versions, (T, 5)."""
    ### BEGIN SOLUTION
    everything = torch.stack(as_floats(old_embeddings, new_embeddings), dim=1).detach()  # (B, 2, E)
    triplets = [torch.zeros(0, 5, dtype=torch.long)]
    for a, anchor in enumerate(everything[:, 1]):
        distances = (everything - anchor).square().sum(dim=2)  # (B, 2)
        same = labels == labels[a]
        ordered, order = distances[~same].flatten().sort(stable=True)  # index first, old before new
        others = (~same).nonzero()[:, 0]
        same[a] = False
        near = distances[same].flatten()  # of each positive: old, new
        at = torch.searchsorted(ordered, near, right=True)
        found = F.pad(ordered, (0, 1), value=torch.inf)[at] < near + margin
        p, version = same.nonzero().repeat_interleave(2), torch.arange(len(near)) % 2
        slot = order[at[found]]
        columns = [torch.full_like(slot, a), p[found], others[slot // 2], version[found], slot % 2]
        triplets.append(torch.stack(columns, dim=1))
    return torch.cat(triplets)
    ### END SOLUTION

# %% check="harmonic_triplets"

# %% study=true
def train_harmonic(old, images, labels, seed, steps=300):
    """Train a new network whose rows can be compared with those of the frozen callable `old`."""
    draw = torch.Generator().manual_seed(100 + seed)
    fresh = make_network(32, draw)
    adam = torch.optim.Adam(fresh.parameters())
    with torch.no_grad():
        frozen = old(images)
    for step in range(steps):
        adam.param_groups[0]["lr"] = 8e-3 * (1 - step / steps)
        at = sample_identity_batch(labels, 20, 5, draw)
        both = torch.stack([frozen[at], fresh(images[at])])  # the old ones carry no gradient
        a, p, n, vp, vn = harmonic_triplets(both[0], both[1], labels[at], 0.2).T
        slots = both[1, a], both[vp, p], both[vn, n]
        adam.zero_grad()
        (F.pairwise_distance(*slots[:2]) ** 2 - F.pairwise_distance(slots[0], slots[2]) ** 2 + 0.2).relu().mean().backward()
        adam.step()
    return fresh


def cross_val(query, gallery):
    """Return VAL at FAR 0.01 of all pairs of different images, one embedded by each callable."""
    with torch.no_grad():
        apart = torch.cdist(query(test_images), gallery(test_images)) ** 2
    mixed = ~torch.eye(len(apart), dtype=torch.bool)
    equal = test_labels[:, None] == test_labels[None, :]
    return validation_rate(apart[equal & mixed], apart[~equal], 0.01)[1]


harmony = {"old with old": [], "new with new": [], "old with new": [], "harmonic with harmonic": [],
           "old with harmonic": []}
models = []
for seed in range(3):
    old = train_embedding(train_images, train_labels, torch.Generator().manual_seed(50 + seed), steps=100)
    new = train_embedding(train_images, train_labels, torch.Generator().manual_seed(seed), steps=300)
    tuned = train_harmonic(old, train_images, train_labels, seed)
    models.append(new)
    for name, pair in zip(harmony, ((old, old), (new, new), (old, new), (tuned, tuned), (old, tuned)), strict=True):
        harmony[name].append(cross_val(*pair))
figure, axis = plt.subplots(figsize=(6.2, 2.5))
axis.barh(list(harmony), [np.mean(v) for v in harmony.values()], xerr=[np.std(v, ddof=1) for v in harmony.values()],
          capsize=3, color=["C0", "C1", "C3", "C2", "C2"])
axis.invert_yaxis()
axis.set(title="Which versions can be compared?", xlabel="VAL at FAR 0.01 (old 100 steps, new 300; 3 seeds)")
plt.show()
for name, vals in harmony.items():
    print(f"{name:23s} {np.mean(vals):.3f} ± {np.std(vals, ddof=1):.3f}")

# %% [markdown]
# *Figure 17. Two models trained apart share no coordinates: old with new is chance, 0.01. Old with harmonic has
# 0.44 ± 0.02, no less than old with old, 0.42 ± 0.02. It lies below new with new, 0.77, as in the paper's figure 8:
# that carries over. The price: harmonic with harmonic has but 0.59. The paper starts from a trained network with a
# fresh last layer; we start from nothing.*
#
# ## 18. Do characters fall into clusters?
#
# FaceNet clusters a photo album. We join groups whose mean distance is below the threshold at FAR 0.01.

# %% study=true
def agglomerate(d, limit):
    """Join the two groups with the least mean distance until it passes the limit; return each image's group."""
    mean, sizes, group = d.copy(), np.ones(len(d)), np.arange(len(d))
    np.fill_diagonal(mean, np.inf)
    while mean.min() <= limit:
        i, j = np.unravel_index(mean.argmin(), mean.shape)
        joined = (sizes[i] * mean[i] + sizes[j] * mean[j]) / (sizes[i] + sizes[j])
        joined[[i, j]] = np.inf
        mean[i], mean[:, i] = joined, joined
        mean[j], mean[:, j] = np.inf, np.inf
        sizes[i] += sizes[j]
        group[group == j] = i
    return np.unique(group, return_inverse=True)[1]


def clusters(model, images):
    """Return each image's cluster, at the model's own threshold for FAR 0.01."""
    threshold = validation_rate(*unseen_distances(model), 0.01)[0]
    with torch.no_grad():
        apart = pairwise_squared_distances(model(images))
    return agglomerate(apart.numpy(), threshold)


album, names = some_characters(TEST, 8, 8, seed=6)
found = clusters(embed, album)
figure, axes = plt.subplots(8, 8, figsize=(5.2, 6.2))
for strip, images, numbers in zip(axes, album.reshape(8, 8, 24, 24), found.reshape(8, 8), strict=True):
    for axis, at in zip(strip, np.argsort(numbers, kind="stable"), strict=True):
        axis.imshow(images[at], cmap="gray_r")
        axis.set(xticks=[], yticks=[])
        axis.set_title(numbers[at], fontsize=7, pad=2)
        axis.spines[:].set(color=f"C{numbers[at] % 10}", linewidth=2.5)
figure.suptitle("Clusters of 8 unseen characters (rows)")
plt.show()

large, names = some_characters(TEST, 40, 8, seed=7)
counts, pure = [], []
for model in models:
    numbers = clusters(model, large)
    counts.append(len(np.unique(numbers)))
    pure.append(sum(np.unique(names[numbers == k], return_counts=True)[1].max() for k in np.unique(numbers)) / len(names))
print(f"figure: {len(np.unique(found))} clusters for 8 characters")
print(f"40 characters, 3 models: {np.mean(counts):.0f} ± {np.std(counts, ddof=1):.0f} clusters,"
      f" {np.mean(pure):.1%} ± {np.std(pure, ddof=1):.1%} of the images in their cluster's majority")

# %% [markdown]
# *Figure 18. Frames and numbers are clusters, found without labels. The threshold splits 8 characters into 9
# clusters and mixes none. With 40 characters, over three models, 69 ± 2 clusters hold 94 % of the images in
# their majority. The paper shows one album without a number; that clusters are pure carries over, one cluster for
# a person does not.*
#
# ## Summary
#
# - A batch of identities holds all its anchor–positive pairs. One table of distances is enough to mine them.
# - Semi-hard is a band, strict at both ends. Ask which rule, which distance and which denominator is meant.
# - The hardest triplets from the start collapse $f$ to a point: the loss reads the margin.
# - Judge on unseen identities, over several seeds, with error bars, and look at the labels.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Schroff, Kalenichenko and Philbin 2015](https://arxiv.org/abs/1503.03832), FaceNet.
# [Hermans, Beyer and Leibe 2017](https://arxiv.org/abs/1703.07737) made batch-hard work, with larger batches and other
# losses. [Wu et al. 2017](https://arxiv.org/abs/1706.07567) explain why sampling matters.
#
# **Where it lives today.** Text and image retrieval train on hard negatives that an earlier model has mined. CLIP-like
# losses take all of a batch's negatives at once and weigh them softly. Backward-compatible embeddings are FaceNet's
# harmonic ones under a newer name. Lesson 06 reads the rest of the paper.
