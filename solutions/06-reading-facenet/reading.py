# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Reading FaceNet, and checking the machine
#
# When you have finished this notebook you will be able to
#
# - count a network's parameters and multiply-adds from a table in a paper;
# - say whether two numbers of a table differ by more than chance;
# - find the one wrong line in an answer that sounds right.
#
# It takes about three hours, two of them for the exercises, and carries 18 points. You need the paper,
# [FaceNet (2015)](https://arxiv.org/abs/1503.03832), beside you, and lessons 04 and 05 behind you.

# %% setup=true
import autograder

lesson = autograder.lesson("06-reading-facenet", track="reading")

# %% [markdown]
# After each exercise stands a check cell. Run it to see what is right and what is not yet.
#
# - `lesson.check("name", answer)` judges an answer as often as you like.
# - `lesson.hint("name")` gives the next hint, from a nudge to almost there.
# - `lesson.progress()` shows what you have passed so far.

# %%
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np

plt.rcParams.update({"figure.facecolor": "white", "figure.constrained_layout.use": True, "font.size": 9})

# %% [markdown]
# ## 1. What does the paper promise?
#
# A network $f$ turns a face $x$ into a point on the unit sphere. One threshold on squared distances then
# says whether two faces are one person.
#
# | in formulas | meaning |
# |---|---|
# | $d_{ap}=\lVert f(a)-f(p)\rVert^2$ | anchor to positive, the same person |
# | $d_{an}=\lVert f(a)-f(n)\rVert^2$ | anchor to negative, another person |
# | $\alpha=0.2$ | the margin |
# | $L=\sum\max(d_{ap}-d_{an}+\alpha,\,0)$ | the triplet loss, equation 3 |
# | VAL, FAR | share of same, of different pairs that are accepted |

# %% study=true
angles = np.linspace(0, 180, 181)
squared = 2 - 2 * np.cos(np.radians(angles))
figure, axis = plt.subplots(figsize=(5.2, 2.8))
axis.plot(angles, squared, "C0")
for threshold, where, colour in ((1.1, "its Figure 1", "C1"), (1.242, "LFW", "C3")):
    angle = math.degrees(math.acos(1 - threshold / 2))
    axis.plot([0, angle, angle], [threshold, threshold, 0], ":", color=colour, label=f"{where}: {threshold}")
    print(f"{where}: threshold {threshold} is an angle of {angle:.1f} degrees")
axis.set(title="Squared distance of two unit vectors", xlabel="angle between them, degrees",
         ylabel="squared distance", xlim=(0, 180), ylim=(0, 4))
axis.legend(title="the paper's thresholds")
plt.show()

# %% [markdown]
# *Figure 1. Squared distances on the sphere run from 0 to 4. The paper's two thresholds, 1.1 and 1.242, are
# angles of 63 and 68 degrees.*
#
# ## 2. What does a convolution cost?
#
# A paper's "22 layers, 140 million parameters, 1.6 billion FLOPS" can be checked from its tables.
# The picture is a window that slides over the image. The slow loop visits every place.

# %%
small = {"height": 7, "width": 5, "in_channels": 3, "out_channels": 4, "kernel": 3, "stride": 2}
places = 0
for _row in range(0, small["height"], small["stride"]):
    for _column in range(0, small["width"], small["stride"]):
        places += 1
window = small["kernel"] * small["kernel"] * small["in_channels"]
print(f"{places} places; one of {small['out_channels']} filters multiplies {window} numbers at each")

# %% [markdown]
# **Exercise · `convolution_cost`** · ●○○ · 10 minutes · 2 points
#
# Take six whole numbers: the image's `height` and `width`, its `in_channels`, and the filters'
# `out_channels`, `kernel` (odd, the side of a square) and `stride`. Return two ints:
#
# - parameters, with one bias per filter;
# - multiply-adds, without the biases.
#
# The image is padded, so that the output has $\lceil h/\text{stride}\rceil\times\lceil w/\text{stride}\rceil$
# places. Products with the padding count too.

# %% exercise="convolution_cost"
def convolution_cost(height, width, in_channels, out_channels, kernel, stride):
    """Return (parameters with biases, multiply-adds without them) of a padded convolution."""
    ### BEGIN SOLUTION
    out_height, out_width = -(-height // stride), -(-width // stride)
    weights = kernel * kernel * in_channels * out_channels
    return weights + out_channels, out_height * out_width * weights
    ### END SOLUTION


# %% check="convolution_cost"

# %% study=true
sides = np.arange(8, 257, 8)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.7))
for stride in (1, 2):
    at_side = [convolution_cost(side, side, 64, 64, 3, stride) for side in sides.tolist()]
    left.plot(
        sides, [cost[0] / 1e3 for cost in at_side], "--" if stride == 2 else "-", label=f"stride {stride}"
    )
    right.plot(
        sides, [cost[1] / 1e6 for cost in at_side], "--" if stride == 2 else "-", label=f"stride {stride}"
    )
    print(f"stride {stride}, 256 × 256: {at_side[-1][0]:,} parameters, {at_side[-1][1]:,} multiply-adds")
left.set(title="parameters of 3 × 3, 64 to 64", xlabel="side of the image", ylabel="thousands", ylim=(0, 50))
right.set(title="its multiply-adds", xlabel="side of the image", ylabel="millions")
left.legend(loc="lower right")
right.legend()
plt.show()

# %% [markdown]
# *Figure 2. The same layer on larger and larger images. Its 36 928 parameters never change (both lines lie
# on each other). Its multiply-adds grow with the area. Stride 2 takes a quarter of them.*
#
# **What would happen if** a $5\times5$ kernel took the place of the $3\times3$ one? And if a $1\times1$
# convolution first reduced the channels to 16, as Inception does?

# %% study=true
direct = convolution_cost(28, 28, 192, 64, 5, 1)
reduced = np.add(convolution_cost(28, 28, 192, 16, 1, 1), convolution_cost(28, 28, 16, 64, 5, 1))
print(f"5 × 5 directly:   {direct[0]:>7,} parameters, {direct[1] / 1e6:6.1f} M multiply-adds")
print(f"reduced to 16:    {reduced[0]:>7,} parameters, {reduced[1] / 1e6:6.1f} M multiply-adds")
print(f"5 × 5 over 3 × 3: {direct[1] / convolution_cost(28, 28, 192, 64, 3, 1)[1]:.2f} times the work")

# %% [markdown]
# ## 3. What does a whole network cost?
#
# A network is a list of layers, each a dictionary. The first has the kind `"input"`.
#
# | `kind` | other keys | parameters |
# |---|---|---|
# | `"input"` | `height`, `width`, `channels` | 0 |
# | `"convolution"` | `filters`, `kernel`, `stride`, `bias` | as above; no biases if `bias` is False |
# | `"pool"` | `kernel`, `stride` | 0 |
# | `"norm"` | `learned` | `learned` for each channel |
# | `"dense"` | `units`, `pieces`, `bias` | weights, and a bias per piece if `bias` is True |
# | `"branches"` | `branches`, `join` | those of all branches |

# %%
def input_layer(height, width, channels):
    return {"kind": "input", "height": height, "width": width, "channels": channels}


def convolution(filters, kernel, stride=1, bias=True):
    return {"kind": "convolution", "filters": filters, "kernel": kernel, "stride": stride, "bias": bias}


def pool(kernel, stride):
    return {"kind": "pool", "kernel": kernel, "stride": stride}


def norm(learned=0):
    return {"kind": "norm", "learned": learned}


def dense(units, pieces=1, bias=True):
    return {"kind": "dense", "units": units, "pieces": pieces, "bias": bias}


def branches(join, *paths):
    return {"kind": "branches", "join": join, "branches": list(paths)}


# %% [markdown]
# Shapes are (height, width, channels). A dense layer sees all $h\cdot w\cdot c$ numbers. With `pieces`
# $p$ (maxout) each unit is the largest of $p$ sums, each with its own weights and bias. Branches are lists of
# layers that get the same input; `"concat"` puts their channels side by side, `"add"` adds them. An empty
# branch hands its input on.

# %%
def output_shape(layer, shape):
    """Return the (height, width, channels) that a layer gives for an input of this shape."""
    if layer["kind"] == "input":
        return layer["height"], layer["width"], layer["channels"]
    if layer["kind"] == "dense":
        return 1, 1, layer["units"]
    if layer["kind"] == "branches":
        ends = []
        for path in layer["branches"]:
            end = shape
            for inner in path:
                end = output_shape(inner, end)
            ends.append(end)
        channels = sum(end[2] for end in ends) if layer["join"] == "concat" else ends[0][2]
        return ends[0][0], ends[0][1], channels
    rows, columns, channels = shape
    stride = layer.get("stride", 1)
    return math.ceil(rows / stride), math.ceil(columns / stride), layer.get("filters", channels)


print("7 × 7 convolution, stride 2:", output_shape(convolution(64, 7, 2), (220, 220, 3)))
print("two branches:", output_shape(branches("concat", [convolution(8, 1)], [pool(3, 1)]), (28, 28, 192)))

# %% [markdown]
# Here is Table 1 of the paper, NN1. Beside each layer stand the paper's own two numbers.
# Its `concat` row only reshapes, its `L2` row normalises.

# %%
NN1_TABLE = [  # Schroff et al. 2015, Table 1: name, layer, printed parameters, printed FLPS
    ("conv1", convolution(64, 7, 2), "9K", "115M"),
    ("pool1", pool(3, 2), "", ""),
    ("rnorm1", norm(), "", ""),
    ("conv2a", convolution(64, 1), "4K", "13M"),
    ("conv2", convolution(192, 3), "111K", "335M"),
    ("rnorm2", norm(), "", ""),
    ("pool2", pool(3, 2), "", ""),
    ("conv3a", convolution(192, 1), "37K", "29M"),
    ("conv3", convolution(384, 3), "664K", "521M"),
    ("pool3", pool(3, 2), "", ""),
    ("conv4a", convolution(384, 1), "148K", "29M"),
    ("conv4", convolution(256, 3), "885K", "173M"),
    ("conv5a", convolution(256, 1), "66K", "13M"),
    ("conv5", convolution(256, 3), "590K", "116M"),
    ("conv6a", convolution(256, 1), "66K", "13M"),
    ("conv6", convolution(256, 3), "590K", "116M"),
    ("pool4", pool(3, 2), "", ""),
    ("fc1", dense(4096, pieces=2), "103M", "103M"),  # 32 × 128 units, maxout p = 2
    ("fc2", dense(4096, pieces=2), "34M", "34M"),
    ("fc7128", dense(128), "524K", "0.5M"),
    ("L2", norm(), "", ""),
]
NN1 = [input_layer(220, 220, 3), *(layer for _, layer, _, _ in NN1_TABLE)]
weighted = [name for name, layer, _, _ in NN1_TABLE if layer["kind"] in ("convolution", "dense")]
print(f"{len(NN1_TABLE) + 1} rows in the paper's table, {len(weighted)} of them with weights")

# %% [markdown]
# So the "22 layers" are rows; 14 have weights. Table 2, NN2, is made of Inception modules. Each has up to
# four branches. Where a module halves the image, the 1 × 1 reductions still work on the larger one.

# %%
NN2_MODULES = [  # Table 2: name, #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool projection, stride, printed
    ("3a", 64, 96, 128, 16, 32, 32, 1, "164K", "128M"),
    ("3b", 64, 96, 128, 32, 64, 64, 1, "228K", "179M"),
    ("3c", 0, 128, 256, 32, 64, 0, 2, "398K", "108M"),
    ("4a", 256, 96, 192, 32, 64, 128, 1, "545K", "107M"),
    ("4b", 224, 112, 224, 32, 64, 128, 1, "595K", "117M"),
    ("4c", 192, 128, 256, 32, 64, 128, 1, "654K", "128M"),
    ("4d", 160, 144, 288, 32, 64, 128, 1, "722K", "142M"),
    ("4e", 0, 160, 256, 64, 128, 0, 2, "717K", "56M"),
    ("5a", 384, 192, 384, 48, 128, 128, 1, "1.6M", "78M"),
    ("5b", 384, 192, 384, 48, 128, 128, 1, "1.6M", "78M"),
]


def inception(one, reduce3, three, reduce5, five, projection, stride, with_5x5=True):
    """Return an Inception module; a number of 0 leaves that convolution out."""
    paths = [[convolution(one, 1)]] if one else []
    paths.append([convolution(reduce3, 1), convolution(three, 3, stride)])
    if with_5x5:
        paths.append([convolution(reduce5, 1), convolution(five, 5, stride)])
    paths.append([pool(3, stride), *([convolution(projection, 1)] if projection else [])])
    return branches("concat", *paths)


def nn2(side=224, dropped=()):
    """Return NN2 for square images, without the 5 × 5 branches of the modules named in `dropped`."""
    stem = [
        convolution(64, 7, 2),
        pool(3, 2),
        norm(),
        convolution(64, 1),
        convolution(192, 3),
        norm(),
        pool(3, 2),
    ]
    modules = [inception(*row[1:8], with_5x5=row[0] not in dropped) for row in NN2_MODULES]
    return [input_layer(side, side, 3), *stem, *modules, pool(7, 7), dense(128), norm()]


NN2 = nn2()
shape = None
for part in NN2[:-3]:
    shape = output_shape(part, shape)
print("NN2 hands its average pool a shape of", shape)

# %% [markdown]
# **Exercise · `network_cost`** · ●●○ · 20 minutes · 3 points
#
# Take `layers`, such a list, and return its totals as two ints, parameters and multiply-adds. Only
# convolutions and dense layers multiply; each weight of a dense layer is used once. Biases,
# pooling, norms, maxima and joining cost no multiply-adds. Use `convolution_cost` and `output_shape`. Other
# lists than these will be tried.

# %% exercise="network_cost"
def network_cost(layers):
    """Return the totals (parameters, multiply-adds) of a list of layers."""
    ### BEGIN SOLUTION
    parameters, multiply_adds, shape = 0, 0, None
    for layer in layers:
        kind = layer["kind"]
        if kind == "convolution":
            params, macs = convolution_cost(*shape, layer["filters"], layer["kernel"], layer["stride"])
            parameters += params if layer["bias"] else params - layer["filters"]
            multiply_adds += macs
        elif kind == "dense":
            weights = math.prod(shape) * layer["units"] * layer["pieces"]
            parameters += weights + (layer["units"] * layer["pieces"] if layer["bias"] else 0)
            multiply_adds += weights
        elif kind == "norm":
            parameters += layer["learned"] * shape[2]
        elif kind == "branches":
            for branch in layer["branches"]:
                params, macs = network_cost([input_layer(*shape), *branch])
                parameters, multiply_adds = parameters + params, multiply_adds + macs
        shape = output_shape(layer, shape)
    return parameters, multiply_adds
    ### END SOLUTION


# %% check="network_cost"

# %% study=true
for name, network in (("NN1", NN1), ("NN2", NN2)):
    numbers, products = network_cost(network)
    print(f"{name}: {numbers / 1e6:8.3f} M parameters, {products / 1e9:.3f} G multiply-adds")


def layer_costs(network):
    """Return what each layer adds to both totals, in millions: (layers, 2)."""
    totals = np.array([network_cost(network[: end + 1]) for end in range(len(network))])
    return np.diff(totals, axis=0) / 1e6


def draw_bars(names, costs, title):
    """Draw two rows of bars, parameters to the left and multiply-adds to the right."""
    axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True)[1]
    for axis, column, what in zip(axes, costs.T, ("parameters", "multiply-adds"), strict=True):
        axis.barh(names, column, color=["C3" if name.startswith("fc") else "C0" for name in names])
        axis.set(title=f"{title}: {what}", xlabel="millions", xlim=(0, 1.17 * column.max()))
        for place, number in enumerate(column):
            axis.text(
                number, place, f" {number:.2g}" if number < 10 else f" {number:.0f}", va="center", fontsize=7
            )
    axes[0].invert_yaxis()
    axes[0].set_ylabel("layer")
    plt.show()


# %% study=true
busy = [i for i, row in enumerate(NN1_TABLE) if row[2]]
nn1_costs = layer_costs(NN1)[busy]
draw_bars([NN1_TABLE[i][0] for i in busy], nn1_costs, "NN1")
share = nn1_costs[-3:].sum(axis=0) / nn1_costs.sum(axis=0)
print(f"fully connected layers: {share[0]:.1%} of the parameters, {share[1]:.1%} of the multiply-adds")

# %% [markdown]
# *Figure 3. NN1 layer by layer; fully connected layers are red. They hold 97.7 % of the parameters and do
# 8.5 % of the work. Memory and time are spent in different places.*

# %% study=true
stem_rows = [("conv1", "9K", "119M"), ("conv2a", "", ""), ("conv2", "", "")]
nn2_names = [row[0] for row in stem_rows] + [row[0] for row in NN2_MODULES] + ["fc"]
nn2_costs = layer_costs(NN2)
nn2_costs = nn2_costs[nn2_costs[:, 0] > 0]
draw_bars(nn2_names, nn2_costs, "NN2")
print(f"largest layer: {nn2_costs[:, 0].max():.2f} M parameters; NN1's {nn1_costs[:, 0].max():.0f} M")

# %% [markdown]
# *Figure 4. NN2 is spread evenly. Its average pool replaces NN1's large dense layers. Conv2, early and on a
# large image, does the most work: 347 million multiply-adds.*
#
# **What would happen if** the paper did not count biases? It does not say. But its last digits can.

# %% study=true
def printed_alike(count, text):
    """Whether a count, rounded as the text is, gives the text."""
    unit = {"K": 1e3, "M": 1e6}[text[-1]]
    decimals = len(text[:-1].partition(".")[2])
    return f"{count / unit:.{decimals}f}" == text[:-1]


def biases_of(layer, shape):
    """Return how many biases a layer has, and how often one is added in an image."""
    if layer["kind"] == "branches":
        firsts = [(path[i], path[:i]) for path in layer["branches"] for i in range(len(path))]
        inner = [biases_of(one, output_shape(branches("add", before), shape)) for one, before in firsts]
        return np.sum(inner, axis=0)
    filters = layer.get("filters", layer.get("units", 0) * layer.get("pieces", 1))
    return np.array([filters, filters * math.prod(output_shape(layer, shape)[:2])])


agree = {
    "parameters, without biases": [],
    "parameters, with biases": [],
    "multiply-adds, without biases": [],
    "multiply-adds, with biases": [],
}
modules = [
    (name, layer, *printed[-2:]) for (name, *printed), layer in zip(NN2_MODULES, NN2[8:18], strict=True)
]
for network, table, first in ((NN1, NN1_TABLE, 1), (NN2, modules, 8)):
    for place, (name, layer, *printed) in enumerate(table, start=first):
        shape = None
        for before in network[:place]:
            shape = output_shape(before, shape)
        if printed[0]:
            with_biases, without = network_cost([input_layer(*shape), layer])
            number_of, added = biases_of(layer, shape)
            counts = (with_biases - number_of, with_biases, without, without + added)
            texts = (printed[0], printed[0], printed[1], printed[1])
            for what, count, text in zip(agree, counts, texts, strict=True):
                agree[what].append(name if printed_alike(count, text) else f"not {name}")
for what, names in agree.items():
    misses = [name[4:] for name in names if name.startswith("not")]
    print(f"{what}: {len(names) - len(misses)} of {len(names)} rows agree; not {', '.join(misses) or 'one'}")

# %% [markdown]
# With biases 47 of 48 printed numbers agree to the last digit, so the authors counted them, in both columns.
# NN1 has 140.007 M weights, NN2 7.448 M; the biases add 0.019 and 0.008 M. Tables are data: they answer
# questions that the text leaves open.
#
# ## 4. Is a smaller image cheaper?
#
# From here on you also check a machine. Each of its arguments has five numbered lines, with one **bold**
# number each. Exactly one line is wrong. Reply with `(line, value)`: the line's number, and what its bold
# number should be. Whatever you need is in this notebook or in the paper.

# %%
NN3 = nn2(160)
print("shapes in NN3:", (160, 160, 3), "→", output_shape(NN3[1], (160, 160, 3)), "→ …")

# %% [markdown]
# **Exercise · `find_the_flaw_1`** · ●○○ · 5 minutes · 1 point · *What does NN3 cost?*
#
# 1. NN3 is NN2 for images of 160 × 160. After `conv1`, with stride 2, the image is **80** wide.
# 2. Its layers are NN2's, so it has the same **7.5** million parameters.
# 3. The average pool takes what is left, so the last layer keeps its **131** thousand parameters.
# 4. The same layers with the same parameters do the same work: **1600** million multiply-adds.
# 5. Table 3 gives NN3 88.3 % and NN2 89.4 %, a gap of **1.1** points.

# %% exercise="find_the_flaw_1"
find_the_flaw_1 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_1 = (4, 814.6)
### END SOLUTION

# %% check="find_the_flaw_1"

# %% study=true
image_sides = list(range(64, 257, 16))
work = [network_cost(nn2(side))[1] / 1e6 for side in image_sides]
figure, axis = plt.subplots(figsize=(5.4, 2.9))
axis.plot(image_sides, work, "C0o-", ms=3, label="network_cost(nn2(side))")
axis.plot(160, 1600, "C3x", ms=9, mew=2, label="the machine's NN3")
axis.plot(160, find_the_flaw_1[1], "C2o", ms=10, mfc="none", mew=2, label="your NN3")
axis.set(
    title="NN2 on smaller and larger images", xlabel="side of the image", ylabel="multiply-adds, millions"
)
axis.legend()
plt.show()
print({side: round(cost) for side, cost in zip(image_sides, work, strict=True) if side in (96, 160, 224)})

# %% [markdown]
# *Figure 5. The work of NN2's layers against the image's side. It grows with the area. Your ring should lie
# on the curve; the machine's cross does not. The small steps come from rounding sizes up.*
#
# ## 5. A puzzle: what did NN4 leave out?
#
# The paper says that NN4 takes images of 96 × 96, needs 285M FLOPS, and has no 5 × 5 convolutions "in the
# higher layers". Which are those? From the text on model sizes, the smallest count is 6.6M parameters. Guess
# before you go on.

# %% study=true
guess = ("5a", "5b")  # try others
numbers, products = network_cost(nn2(96, dropped=guess))
print(f"without {', '.join(guess)}: {numbers / 1e6:.2f} M parameters, {products / 1e6:.0f} M multiply-adds")

# %% study=true
names = [row[0] for row in NN2_MODULES]
subsets = [chosen for size in range(11) for chosen in itertools.combinations(names, size)]
costs = np.array([network_cost(nn2(96, dropped=chosen)) for chosen in subsets]) / 1e6  # (1024, 2)
fitting = (np.abs(costs[:, 0] - 6.6) < 0.05) & (np.abs(costs[:, 1] - 285) < 0.5)
figure, axis = plt.subplots(figsize=(5.6, 3.1))
axis.plot(*costs.T, ".", color="0.6", ms=3, label="one of 1024 ways")
axis.axvspan(6.55, 6.65, color="C1", alpha=0.3, lw=0, label="reads 6.6M")
axis.axhspan(284.5, 285.5, color="C0", alpha=0.4, lw=0, label="reads 285M")
axis.plot(*costs[fitting].T, "C3o", ms=9, mfc="none", mew=2, label="both")
axis.set(title="NN2 at 96 × 96 without some of its 5 × 5 branches", xlabel="parameters, millions",
         ylabel="multiply-adds, millions")
axis.legend(fontsize=7)
plt.show()
for chosen, cost in zip(np.array(subsets, dtype=object)[fitting], costs[fitting], strict=True):
    print(f"dropping {', '.join(chosen)}: {cost[0]:.3f} M parameters, {cost[1]:.1f} M multiply-adds")

# %% [markdown]
# *Figure 6. Each dot is one way to drop 5 × 5 branches. Of 1024, one alone reads 6.6M and 285M: without those
# of 4e, 5a and 5b. Two printed numbers identify an architecture.*
#
# ## 6. How does ResNet-50 compare?
#
# It came a year later. Code bases disagree on where a stage's stride stands: the paper has it in a
# block's first 1 × 1 convolution, later versions in its 3 × 3 one.

# %%
def resnet50(early_stride=True, outputs=1000):
    """Return ResNet-50 (He et al. 2016, Table 1); later versions have strides in the 3 × 3 convolutions."""

    def normed(filters, kernel, stride=1):
        return [convolution(filters, kernel, stride, bias=False), norm(learned=2)]

    network = [input_layer(224, 224, 3), *normed(64, 7, 2), pool(3, 2)]
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            first, second = (stride, 1) if early_stride else (1, stride)
            path = [*normed(width, 1, first), *normed(width, 3, second), *normed(4 * width, 1)]
            network.append(branches("add", path, [] if block else normed(4 * width, 1, stride)))
    return [*network, pool(7, 7), dense(outputs)]


RESNET50 = resnet50()

# %% [markdown]
# **Exercise · `compare_networks`** · ●○○ · 5 minutes · 1 point
#
# Take nothing, and return a dictionary of six ratios of `NN1`, `NN2` and `RESNET50` by `network_cost`. Divide
# the network named first by the second. Do not round. The keys are
#
# - `nn1_nn2_parameters`, `nn1_nn2_multiply_adds`,
# - `nn1_resnet50_parameters`, `nn1_resnet50_multiply_adds`,
# - `nn2_resnet50_parameters`, `nn2_resnet50_multiply_adds`.

# %% exercise="compare_networks"
def compare_networks():
    """Return six ratios: NN1 over NN2, NN1 over ResNet-50 and NN2 over ResNet-50, of both costs."""
    ### BEGIN SOLUTION
    costs = {"nn1": network_cost(NN1), "nn2": network_cost(NN2), "resnet50": network_cost(RESNET50)}
    ratios = {}
    for first, second in (("nn1", "nn2"), ("nn1", "resnet50"), ("nn2", "resnet50")):
        for place, what in enumerate(("parameters", "multiply_adds")):
            ratios[f"{first}_{second}_{what}"] = costs[first][place] / costs[second][place]
    return ratios
    ### END SOLUTION


# %% check="compare_networks"

# %% study=true
for name, ratio in compare_networks().items():
    print(f"{name:28s} {ratio:7.3f}")
print()
for label, early in (("strides in the 1 × 1 (2015)", True), ("strides in the 3 × 3 (later)", False)):
    for outputs in (1000, 128):
        numbers, products = network_cost(resnet50(early, outputs))
        print(f"ResNet-50, {label}, {outputs:4d} outputs: {numbers / 1e6:.3f} M, {products / 1e9:.3f} G")

# %% [markdown]
# He et al. print 3.8 billion FLOPs, others 4.1 billion: two networks under one name, 3.858 and 4.089 G.
# Twice these numbers are found too, where a multiplication and its addition count as two. With 128 outputs,
# as FaceNet has, ResNet-50 has 23.8 M parameters. Name the convention before you compare.

# %%
NN1_WITHOUT_DENSE = [layer for layer in NN1 if layer["kind"] != "dense"]
print(f"NN1 has {len(NN1)} layers with its input, {len(NN1_WITHOUT_DENSE)} without the dense ones")

# %% [markdown]
# **Exercise · `find_the_flaw_2`** · ●○○ · 5 minutes · 1 point · *NN1 against ResNet-50*
#
# 1. NN1 has 140.0 M parameters, ResNet-50 has 25.6 M: **5.5** times as many.
# 2. Most of NN1's are in its three fully connected layers: **98** %.
# 3. Both papers call one multiply-add one FLOP, so NN1's 1.6 billion stand against ResNet-50's **3.86**.
# 4. The ratio is 0.42, so NN1 needs **42** % fewer multiply-adds.
# 5. NN2 has fewer parameters than ResNet-50, by a factor of **3.4**.

# %% exercise="find_the_flaw_2"
find_the_flaw_2 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_2 = (4, 58.4)
### END SOLUTION

# %% check="find_the_flaw_2"

# %% study=true
compared = {
    "ResNet-50, 2015": RESNET50,
    "ResNet-50, later": resnet50(early_stride=False),
    "NN1": NN1,
    "NN2": NN2,
}
totals = np.array([network_cost(network) for network in compared.values()])  # (4, 2)
reference = totals[0, 1] / 1e9
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.6), sharey=True)
left.barh(list(compared), totals[:, 0] / 1e6, color="C0")
left.set(title="parameters", xlabel="millions")
left.invert_yaxis()
right.barh(list(compared), totals[:, 1] / 1e9, color="C0")
for label, percent, colour in (("42 % fewer", 42, "C3"), ("your % fewer", find_the_flaw_2[1], "C2")):
    right.axvline(reference * (1 - percent / 100), color=colour, ls="--", label=label)
    print(f"{percent:g} % fewer than {reference:.3f} G would be {reference * (1 - percent / 100):.3f} G")
right.set(title="multiply-adds", xlabel="billions", xlim=(0, 6.2))
right.legend(fontsize=7, loc="upper right")
plt.show()

# %% [markdown]
# *Figure 7. The dashed lines show where a network ends that needs so many percent fewer than ResNet-50 of
# 2015. NN1's bar, 1.606 G, should end at yours.*
#
# ## 7. What do the error bars say?
#
# The paper gives most results with $\pm$ one standard error over five splits of the test images.

# %%
TABLE_3 = {  # validation rate at FAR 10⁻³ on the hold-out set, standard error, %
    "NN1": (87.9, 1.9), "NN2": (89.4, 1.6), "NN3": (88.3, 1.7),
    "NN4": (82.0, 2.3), "NNS1": (82.4, 2.4), "NNS2": (51.9, 2.9),
}  # fmt: skip
PRINTED_FLOPS = {"NNS1": 220e6, "NNS2": 20e6}  # section 3.3; these two have no table
TABLE_5 = {64: (86.8, 1.7), 128: (87.9, 1.9), 256: (87.7, 1.9), 512: (85.6, 2.0)}  # NN1, by embedding size

# %% study=true
tables = {"NN1": NN1, "NN2": NN2, "NN3": nn2(160), "NN4": nn2(96, dropped=("4e", "5a", "5b"))}
figure, axis = plt.subplots(figsize=(5.8, 3.1))
for name, (rate, error) in TABLE_3.items():
    flops = PRINTED_FLOPS[name] if name in PRINTED_FLOPS else network_cost(tables[name])[1]
    axis.errorbar(
        flops,
        rate,
        yerr=error,
        fmt="s" if name in PRINTED_FLOPS else "o",
        capsize=3,
        color="C1" if name == "NN1" else "C0",
    )
    offset = {"NN1": (8, -9), "NN2": (8, 4), "NNS1": (-32, 4)}.get(name, (8, -4))
    axis.annotate(name, (flops, rate), xytext=offset, textcoords="offset points", fontsize=8)
axis.set(
    title="Accuracy against work (Table 3)",
    xlabel="multiply-adds per image",
    ylabel="VAL at FAR 10⁻³, %",
    xscale="log",
    ylim=(45, 95),
    xlim=(1e7, 4e9),
)
plt.show()

# %% [markdown]
# *Figure 8. Table 3 with one standard error; NN1 is orange. Circles are your counts, squares the paper's.
# From NN4 to NN2 the work grows 5.6 times and the rate by 7 points. NN3 does half of NN2's work for a rate
# within the bars.*
#
# When do two such values differ by more than chance? For independent values
#
# $$z=\frac{x-y}{\sqrt{s_x^2+s_y^2}},\qquad \lvert z\rvert>1.96\ \text{ comes up by chance once in twenty.}$$

# %% study=true
nets = list(TABLE_3)
z_scores = np.array(
    [[(TABLE_3[r][0] - TABLE_3[c][0]) / math.hypot(TABLE_3[r][1], TABLE_3[c][1]) for c in nets] for r in nets]
)
figure, axis = plt.subplots(figsize=(4.4, 3.6))
drawn = axis.imshow(np.abs(z_scores), cmap="viridis", vmax=4)
for (i, j), z in np.ndenumerate(z_scores):
    weight = "bold" if abs(z) > 1.96 else "normal"
    axis.text(
        j,
        i,
        f"{z + 0.0:.1f}",
        ha="center",
        va="center",
        weight=weight,
        color="black" if abs(z) > 2 else "white",
    )
axis.set(
    title="z of the row against the column (Table 3)",
    xticks=range(6),
    yticks=range(6),
    xticklabels=nets,
    yticklabels=nets,
    xlabel="network",
    ylabel="network",
)
figure.colorbar(drawn, ax=axis, label="|z|")
plt.show()
print(
    {
        f"{a}–{b}": round(float(z_scores[nets.index(a), nets.index(b)]), 2)
        for a, b in (("NN2", "NN1"), ("NN1", "NN4"), ("NN2", "NNS1"), ("NN4", "NNS2"))
    }
)

# %% [markdown]
# *Figure 9. Bold: beyond 1.96. NNS2 stands apart from all. The three large networks cannot be told apart: NN2
# leads NN1 by 0.6. NN2 and NN3 are clear of NN4 and NNS1. NN1 leads NN4 by 1.98, just beyond the border.*
#
# Table 5 varies the size of the embedding.

# %% study=true
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.errorbar(list(TABLE_5), *zip(*TABLE_5.values(), strict=True), fmt="o-", capsize=4)
axis.axhspan(86.0, 89.8, color="C1", alpha=0.2, lw=0, label="87.9 ± 1.9")
axis.set(title="Embedding size (Table 5)", xlabel="dimensions", ylabel="VAL at FAR 10⁻³, %", ylim=(82, 92))
axis.set_xscale("log", base=2)
axis.set_xticks(list(TABLE_5), [str(size) for size in TABLE_5])
axis.legend()
plt.show()

# %% [markdown]
# *Figure 10. Four sizes with one standard error. The band is that of 128 dimensions; the mean at 512 lies
# just below it.*

# %%
def drawn_gaps(first_error, second_error, count=200_000, seed=3):
    """Return gaps of two rates with these standard errors, as chance alone makes them."""
    draw = np.random.default_rng(seed)
    return draw.normal(0, first_error, count) - draw.normal(0, second_error, count)


print("gaps of two rates with errors of 1 point:", drawn_gaps(1, 1)[:4].round(2))

# %% [markdown]
# **Exercise · `find_the_flaw_3`** · ●●○ · 8 minutes · 1 point · *Are 512 dimensions worse?*
#
# 1. The rates at 128 and 512 dimensions are **2.3** points apart.
# 2. If they are independent, that gap has a standard error of **2.76** points.
# 3. 64 dimensions differ from 128 by 1.1 points, only **0.43** standard errors of their gap.
# 4. But 85.6 lies outside 87.9 ± 1.9. By chance a gap as wide as theirs has a probability of **0.05** at
#    most.
# 5. All sizes share the splits; a paired test would need each size's **5** values.
#
# In line 4 both directions count. Use `drawn_gaps`, or `math.erfc`.

# %% exercise="find_the_flaw_3"
find_the_flaw_3 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_3 = (4, 0.404)
### END SOLUTION

# %% check="find_the_flaw_3"

# %% study=true
gaps = drawn_gaps(1.9, 2.0)
figure, axis = plt.subplots(figsize=(5.6, 2.8))
counts, edges, bars = axis.hist(gaps, np.arange(-11.5, 11.6, 0.46), color="0.7", density=True)
for bar in bars:
    bar.set_facecolor("C1" if abs(bar.get_x() + bar.get_width() / 2) > 2.3 else "0.7")
axis.axvline(2.3, color="C3", label="128 against 512")
axis.axvline(-2.3, color="C3", ls=":")
axis.set(title="Gaps where there is no difference", xlabel="gap of two rates, points", ylabel="density")
axis.legend()
plt.show()
print(f"beyond 2.3 points: {np.mean(np.abs(gaps) >= 2.3):.3f} of all draws; your reply {find_the_flaw_3[1]}")

# %% [markdown]
# *Figure 11. Two rates drawn again and again around one mean, with Table 5's standard errors. The coloured
# tails are gaps of at least 2.3 points; the last line says how many these are.*
#
# **What would happen if** the paper had used more splits? Standard errors shrink like one over the root of
# their number.

# %% study=true
for splits in (5, 10, 20, 30, 40):
    z = 2.3 / (math.hypot(1.9, 2.0) * math.sqrt(5 / splits))
    print(f"{splits:3d} splits of that size: z = {z:.2f}, by chance {math.erfc(z / math.sqrt(2)):.3f}")

# %% [markdown]
# It would have taken about 30 splits to see a gap of 2.3 points.
#
# ## 8. Does more data help?
#
# Table 6 trains a small network for 700 hours on ever more images. No errors are given.

# %%
TABLE_6 = {2.6e6: 76.3, 26e6: 85.1, 52e6: 85.1, 260e6: 86.2}  # images, VAL at FAR 10⁻³ in %

# %% study=true
images, rates = np.array(list(TABLE_6)), np.array(list(TABLE_6.values()))
figure, axis = plt.subplots(figsize=(5.4, 2.8))
axis.semilogx(images, rates, "o-", label="Table 6")
law = rates[0] + (rates[1] - rates[0]) * np.log10(images / images[0])
axis.semilogx(images, law, "C3--", label="as much again per factor of ten")
axis.set(
    title="Validation rate and training images", xlabel="training images", ylabel="VAL, %", ylim=(74, 96)
)
axis.legend()
plt.show()
print(
    "gain per factor of ten:",
    {
        f"{a / 1e6:g}M to {b / 1e6:g}M": round(TABLE_6[b] - TABLE_6[a], 1)
        for a, b in ((2.6e6, 26e6), (26e6, 260e6))
    },
)

# %% [markdown]
# *Figure 12. A logarithmic law would gain the same with every factor of ten. The first brings 8.8 points,
# the second 1.1: that is saturation.*

# %%
print(
    "what is missing to 100 %:",
    {f"{count / 1e6:g}M": round(100 - rate, 1) for count, rate in TABLE_6.items()},
)

# %% [markdown]
# **Exercise · `find_the_flaw_4`** · ●●○ · 5 minutes · 1 point · *How much error did the data remove?*
#
# 1. From 2.6 to 26 million images the rate rises from 76.3 % to 85.1 %, by **8.8** points.
# 2. The error, what is missing to 100 %, falls from 23.7 % to **14.9** %.
# 3. So the relative reduction of the error is **59** %, about the paper's 60 %.
# 4. From 26 to 260 million images the error falls to 13.8 %, by another **7.4** % of itself.
# 5. All ran for 700 hours, so from 26 to 260 million an image was seen **10** times less often.

# %% exercise="find_the_flaw_4"
find_the_flaw_4 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_4 = (3, 37.1)
### END SOLUTION

# %% check="find_the_flaw_4"

# %% study=true
before, after = 100 - TABLE_6[2.6e6], 100 - TABLE_6[26e6]
labels_left = {"2.6M images": before, "59 % less": before * (1 - 0.59),
               "your % less": before * (1 - find_the_flaw_4[1] / 100), "26M images": after}
figure, axis = plt.subplots(figsize=(5.2, 2.5))
axis.bar(list(labels_left), list(labels_left.values()), color=["C0", "C3", "C2", "C0"])
axis.axhline(after, color="C0", ls=":")
axis.set(title="The error before, as reduced, and as printed", ylabel="error, %", ylim=(0, 27))
for place, number in enumerate(labels_left.values()):
    axis.text(place, number + 0.4, f"{number:.1f}", ha="center", va="bottom")
plt.show()

# %% [markdown]
# *Figure 13. 59 % less than 23.7 would be 9.7. Your bar should reach the dotted line, the error of Table 6
# for 26 million images, 14.9.*
#
# ## 9. Which triplets teach?
#
# Here is a batch of 40 embeddings, 5 images of each of 8 identities, and all squared distances.

# %%
batch_rng = np.random.default_rng(6)
labels = np.repeat(np.arange(8), 5)  # (40,)
embeddings = batch_rng.normal(size=(8, 16))[labels] + 0.9 * batch_rng.normal(size=(40, 16))
embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)  # (40, 16), unit rows
distances = np.sum((embeddings[:, None] - embeddings[None]) ** 2, axis=2)  # (40, 40)
margin = 0.2

# %% study=true
anchor, positive = 21, 23
others = distances[anchor][labels != labels[anchor]]
d_ap = distances[anchor, positive]
figure, axis = plt.subplots(figsize=(7.2, 1.9))
zones = (("hard", 0, d_ap, "C3"), ("semi-hard", d_ap, d_ap + margin, "C1"), ("easy", d_ap + margin, 4, "C2"))
for zone, low, high, colour in zones:
    axis.axvspan(low, high, color=colour, alpha=0.25, lw=0, label=zone)
axis.plot(others, np.zeros(35), "k|", ms=14, label="negatives")
axis.plot(d_ap, 0.4, "C0v", ms=8, label="positive")
axis.set(
    title="One pair of the batch and its 35 negatives",
    xlabel="squared distance from the anchor",
    yticks=[],
    xlim=(0.6, 3.6),
    ylim=(-0.6, 1.2),
)
axis.legend(ncols=5, fontsize=7, loc="upper right")
plt.show()
print(f"d_ap = {d_ap:.2f}; this pair has", {zone: int(np.sum((others > low) & (others <= high)))
                                           for zone, low, high, _ in zones})

# %% [markdown]
# *Figure 14. One anchor and positive (triangle), and the negatives (strokes). Those below the positive are
# hard, those in the margin above it semi-hard, and all beyond are easy: 3, 3 and 29 of them.*

# %%
same = labels[:, None] == labels[None]  # (40, 40), whether two images show one identity
pairs = [(i, j) for i in range(40) for j in range(40) if same[i, j] and i != j]  # anchor, positive
print(f"pairs: {pairs[:5]} …; distances[0][~same[0]] has shape {distances[0][~same[0]].shape}")

# %% [markdown]
# **Exercise · `find_the_flaw_5`** · ●●○ · 8 minutes · 1 point · *Hard negatives everywhere*
#
# 1. The batch has **160** ordered pairs of an anchor and a positive.
# 2. An anchor's hardest negative is the closest image of another identity; there are **40**, one per anchor.
# 3. Being the hardest, it is no farther than the positive. So **160** pairs have a hard negative.
# 4. Where a hard negative is picked, the loss is at least **0.2**.
# 5. For **111** pairs no triplet has a loss above zero.

# %% exercise="find_the_flaw_5"
find_the_flaw_5 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_5 = (3, 27)
### END SOLUTION

# %% check="find_the_flaw_5"

# %% study=true
closest = np.where(same, np.inf, distances).min(axis=1)  # (40,)
rows, columns = np.array(pairs).T
figure, axis = plt.subplots(figsize=(4.6, 3.3))
axis.fill_between([0, 2], [0, 2], color="C3", alpha=0.2, lw=0, label="hard")
axis.fill_between([0, 2], [0, 2], [0.2, 2.2], color="C1", alpha=0.3, lw=0, label="semi-hard")
axis.fill_between([0, 2], [0.2, 2.2], 2.5, color="C2", alpha=0.2, lw=0, label="easy")
axis.plot(distances[rows, columns], closest[rows], "k.", ms=4)
axis.set(
    title="The hardest negative of every pair",
    xlabel="squared distance to the positive",
    ylabel="to the hardest negative",
    xlim=(0.1, 1.9),
    ylim=(0.2, 1.9),
)
axis.legend(loc="lower right")
plt.show()
print(f"your reply: {find_the_flaw_5[1]} of {len(rows)} pairs; dots in the red zone or on its border count")

# %% [markdown]
# *Figure 15. Each dot is one of 160 pairs. Every pair has a hardest negative, but few of these are hard.
# Most are easy.*

# %%
gap = np.array([distances[i][~same[i]] - distances[i, j] for i, j in pairs])  # (160, 35), d_an − d_ap
print(f"gap has shape {gap.shape} and runs from {gap.min():.2f} to {gap.max():.2f}")

# %% [markdown]
# **Exercise · `find_the_flaw_6`** · ●●○ · 8 minutes · 1 point · *The semi-hard triplets of this batch*
#
# 1. 160 pairs with 35 negatives each make **5600** triplets.
# 2. In **5415** of them the negative is at least the margin farther than the positive: they are easy.
# 3. Semi-hard are those whose negative is closer to the anchor than the positive is, **81** triplets.
# 4. **185** triplets have a loss above zero.
# 5. FaceNet picks one semi-hard negative for a pair, so from this batch at most **160** triplets.

# %% exercise="find_the_flaw_6"
find_the_flaw_6 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_6 = (3, 104)
### END SOLUTION

# %% check="find_the_flaw_6"

# %% study=true
figure, axis = plt.subplots(figsize=(6.2, 2.8))
for zone, low, high, colour in (("hard", -1, 0, "C3"), ("semi-hard", 0, 0.2, "C1"), ("easy", 0.2, 3.4, "C2")):
    axis.hist(gap[(gap > low) & (gap <= high)], np.arange(-0.8, 3.41, 0.1), color=colour, label=zone)
axis.set(title="All 5600 triplets of the batch", xlabel="d_an − d_ap", ylabel="triplets", yscale="log")
axis.legend()
plt.show()
print(f"your reply: {find_the_flaw_6[1]} semi-hard triplets, {find_the_flaw_6[1] / 5600:.1%} of all")

# %% [markdown]
# *Figure 16. How much farther the negative is than the positive, on a logarithmic scale. Only what lies
# left of the margin, 0.2, has a gradient: 3.3 % of the triplets.*

# %% [markdown] written="explain_semi_hard"
# **Written · `explain_semi_hard`** · ●●○ · 10 minutes · 1 point
#
# What is a semi-hard negative, with both of its bounds, and where does the paper give each of them? Why are
# easy negatives passed over, and why does the paper avoid the hardest ones early in training?

# %% [markdown]
# ## 10. What does the max do?
#
# Two triplets in the plane, one the other with $p$ and $n$ exchanged:

# %%
a, p, n = np.array([1.0, 0.0]), np.array([0.6, 0.8]), np.array([0.8, 0.6])


def loss_of(anchor, positive, negative, alpha=0.2):
    """Return max(‖a − p‖² − ‖a − n‖² + α, 0)."""
    return max(np.sum((anchor - positive) ** 2) - np.sum((anchor - negative) ** 2) + alpha, 0.0)


# %% [markdown]
# **Exercise · `find_the_flaw_7`** · ●○○ · 5 minutes · 1 point · *What the max silences*
#
# 1. The squared distance from $a$ to $p$ is **0.8**.
# 2. That from $a$ to $n$ is **0.4**.
# 3. The bracket 0.8 − 0.4 + 0.2 is positive, so the loss of $(a,p,n)$ is **0.6**.
# 4. The max silences what is positive. So the loss's gradient with respect to $a$ has length **0**.
# 5. With $p$ and $n$ exchanged the bracket is −0.2 and the loss **0**.

# %% exercise="find_the_flaw_7"
find_the_flaw_7 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_7 = (4, 0.566)
### END SOLUTION

# %% check="find_the_flaw_7"

# %% study=true
downhill = np.array([-1.0, 1.0]) / math.sqrt(2)  # from a, away from n and towards p
steps = np.linspace(-0.6, 1.4, 201)
figure, axis = plt.subplots(figsize=(5.6, 2.9))
axis.plot(
    steps, [loss_of(a + step * downhill, p, n) for step in steps], "C0", lw=2, label="loss of (a, p, n)"
)
axis.plot(steps, [loss_of(a + step * downhill, n, p) for step in steps], "C4", label="p and n exchanged")
near = np.linspace(-0.4, 0.4, 2)
axis.plot(near, 0.6 - 0 * near, "C3--", label="slope 0, the machine's")
axis.plot(near, 0.6 - find_the_flaw_7[1] * near, "C2--", lw=3, alpha=0.7, label="your slope")
axis.plot(0, 0.6, "ko", ms=5)
axis.set(
    title="Moving the anchor downhill",
    xlabel="how far the anchor is moved",
    ylabel="loss",
    ylim=(-0.05, 1.05),
)
axis.legend(fontsize=7)
plt.show()

# %% [markdown]
# *Figure 17. The anchor moves towards p and away from n. At the dot the bracket is positive and the loss
# falls; your dashed line should touch it. The exchanged triplet obeys the margin and lies flat at 0 there.*
#
# **What would happen if** no max were there? Then the good triplet would be pushed as well, as lesson 04
# showed.
#
# ## 11. One from lesson 02
#
# The machine also answered on random features. The mean of cosines is quickly drawn:

# %%
def mean_cosine(variance, squared_distance, dim=64, count=20_000, seed=0):
    """Return the mean of cos(w·x) for random w with components of this variance, and its standard error."""
    frequencies = np.random.default_rng(seed).normal(0, math.sqrt(variance), size=(count, dim))
    x = np.full(dim, math.sqrt(squared_distance / dim))
    waves = np.cos(frequencies @ x)
    return waves.mean(), waves.std() / math.sqrt(count)


mean, error = mean_cosine(variance=1.0, squared_distance=4.0)
print(f"variance 1, squared distance 4: {mean:.3f} ± {error:.3f}")

# %% [markdown]
# **Exercise · `find_the_flaw_8`** · ●●○ · 5 minutes · 1 point · *Which frequencies?*
#
# A query and a key in $D=64$ dimensions have squared distance 4. The kernel is Gaussian,
# $e^{-\lVert q-k\rVert^2/2\sigma^2}$ with $\sigma^2=\sqrt{64}=8$.
#
# 1. Their kernel is **0.779**.
# 2. Kernels like this are means of $\cos(w\cdot(q-k))$; where $q=k$ the mean is **1**.
# 3. For this kernel the components of $w$ are normal with mean 0 and variance **8**.
# 4. With 512 frequencies, each giving a sine and a cosine, there are **1024** features.
# 5. To halve the sampling error one needs **4** times as many frequencies.

# %% exercise="find_the_flaw_8"
find_the_flaw_8 = None  # (line, value)
### BEGIN SOLUTION
find_the_flaw_8 = (3, 0.125)
### END SOLUTION

# %% check="find_the_flaw_8"

# %% study=true
apart = np.linspace(0, 30, 31)
figure, axis = plt.subplots(figsize=(5.6, 2.8))
axis.plot(apart, np.exp(-apart / 16), "k", lw=2, label="the kernel")
for variance, colour, label in (
    (8.0, "C3", "variance 8, the machine's"),
    (find_the_flaw_8[1], "C2", "your variance"),
):
    drawn_means, errors = zip(*(mean_cosine(variance, separation) for separation in apart), strict=True)
    axis.errorbar(apart, drawn_means, yerr=2 * np.array(errors), fmt=".", color=colour, label=label)
    print(f"{label}: {drawn_means[4]:.3f} ± {errors[4]:.3f} at squared distance 4, where the kernel is 0.779")
axis.set(title="Means of 20 000 cosines", xlabel="squared distance", ylabel="mean of cos(w·x)")
axis.legend()
plt.show()

# %% [markdown]
# *Figure 18. Two standard errors are no larger than the dots. With the right variance they follow the
# kernel. With 8 they drop to zero at once: everybody but oneself looks alike.*
#
# ## 12. Your own reading

# %% [markdown] written="favourite_result"
# **Written · `favourite_result`** · ●○○ · 10 minutes · 1 point
#
# Which result of the paper do you like best? Name its table, figure or section and quote its numbers. What
# was measured, on which data, compared with what? What does it not show? A computation of your own counts.

# %% [markdown] written="approach_of_interest"
# **Written · `approach_of_interest`** · ●●○ · 20 minutes · 2 points
#
# Describe an approach that interests you, from the paper or from work around it, in 100 words or more. What
# goes in and what comes out? Which problem does it solve? What is the evidence, with a number and its
# source? What does it cost, or leave open?

# %% [markdown]
# ## Summary
#
# - Two columns of a table can be recomputed with a few lines, and tell what the text leaves out.
# - Parameters, multiply-adds and seconds are three things. Name the convention before you compare.
# - A gap has a standard error of its own. Reductions are measured by what there was before.
# - Every flaw here stood in an answer that sounded right. Each fell to one small computation.
#
# `lesson.progress()` shows what is still open.
#
# **Where it comes from.** [Schroff et al. 2015](https://arxiv.org/abs/1503.03832) is FaceNet. [Szegedy et
# al. 2014](https://arxiv.org/abs/1409.4842) introduced Inception, [Goodfellow et al.
# 2013](https://arxiv.org/abs/1302.4389) maxout, [He et al. 2015](https://arxiv.org/abs/1512.03385) ResNet.
# [Hermans et al. 2017](https://arxiv.org/abs/1703.07737) took up the hardest negatives again.
#
# **Where it lives today.** Embeddings with a threshold serve face unlock, photo albums and search. Losses
# with an angular margin ([Deng et al. 2018](https://arxiv.org/abs/1801.07698)) have largely replaced
# triplets for faces. Contrastive learning still lives on hard negatives.
