"""What NN3 costs: the same weights, applied at fewer places."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="The smaller image",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 3.3 and tables 2 and 3",
    kind=Reply(
        parts=("line", "value"),
        answer=(4, 814.6),
        rtol=0.01,
        explanation="A weight is used once at every output position. The image has (160/224)² = 0.51 times "
        "the positions, and so have all convolutions: 814.6 million multiply-adds. The parameters stay, "
        "because a convolution's weights do not know the size of the image. Parameters are a cost in "
        "memory, multiply-adds a cost in time, and only one of them moved here.",
    ),
    hints=[
        "Which of the five lines can network_cost check? Build the network and ask.",
        "nn2(160) is NN3. Compare both of its totals with NN2's.",
    ],
    mistakes=[
        Mistake(
            "positions_forgotten",
            "That is the line, but not the number. How many places are there to apply a filter in an image "
            "of 160 × 160?",
            reply=(4, None),
        ),
        Mistake(
            "linear_in_the_side",
            "That is the line, but the cost was scaled with the side of the image. Positions fill an area.",
            reply=(4, 1140.4),
        ),
        Mistake(
            "other_unit",
            "That is the line, and the size of the number is right. It is asked in millions.",
            reply=(4, 0.8146),
        ),
        Mistake(
            "flops_apart",
            "That is the line. Multiplications and additions are counted apart here; the argument counts "
            "them together.",
            reply=(4, 1629.2),
        ),
        Mistake(
            "size_after_conv1",
            "Line 1 holds: a stride of 2 halves 160.",
            reply=(1, None),
        ),
        Mistake(
            "parameters_kept",
            "Line 2 holds. No weight of a convolution depends on how large the image is.",
            reply=(2, None),
        ),
        Mistake(
            "last_layer",
            "Line 3 holds. Whatever is left of the image, the average pool makes it 1 × 1 × 1024.",
            reply=(3, None),
        ),
        Mistake(
            "table_three",
            "Line 5 holds: look at Table 3 once more, and subtract.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("rounded", reply=(4, 815)),
        Right("in_full", reply=[4, 814.620672]),
        Right("by_area", reply=(4, 1596.53 * (160 / 224) ** 2)),
    ],
)
