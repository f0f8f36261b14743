"""A reply: which line of a chunk loop makes its backward pass quadratic, and by how much.

The listing stands in the PyTorch notebook: slicing inside a loop, for N = 8192 positions,
C = 32 features and chunks of 128.
"""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="Find the quadratic backward pass",
    points=1,
    minutes=10,
    difficulty=2,
    source="The rule for slicing in PyTorch's derivatives.yaml (slice_backward), and split beside it",
    kind=Reply(
        parts=("line", "numbers"),
        answer=(3, 8192 * 32),
        explanation="Each slice in line 3 has a backward step of its own. It fills a gradient as large as the "
        "whole tensor, 8192 · 32 = 262 144 numbers, with zeros but for 128 rows, and adds it to the others. With "
        "N/B slices that is N²·C/B numbers to write and to add. split is one operation for all chunks: its backward "
        "step puts the pieces together once.",
    ),
    hints=[
        "Nothing in the forward pass is quadratic. Which operation has a gradient of another size than its result?",
        "The gradient of x[a:b] with respect to x has the shape of x. How many such gradients are made in one "
        "backward pass?",
    ],
    mistakes=[
        Mistake(
            "size_of_the_slice",
            "That is the line. But the gradient with respect to the whole tensor has another size than the slice.",
            reply=(3, 128 * 32),
        ),
        Mistake(
            "size_of_all_three",
            "That is the line. Count one slice only, the one of query_features.",
            reply=(3, 3 * 8192 * 32),
        ),
        Mistake(
            "all_slices_counted",
            "That is the line. What one slice costs is asked, not what all 64 cost.",
            reply=(3, 64 * 8192 * 32),
        ),
        Mistake(
            "bytes_for_numbers",
            "That is the line, and these are its bytes. Count numbers.",
            reply=(3, 4 * 8192 * 32),
        ),
        Mistake("right_line", "That is the line. Work out the numbers again.", reply=(3, None)),
        Mistake(
            "table_blamed",
            "The table of line 4 is as large as a chunk by a chunk. Its size does not know N.",
            reply=(4, None),
        ),
        Mistake(
            "state_blamed",
            "The state of lines 6 and 7 has C·M numbers, in the backward pass too. That does not grow with N.",
            reply=(6, None),
        ),
        Mistake(
            "cat_blamed",
            "torch.cat runs once. Its backward step cuts one gradient into pieces.",
            reply=(8, None),
        ),
        Mistake(
            "loop_blamed",
            "The loop itself makes N/B rounds, which is linear. What costs more in every round as N grows?",
            reply=(2, None),
        ),
    ],
    also_right=[
        Right("as_a_list", reply=[3, 262144]),
        Right("worked_out", reply=(3, 8192 * 32)),
        Right("powers_of_two", reply=(3, 2**13 * 2**5)),
    ],
)
