"""Frequencies that are orthogonal within blocks of D rows, each as long as a Gaussian row would be."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Mistake, Right, Sampler, Seed


def sizes(num_frequencies, dim, sigma2):
    """Return a draw of these sizes and a seed."""

    def draw(rng):
        seed = Seed(int(rng.integers(2**31)))
        return {"num_frequencies": num_frequencies, "dim": dim, "sigma2": sigma2, "rng": seed}

    return draw


def gram_schmidt(num_frequencies, dim, sigma2, rng):
    """Take from each new Gaussian row what the rows of its block cover; its own length is kept."""
    rows = []
    for number in range(num_frequencies):
        block = rows[number - number % dim :]
        fresh = rng.normal(size=dim)
        direction = fresh.copy()
        for _ in range(2):
            for other in block:
                direction -= (direction @ other) / (other @ other) * other
        rows.append(direction / np.linalg.norm(direction) * np.linalg.norm(fresh) / np.sqrt(sigma2))
    return rows


def by_svd(num_frequencies, dim, sigma2, rng):
    """Multiply both rotations of a stack of singular value decompositions; lengths are roots of χ² draws."""
    stack = rng.normal(size=(-(-num_frequencies // dim), dim, dim))
    left, _, right = np.linalg.svd(stack)
    directions = (left @ right).reshape(-1, dim)[:num_frequencies]
    return directions * np.sqrt(rng.chisquare(dim, size=(num_frequencies, 1)) / sigma2)


def without_signs(num_frequencies, dim, sigma2, rng):
    """Use the columns of LAPACK's Q as they come, with the lengths of the very rows that made them."""
    table = np.empty((0, dim))
    while len(table) < num_frequencies:
        drawn = rng.normal(size=(dim, dim))
        table = np.vstack([table, np.linalg.qr(drawn)[0].T * np.linalg.norm(drawn, axis=0)[:, None]])
    return table[:num_frequencies] * sigma2**-0.5


TORCH_BATCHED = """
def orthogonal_frequencies(num_frequencies, dim, sigma2, rng):
    blocks = -(-num_frequencies // dim)
    left, _, right = torch.linalg.svd(torch.randn(blocks, dim, dim, generator=rng, dtype=torch.float64))
    lengths = torch.randn(num_frequencies, dim, generator=rng, dtype=torch.float64).norm(dim=1)
    return (left @ right).flatten(0, 1)[:num_frequencies] * lengths[:, None] / math.sqrt(sigma2)
"""

TORCH_INIT = """
def orthogonal_frequencies(num_frequencies, dim, sigma2, rng):
    blocks = []
    for start in range(0, num_frequencies, dim):
        block = torch.nn.init.orthogonal_(torch.empty(dim, dim), generator=rng)
        blocks.append(block[: num_frequencies - start])
    lengths = torch.randn(num_frequencies, dim, generator=rng).square().sum(1, keepdim=True).sqrt()
    return torch.vstack(blocks) * lengths * sigma2**-0.5
"""

TORCH_SAME_LENGTHS = """
def orthogonal_frequencies(num_frequencies, dim, sigma2, rng):
    drawn = torch.randn(-(-num_frequencies // dim), dim, dim, generator=rng)
    directions = torch.linalg.qr(drawn).Q.mT
    rows = directions * drawn.norm(dim=1)[..., None]
    return rows.reshape(-1, dim)[:num_frequencies] / sigma2**0.5
"""

LENGTHS = "np.linalg.norm(rng.normal(size=(num_frequencies, dim)), axis=1)"

exercise = Exercise(
    title="Orthogonal frequencies",
    points=3,
    minutes=20,
    difficulty=3,
    source="Yu et al. 2016, Orthogonal Random Features, section 3; "
    "Choromanski et al. 2021, Rethinking Attention with Performers, section 2.4",
    kind=Sampler(
        statistics=(
            "orthogonal_blocks",
            "row_lengths",
            "independent_lengths",
            "independent_blocks",
            "uniform_directions",
        )
    ),
    hints=[
        "Direction and length of a Gaussian row are independent. Only the directions shall become orthogonal.",
        "The QR decomposition of a D × D Gaussian matrix gives D orthogonal unit vectors. Do one for each block, "
        "and cut the last block short.",
        "Give every unit row the norm of a fresh Gaussian row of D components, drawn for it alone. Then divide "
        "by σ as before.",
    ],
    unchecked_mutants={
        "rotation * np.sign(np.diag(triangle)) → rotation / np.sign(np.diag(triangle))": "signs are their own inverse",
        "rotation * np.sign(np.diag(triangle)) → rotation * 1": "sine and cosine features don't see signs",
        "rotations * signs[:, None, :] → rotations / signs[:, None, :]": "signs are their own inverse",
        "rotations * signs[:, None, :] → rotations * 1": "sine and cosine features don't see signs",
        "-num_frequencies // dim → -num_frequencies * dim": "more blocks than needed, which are cut off again",
    },
    cases=[
        Case("many", "many blocks of 5 rows, σ² = 2.3", sizes(3_000, 5, 2.3)),
        Case("pairs", "blocks of 2 rows, σ² = 0.4", sizes(2_001, 2, 0.4)),
        Case("sixteen", "R not a multiple of D = 16", sizes(1_607, 16, 4.0)),
        Case("few", "one whole block and a shorter one", sizes(19, 8, 3.0)),
    ],
    mistakes=[
        Mistake(
            "not_orthogonal",
            "The rows of a block are not orthogonal. These look like plain Gaussian rows.",
            edit=[
                (
                    "np.concatenate(blocks)[:num_frequencies] * lengths[:, None] / np.sqrt(sigma2)",
                    "rng.normal(size=(num_frequencies, dim)) / np.sqrt(sigma2)",
                )
            ],
        ),
        Mistake(
            "unit_rows",
            "All rows have length 1/σ. Orthogonal directions need lengths too: those of Gaussian rows.",
            edit=[(LENGTHS, "np.ones(num_frequencies)")],
        ),
        Mistake(
            "common_length",
            "All rows have length √D/σ. That is right on average, but a Gaussian row's length varies.",
            edit=[(LENGTHS, "np.full(num_frequencies, np.sqrt(dim))")],
        ),
        Mistake(
            "one_length_per_block",
            "Rows of a block share one length. Every row needs a length of its own.",
            edit=[
                (
                    LENGTHS,
                    "np.repeat(np.linalg.norm(rng.normal(size=(num_frequencies, dim)), axis=1), dim)"
                    "[:num_frequencies]",
                )
            ],
        ),
        Mistake(
            "lengths_squared",
            "The rows carry their squared lengths. A Gaussian row's length is the root of a sum of squares.",
            edit=[(LENGTHS, "np.sum(rng.normal(size=(num_frequencies, dim)) ** 2, axis=1)")],
        ),
        Mistake(
            "gaussian_lengths",
            "The lengths are single Gaussian numbers. A row of D components has the length of D of them together.",
            edit=[(LENGTHS, "rng.normal(size=num_frequencies)")],
        ),
        Mistake(
            "variance_inverted",
            "The rows are scaled by σ. Wide kernels need low frequencies, here as before.",
            edit=[("/ np.sqrt(sigma2)", "* np.sqrt(sigma2)")],
        ),
        Mistake(
            "divided_by_sigma2",
            "The rows are divided by σ². Lengths scale with σ.",
            edit=[("/ np.sqrt(sigma2)", "/ sigma2")],
        ),
        Mistake(
            "sigma2_ignored",
            "The lengths are those for σ = 1 whatever σ² is.",
            edit=[(" / np.sqrt(sigma2)", "")],
        ),
        Mistake(
            "block_repeated",
            "The same block stands there again and again. Each block needs a rotation of its own.",
            edit=[
                (
                    "np.concatenate(blocks)[:num_frequencies]",
                    "np.concatenate([blocks[0]] * len(blocks))[:num_frequencies]",
                )
            ],
        ),
        Mistake(
            "axes_only",
            "The directions are the axes. They are orthogonal, but every direction must be equally likely.",
            edit=[("np.linalg.qr(rng.normal(size=(dim, dim)))", "np.linalg.qr(np.eye(dim))")],
        ),
        Mistake(
            "last_block_whole",
            "There are too many rows: R need not be a multiple of D, so the last block is cut short.",
            edit=[
                ("np.concatenate(blocks)[:num_frequencies]", "np.concatenate(blocks)"),
                (
                    "lengths = np.linalg.norm(rng.normal(size=(num_frequencies, dim)), axis=1)",
                    "lengths = np.linalg.norm(rng.normal(size=(dim * len(blocks), dim)), axis=1)",
                ),
            ],
        ),
        Mistake(
            "seed_fixed",
            "Every call gives the same frequencies: a new generator with a fixed seed is made inside. "
            "Use the one that is given.",
            edit=[("blocks = []", "blocks, rng = [], np.random.default_rng(0)")],
            breaks="seed",
        ),
        Mistake(
            "global_generator",
            "The lengths come from the global generator. Use the one that is given, or runs can't be repeated.",
            edit=[(LENGTHS, LENGTHS.replace("rng.", "np.random."))],
            breaks="global_rng",
        ),
        Mistake(
            "generator_not_passed",
            "The generator was not passed on for the lengths, so that torch used its global one.",
            edit=[("torch.randn(num_frequencies, dim, generator=rng)", "torch.randn(num_frequencies, dim)")],
            track="pytorch",
            breaks="global_rng",
        ),
    ],
    also_right=[
        Right("gram_schmidt", function=gram_schmidt, track="from_scratch"),
        Right("by_svd", function=by_svd, track="from_scratch"),
        Right("without_signs", function=without_signs, track="from_scratch"),
        Right("batched_svd", source=TORCH_BATCHED, track="pytorch"),
        Right("torch_init", source=TORCH_INIT, track="pytorch"),
        Right("same_lengths", source=TORCH_SAME_LENGTHS, track="pytorch"),
    ],
)
