"""What a whole network costs: a list of layers, some of which hold branches of layers."""

from __future__ import annotations

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right


def image(height, width, channels):
    """Return the layer that stands first."""
    return {"kind": "input", "height": height, "width": width, "channels": channels}


def conv(filters, kernel, stride=1, bias=True):
    """Return a convolution."""
    return {"kind": "convolution", "filters": filters, "kernel": kernel, "stride": stride, "bias": bias}


def full(units, pieces=1, bias=True):
    """Return a fully connected layer."""
    return {"kind": "dense", "units": units, "pieces": pieces, "bias": bias}


def shrink(kernel, stride):
    """Return a pooling layer."""
    return {"kind": "pool", "kernel": kernel, "stride": stride}


def scaled(learned):
    """Return a normalisation with so many learned numbers per channel."""
    return {"kind": "norm", "learned": learned}


def fork(join, *branches):
    """Return branches side by side."""
    return {"kind": "branches", "join": join, "branches": [list(branch) for branch in branches]}


def layers(*stack):
    """Return a draw that gives just these layers."""
    return lambda rng: {"layers": list(stack)}


def drawn_layers(rng):
    """Draw a network with every kind of layer in it."""
    a, b, c, d, e = (int(n) for n in rng.permutation(9)[:5] + 3)
    return {
        "layers": [
            image(21 + 2 * a, 30 + b, 3),
            conv(c, 5, 2),
            scaled(2),
            shrink(3, 2),
            fork("concat", [conv(d, 1)], [conv(e, 1), conv(a, 3, bias=False)], [shrink(3, 1)]),
            shrink(3, 3),
            full(b, pieces=2),
            full(4, bias=False),
        ]
    }


def oracle(layers):
    """Unfold the network into single filters and single neurons, and count each one's work."""
    counted = {"numbers": 0, "products": 0}

    def pass_through(stack, sides):
        for layer in stack:
            sides = STEPS[layer["kind"]](layer, sides)
        return sides

    def begin(layer, sides):
        return tuple(layer[side] for side in ("height", "width", "channels"))

    def fewer(sides, stride):
        rows, columns, depth = sides
        return len(range(0, rows, stride)), len(range(0, columns, stride)), depth

    def neurons(how_many, inputs, places, bias):
        for _ in range(how_many):
            counted["numbers"] += inputs + (1 if bias else 0)
            counted["products"] += inputs * places

    def filters(layer, sides):
        rows, columns, _ = fewer(sides, layer["stride"])
        window = layer["kernel"] ** 2 * sides[2]
        neurons(layer["filters"], window, rows * columns, layer["bias"])
        return rows, columns, layer["filters"]

    def connected(layer, sides):
        rows, columns, depth = sides
        neurons(layer["units"] * layer["pieces"], rows * columns * depth, 1, layer["bias"])
        return 1, 1, int(layer["units"])

    def normalised(layer, sides):
        counted["numbers"] += sum(layer["learned"] for _ in range(sides[2]))
        return sides

    def side_by_side(layer, sides):
        ends = [pass_through(stack, sides) for stack in layer["branches"]]
        depth = sum(end[2] for end in ends) if layer["join"] == "concat" else ends[0][2]
        return ends[0][0], ends[0][1], depth

    STEPS = {
        "input": begin,
        "convolution": filters,
        "pool": lambda layer, sides: fewer(sides, layer["stride"]),
        "norm": normalised,
        "dense": connected,
        "branches": side_by_side,
    }
    pass_through(layers, (0, 0, 0))
    return counted["numbers"], counted["products"]


ONE_AT_A_TIME = """
def network_cost(layers):
    def single(layer, shape):
        if layer["kind"] == "convolution":
            p, m = convolution_cost(*shape, layer["filters"], layer["kernel"], layer["stride"])
            return (p if layer["bias"] else p - layer["filters"]), m
        if layer["kind"] == "dense":
            rows, columns = int(np.prod(shape)), layer["units"] * layer["pieces"]
            return rows * columns + columns * bool(layer["bias"]), rows * columns
        if layer["kind"] == "norm":
            return shape[-1] * layer["learned"], 0
        if layer["kind"] == "branches":
            inside = [walk(branch, shape) for branch in layer["branches"]]
            return sum(p for p, _ in inside), sum(m for _, m in inside)
        return 0, 0

    def walk(stack, shape):
        totals = (0, 0)
        for layer in stack:
            cost, shape = single(layer, shape), output_shape(layer, shape)
            totals = (totals[0] + cost[0], totals[1] + cost[1])
        return totals

    return walk(layers, None)
"""

WITH_A_STACK = """
def network_cost(layers):
    todo, parameters, macs = [(list(layers), None)], 0, 0
    while todo:
        stack, shape = todo.pop()
        for layer in stack:
            kind = layer["kind"]
            if kind in ("convolution", "dense"):
                if kind == "dense":
                    filters, one_filter, places = layer["units"] * layer["pieces"], math.prod(shape), 1
                else:
                    rows, columns, _ = output_shape(layer, shape)
                    filters, places = layer["filters"], rows * columns
                    one_filter = shape[2] * layer["kernel"] ** 2
                parameters += filters * (one_filter + layer["bias"])
                macs += filters * one_filter * places
            elif kind == "norm":
                parameters += layer["learned"] * shape[2]
            for branch in layer.get("branches", []):
                todo.append((branch, shape))
            shape = output_shape(layer, shape)
    return parameters, macs
"""

AS_NUMPY_SUMS = """
def network_cost(layers):
    total, shape = np.zeros(2, dtype=np.int64), (0, 0, 0)
    for layer in layers:
        if layer["kind"] == "branches":
            start = {"kind": "input", "height": shape[0], "width": shape[1], "channels": shape[2]}
            total += np.sum([network_cost([start] + branch) for branch in layer["branches"]], axis=0)
        elif layer["kind"] == "convolution":
            cost = convolution_cost(*shape, layer["filters"], layer["kernel"], layer["stride"])
            total += np.array(cost) - [0 if layer["bias"] else layer["filters"], 0]
        elif layer["kind"] == "dense":
            p, m = convolution_cost(1, 1, math.prod(shape), layer["units"] * layer["pieces"], 1, 1)
            total += [p if layer["bias"] else m, m]
        elif layer["kind"] == "norm":
            total[0] += layer["learned"] * shape[2]
        shape = output_shape(layer, shape)
    return int(total[0]), int(total[1])
"""

exercise = Exercise(
    title="The cost of a network",
    points=3,
    minutes=20,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, tables 1 and 2; Goodfellow et al. 2013, Maxout networks, section 2",
    kind=Function(returns=("parameters", "multiply_adds"), integer=True, plain=True),
    hints=[
        "Go through the list with the shape that has been reached. Add up each layer's cost, then let "
        "output_shape tell you the next shape.",
        "A fully connected layer connects height · width · channels inputs to each unit, once per piece.",
        "A branch is a small network of its own. Put an input layer of the present shape before it and ask "
        "your own function for its cost.",
    ],
    oracle=oracle,
    cases=[
        Case("drawn", "every kind of layer", drawn_layers),
        Case(
            "chain",
            "three convolutions, the image not square",
            layers(image(9, 12, 3), conv(5, 3, 2), conv(7, 1), conv(4, 5, 2)),
        ),
        Case(
            "no_bias",
            "a convolution and a fully connected layer without biases",
            layers(image(5, 4, 2), conv(6, 3, bias=False), full(3, bias=False)),
        ),
        Case(
            "maxout",
            "fully connected layers of two and three pieces",
            layers(image(3, 2, 5), full(7, pieces=2), full(4, pieces=3)),
        ),
        Case(
            "norms",
            "a learned and a fixed normalisation",
            layers(image(4, 6, 3), conv(8, 3), scaled(2), scaled(0)),
        ),
        Case(
            "pools",
            "pooling before and after a convolution",
            layers(image(11, 7, 2), shrink(3, 2), conv(3, 3), shrink(5, 2), conv(6, 1)),
        ),
        Case(
            "concat",
            "branches side by side, then a convolution",
            layers(image(8, 5, 4), fork("concat", [conv(3, 1)], [conv(2, 1), conv(5, 3)], []), conv(2, 3)),
        ),
        Case(
            "residual",
            "branches that are added, one of them empty",
            layers(image(6, 7, 5), fork("add", [conv(3, 1), scaled(2), conv(5, 3)], []), full(2)),
        ),
        Case(
            "nested",
            "branches within a branch",
            layers(
                image(7, 9, 3),
                fork(
                    "concat",
                    [conv(4, 3), fork("concat", [conv(2, 1)], [shrink(3, 1), conv(6, 5)])],
                    [conv(5, 1)],
                ),
                full(3),
            ),
        ),
        Case("nothing", "an image and no layers", layers(image(4, 4, 3))),
        Case(
            "large",
            "more than 2³¹ multiply-adds",
            layers(image(301, 223, 3), conv(96, 7), conv(64, 5)),
            only_judge=True,
        ),
    ],
    mistakes=[
        Mistake(
            "pieces_lost",
            "The pieces of maxout are counted as one. Each unit is the largest of several, and each of "
            "these has "
            "weights of its own.",
            edit=[
                ('math.prod(shape) * layer["units"] * layer["pieces"]', 'math.prod(shape) * layer["units"]'),
                ('layer["units"] * layer["pieces"] if', 'layer["units"] if'),
            ],
        ),
        Mistake(
            "bias_per_unit",
            "The weights are right. With several pieces each piece has a bias too, not only each unit.",
            edit=[('layer["units"] * layer["pieces"] if', 'layer["units"] if')],
        ),
        Mistake(
            "bias_always",
            "Biases are counted for convolutions that say they have none.",
            edit=[('params if layer["bias"] else params - layer["filters"]', "params")],
        ),
        Mistake(
            "dense_bias_lost",
            "Fully connected layers have biases as well, where they say so.",
            edit=[('(layer["units"] * layer["pieces"] if layer["bias"] else 0)', "0")],
        ),
        Mistake(
            "dense_by_channels",
            "A fully connected layer is fed with channels alone. It sees every position of every channel.",
            edit=[("math.prod(shape)", "shape[2]")],
        ),
        Mistake(
            "dense_free",
            "Fully connected layers cost parameters, but no multiply-adds. Each of their weights is used "
            "once.",
            edit=[("multiply_adds += weights", "multiply_adds += 0")],
        ),
        Mistake(
            "norm_lost",
            "A normalisation with learned numbers is counted as free. Its parameters are per channel.",
            edit=[('parameters += layer["learned"] * shape[2]', "parameters += 0")],
        ),
        Mistake(
            "norm_once",
            "The learned numbers of a normalisation count once for the layer. Each channel has its own.",
            edit=[('layer["learned"] * shape[2]', 'layer["learned"]')],
        ),
        Mistake(
            "norm_at_every_position",
            "A normalisation's learned numbers are counted at every position. They are shared by all "
            "positions "
            "of a channel.",
            edit=[('layer["learned"] * shape[2]', 'layer["learned"] * math.prod(shape)')],
        ),
        Mistake(
            "first_branch_only",
            "Only the first of the branches is counted. All of them are computed.",
            edit=[('for branch in layer["branches"]:', 'for branch in layer["branches"][:1]:')],
        ),
        Mistake(
            "branches_in_series",
            "The branches are counted one behind the other. They stand side by side: each gets what went "
            "into the first.",
            edit=[('for branch in layer["branches"]:', 'for branch in [sum(layer["branches"], [])]:')],
        ),
        Mistake(
            "stride_lost",
            "The convolutions are counted as if their stride were 1.",
            edit=[('layer["kernel"], layer["stride"])', 'layer["kernel"], 1)')],
        ),
        Mistake(
            "shape_too_early",
            "A layer's cost is counted with the shape that comes out of it. The cost depends on what goes "
            "in.",
            edit=[
                ('kind = layer["kind"]', 'kind, shape = layer["kind"], output_shape(layer, shape)'),
                ("        shape = output_shape(layer, shape)\n    return", "    return"),
            ],
        ),
        Mistake(
            "flops_doubled",
            "The parameters are right; the other total is twice what is asked. A multiplication with its "
            "addition "
            "counts once.",
            edit=[("return parameters, multiply_adds", "return parameters, 2 * multiply_adds")],
        ),
        Mistake(
            "swapped",
            "The two totals are in the wrong order: parameters first.",
            edit=[("return parameters, multiply_adds", "return multiply_adds, parameters")],
        ),
    ],
    also_right=[
        Right("one_at_a_time", source=ONE_AT_A_TIME),
        Right("with_a_stack", source=WITH_A_STACK),
        Right("as_numpy_sums", source=AS_NUMPY_SUMS),
    ],
)
