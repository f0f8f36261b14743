"""The ratios of NN1, NN2 and ResNet-50 in parameters and multiply-adds."""

from __future__ import annotations

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right

KEYS = tuple(
    f"{pair}_{what}"
    for pair in ("nn1_nn2", "nn1_resnet50", "nn2_resnet50")
    for what in ("parameters", "multiply_adds")
)

NN1_ROWS = [  # side of the output, kernel, channels in, channels out
    (110, 7, 3, 64), (55, 1, 64, 64), (55, 3, 64, 192), (28, 1, 192, 192), (28, 3, 192, 384),
    (14, 1, 384, 384),
    (14, 3, 384, 256), (14, 1, 256, 256), (14, 3, 256, 256), (14, 1, 256, 256), (14, 3, 256, 256),
    (1, 7, 256, 2 * 4096), (1, 1, 4096, 2 * 4096), (1, 1, 4096, 128),
]  # fmt: skip

NN2_MODULES = [  # side in, side out, channels in, 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection
    (28, 28, 192, 64, 96, 128, 16, 32, 32), (28, 28, 256, 64, 96, 128, 32, 64, 64),
    (28, 14, 320, 0, 128, 256, 32, 64, 0), (14, 14, 640, 256, 96, 192, 32, 64, 128),
    (14, 14, 640, 224, 112, 224, 32, 64, 128), (14, 14, 640, 192, 128, 256, 32, 64, 128),
    (14, 14, 640, 160, 144, 288, 32, 64, 128), (14, 7, 640, 0, 160, 256, 64, 128, 0),
    (7, 7, 1024, 384, 192, 384, 48, 128, 128), (7, 7, 1024, 384, 192, 384, 48, 128, 128),
]  # fmt: skip


def nn2_rows():
    """Yield the convolutions of NN2."""
    yield from [(112, 7, 3, 64), (56, 1, 64, 64), (56, 3, 64, 192)]
    for side, out, depth, one, reduce3, three, reduce5, five, projection in NN2_MODULES:
        yield out, 1, depth, one
        yield from [(side, 1, depth, reduce3), (out, 3, reduce3, three)]
        yield from [(side, 1, depth, reduce5), (out, 5, reduce5, five)]
        yield out, 1, depth, projection
    yield 1, 1, 1024, 128


def resnet_rows():
    """Yield the convolutions of ResNet-50, with a stage's stride in the first 1×1 convolutions."""
    yield 112, 7, 3, 64
    depth = 64
    for side, width, blocks in ((56, 64, 3), (28, 128, 4), (14, 256, 6), (7, 512, 3)):
        yield side, 1, depth, 4 * width
        for _ in range(blocks):
            yield from [(side, 1, depth, width), (side, 3, width, width), (side, 1, width, 4 * width)]
            depth = 4 * width


def added_up(rows, per_filter):
    """Return parameters, with so many numbers per filter beside its weights, and multiply-adds."""
    numbers = products = 0
    for side, kernel, depth, filters in rows:
        weights = filters * depth * kernel**2
        numbers += weights + per_filter * filters
        products += weights * side**2
    return numbers, products


def oracle():
    """Add up the tables' convolutions row by row; fully connected layers are rows of side 1."""
    nn1, nn2 = added_up(NN1_ROWS, 1), added_up(nn2_rows(), 1)
    body = added_up(resnet_rows(), 2)
    head = added_up([(1, 1, 2048, 1000)], 1)
    resnet = (body[0] + head[0], body[1] + head[1])
    pairs = ((nn1, nn2), (nn1, resnet), (nn2, resnet))
    found = [first[place] / second[place] for first, second in pairs for place in range(2)]
    return dict(zip(KEYS, found, strict=True))


PLAIN = """
def compare_networks():
    (p1, m1), (p2, m2), (p3, m3) = network_cost(NN1), network_cost(NN2), network_cost(RESNET50)
    return {
        "nn1_nn2_parameters": p1 / p2, "nn1_nn2_multiply_adds": m1 / m2,
        "nn1_resnet50_parameters": p1 / p3, "nn1_resnet50_multiply_adds": m1 / m3,
        "nn2_resnet50_parameters": p2 / p3, "nn2_resnet50_multiply_adds": m2 / m3,
    }
"""

IN_NUMPY = """
def compare_networks():
    costs = np.array([network_cost(net) for net in (NN1, NN2, RESNET50)], dtype=float)
    names, found = ["nn1", "nn2", "resnet50"], {}
    for i, j in [(1, 2), (0, 2), (0, 1)]:
        for k, what in enumerate(["parameters", "multiply_adds"]):
            found["_".join([names[i], names[j], what])] = costs[i, k] / costs[j, k]
    return found
"""

ROUNDED = """
def compare_networks():
    found = {}
    for a, first in {"nn1": NN1, "nn2": NN2}.items():
        for b, second in {"nn2": NN2, "resnet50": RESNET50}.items():
            if a != b:
                whats = ["parameters", "multiply_adds"]
                for what, x, y in zip(whats, network_cost(first), network_cost(second)):
                    found[f"{a}_{b}_{what}"] = round(x / y, 4)
    return found
"""

exercise = Exercise(
    title="NN1, NN2 and ResNet-50",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, tables 1 and 2; He et al. 2016, Deep residual learning, table 1",
    kind=Function(returns=KEYS, form="dict", plain=True),
    hints=[
        "Ask network_cost for each of the three lists first, once each.",
        "The key says what is divided by what: nn1_nn2_parameters is NN1's parameters over NN2's.",
    ],
    oracle=oracle,
    rtol=5e-4,
    cases=[Case("ratios", "the three networks as the tables give them", lambda rng: {})],
    mistakes=[
        Mistake(
            "upside_down",
            "These are the ratios the other way up. The network named first is divided by the second.",
            edit=[
                ("costs[first][place] / costs[second][place]", "costs[second][place] / costs[first][place]")
            ],
        ),
        Mistake(
            "share_saved",
            "This is what is saved, one minus the ratio. The ratio itself is asked.",
            edit=[
                (
                    "costs[first][place] / costs[second][place]",
                    "1 - costs[first][place] / costs[second][place]",
                )
            ],
        ),
        Mistake(
            "percent",
            "These are percentages. Ratios are asked.",
            edit=[("= costs[first]", "= 100 * costs[first]")],
        ),
        Mistake(
            "columns_exchanged",
            "Parameters and multiply-adds are exchanged. Which comes first in what network_cost returns?",
            edit=[('("parameters", "multiply_adds")', '("multiply_adds", "parameters")')],
        ),
        Mistake(
            "late_stride",
            "Your ResNet-50 has its strides in the 3×3 convolutions, as later code bases do. The paper's "
            "table "
            "has them in the 1×1 ones before.",
            edit=[("network_cost(RESNET50)", "network_cost(resnet50(early_stride=False))")],
        ),
        Mistake(
            "embedding_head",
            "This ResNet-50 ends in 128 numbers. It makes a fair comparison, but here the one with 1000 "
            "classes is "
            "asked.",
            edit=[("network_cost(RESNET50)", "network_cost(resnet50(outputs=128))")],
        ),
        Mistake(
            "flops_for_one",
            "Two conventions are mixed: multiplications and additions apart for ResNet-50, together for the "
            "others. Both papers count them together.",
            edit=[
                (
                    'for first, second in (("nn1"',
                    'costs["resnet50"] = (costs["resnet50"][0], 2 * costs["resnet50"][1])\n'
                    '    for first, second in (("nn1"',
                )
            ],
        ),
        Mistake(
            "no_maxout",
            "NN1 has 71.9 million parameters here. Its first two fully connected layers have two pieces "
            "each.",
            edit=[("network_cost(NN1)", 'network_cost([layer | {"pieces": 1} for layer in NN1])')],
        ),
    ],
    also_right=[
        Right("written_out", source=PLAIN),
        Right("in_numpy", source=IN_NUMPY),
        Right("rounded", source=ROUNDED),
    ],
)
