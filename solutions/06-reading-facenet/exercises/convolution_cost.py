"""What one convolution costs: its parameters with biases, its multiply-adds without them."""

from __future__ import annotations

from autograder.judging.exercise import Case, Exercise, Function, Mistake, Right

ARGUMENTS = ("height", "width", "in_channels", "out_channels", "kernel", "stride")


def sizes(*numbers):
    """Return a draw that gives just these six numbers."""
    return lambda rng: dict(zip(ARGUMENTS, numbers, strict=True))


def drawn_sizes(rng):
    """Draw an image that no stride divides, and channels that are all different."""
    return {
        "height": int(rng.integers(11, 40)) * 2 + 1,
        "width": int(rng.integers(41, 60)) * 2 + 1,
        "in_channels": int(rng.integers(5, 9)),
        "out_channels": int(rng.integers(10, 20)),
        "kernel": int(rng.choice([3, 5])),
        "stride": 2,
    }


def oracle(height, width, in_channels, out_channels, kernel, stride):
    """Visit every output position and every tap of the kernel, and count."""
    taps = 0
    for _ in range(kernel):
        for _ in range(kernel):
            taps += in_channels
    positions = 0
    for _ in range(0, int(height), int(stride)):
        for _ in range(0, int(width), int(stride)):
            positions += 1
    per_filter = taps + 1
    return sum(per_filter for _ in range(out_channels)), positions * taps * out_channels


CEILINGS = """
def convolution_cost(height, width, in_channels, out_channels, kernel, stride):
    outputs = math.ceil(height / stride) * math.ceil(width / stride) * out_channels
    per_output = in_channels * kernel**2
    return (per_output + 1) * out_channels, outputs * per_output
"""

FROM_SHAPES = """
def convolution_cost(height, width, in_channels, out_channels, kernel, stride):
    weight, bias = np.zeros((out_channels, in_channels, kernel, kernel)), np.zeros(out_channels)
    rows, columns = len(range(0, height, stride)), len(range(0, width, stride))
    return weight.size + bias.size, rows * columns * weight.size
"""

NUMPY_WHOLE_NUMBERS = """
def convolution_cost(height, width, in_channels, out_channels, kernel, stride):
    out = np.array([height + stride - 1, width + stride - 1]) // stride
    weights = np.prod([kernel, kernel, in_channels, out_channels])
    return [weights + out_channels, np.prod(out) * weights]
"""

PADDED = """
def convolution_cost(height, width, in_channels, out_channels, kernel, stride):
    padding = (kernel - 1) // 2
    def out(size):
        return (size + 2 * padding - kernel) // stride + 1
    macs = out(height) * out(width) * in_channels * out_channels * kernel * kernel
    return out_channels * (in_channels * kernel * kernel + 1), macs
"""

exercise = Exercise(
    title="The cost of a convolution",
    points=2,
    minutes=10,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, tables 1 and 2 (columns param and FLPS)",
    kind=Function(returns=("parameters", "multiply_adds"), integer=True, plain=True),
    hints=[
        "How many numbers does one filter hold? It looks at a kernel-by-kernel window of every input "
        "channel.",
        "A filter has one bias. All weights are used once at every output position, and biases are not "
        "multiplied.",
        "There are ⌈height/stride⌉ · ⌈width/stride⌉ output positions. In whole numbers the ceiling of a/b "
        "is -(-a // b).",
    ],
    oracle=oracle,
    cases=[
        Case("drawn", "an odd image, stride 2, all numbers different", drawn_sizes),
        Case("first_layer", "a 9 × 7 image in colour, 5 × 5 kernel, stride 2", sizes(9, 7, 3, 4, 5, 2)),
        Case("one_by_one", "a 1 × 1 kernel", sizes(6, 5, 7, 3, 1, 1)),
        Case("stride_three", "stride 3, which does not divide the sides", sizes(10, 8, 2, 5, 3, 3)),
        Case("one_pixel", "an image of one pixel, smaller than the kernel", sizes(1, 1, 4, 6, 3, 1)),
        Case("wide_kernel", "a kernel wider than the stride's grid", sizes(13, 4, 5, 2, 7, 4)),
        Case(
            "large", "a layer of more than 2³¹ multiply-adds", sizes(223, 301, 96, 64, 5, 1), only_judge=True
        ),
    ],
    mistakes=[
        Mistake(
            "no_biases",
            "The multiply-adds are right, but each filter also has a bias, which is a parameter.",
            edit=[("weights + out_channels,", "weights,")],
        ),
        Mistake(
            "biases_multiplied",
            "The biases are counted among the multiply-adds. They are added, and here additions alone are "
            "free.",
            edit=[("out_height * out_width * weights", "out_height * out_width * (weights + out_channels)")],
        ),
        Mistake(
            "kernel_not_squared",
            "The kernel counts once. It is as high as it is wide.",
            edit=[("kernel * kernel * in_channels", "kernel * in_channels")],
        ),
        Mistake(
            "input_positions",
            "The filters are applied at every input pixel. With a stride they are applied at fewer places.",
            edit=[("-(-height // stride), -(-width // stride)", "height, width")],
        ),
        Mistake(
            "floor",
            "The output size is rounded down. With this padding a last, incomplete step still gives an "
            "output.",
            edit=[("-(-height // stride), -(-width // stride)", "height // stride, width // stride")],
        ),
        Mistake(
            "no_padding",
            "This is the output size without padding. Here the image is padded, so that only the stride "
            "shrinks it.",
            edit=[
                (
                    "-(-height // stride), -(-width // stride)",
                    "(height - kernel) // stride + 1, (width - kernel) // stride + 1",
                )
            ],
        ),
        Mistake(
            "stride_once",
            "The stride shortens one side only. It works down the image as well as across.",
            edit=[("-(-width // stride)", "width")],
        ),
        Mistake(
            "square_image",
            "The image's height is used for both sides. It need not be square.",
            edit=[("-(-width // stride)", "-(-height // stride)")],
        ),
        Mistake(
            "one_input_channel",
            "Each filter looks at one input channel. A filter reaches through all of them.",
            edit=[("kernel * kernel * in_channels", "kernel * kernel")],
        ),
        Mistake(
            "one_filter",
            "This is the cost of one filter. There are as many filters as output channels.",
            edit=[(" * out_channels", ""), ("weights + out_channels", "weights + 1")],
        ),
        Mistake(
            "flops_doubled",
            "The parameters are right; the other number is twice what is asked. A multiplication with the "
            "addition that follows counts once here.",
            edit=[("out_height * out_width * weights", "2 * out_height * out_width * weights")],
        ),
        Mistake(
            "weights_per_position",
            "The parameters grow with the image. A convolution uses the same weights everywhere.",
            edit=[("weights + out_channels,", "out_height * out_width * weights + out_channels,")],
        ),
        Mistake(
            "bias_per_input_channel",
            "There are as many biases here as input channels. A bias belongs to a filter, that is, to an "
            "output channel.",
            edit=[("weights + out_channels,", "weights + in_channels,")],
        ),
        Mistake(
            "swapped",
            "The two numbers are in the wrong order: parameters first.",
            edit=[
                (
                    "return weights + out_channels, out_height * out_width * weights",
                    "return out_height * out_width * weights, weights + out_channels",
                )
            ],
        ),
    ],
    also_right=[
        Right("ceilings", source=CEILINGS),
        Right("from_shapes", source=FROM_SHAPES),
        Right("numpy_whole_numbers", source=NUMPY_WHOLE_NUMBERS),
        Right("padded", source=PADDED),
    ],
)
