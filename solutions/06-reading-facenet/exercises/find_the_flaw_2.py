"""A share of something taken for what is saved."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="42 percent fewer",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, table 1; He et al. 2016, Deep residual learning, table 1",
    kind=Reply(
        parts=("line", "value"),
        answer=(4, 58.4),
        rtol=0.01,
        explanation="0.42 times as many is 58 percent fewer: what is left and what is saved add up to 100. "
        "A test that helps: two networks that cost the same must come out as 0 percent fewer, and line 4's "
        "way of reckoning gives 100. Both numbers rest on one convention, a multiplication with its "
        "addition counted once; with NN1's 3.2 billion separate operations against 3.86 the comparison "
        "would be void.",
    ),
    hints=[
        "Lines 1, 3 and 5 are ratios. compare_networks has them all.",
        "If NN1 did as much work as ResNet-50, what would 'percent fewer' be? Does line 4 give that?",
    ],
    mistakes=[
        Mistake(
            "what_is_left",
            "That is the line. Is this number what is left or what is saved?",
            reply=(4, None),
        ),
        Mistake(
            "as_a_fraction",
            "That is the line, and the number is right as a fraction. Line 4 speaks of percent.",
            reply=(4, 0.584),
        ),
        Mistake(
            "ratio_of_the_other",
            "That is the line. You divided by NN1's multiply-adds; 'fewer than ResNet-50' is measured by "
            "ResNet-50's.",
            reply=(4, 140.2),
        ),
        Mistake(
            "parameters",
            "Line 1 holds: compare_networks gives 5.48.",
            reply=(1, None),
        ),
        Mistake(
            "fully_connected",
            "Line 2 holds. Cut the list NN1 before its last three layers and compare the parameters.",
            reply=(2, None),
        ),
        Mistake(
            "conventions",
            "Line 3 holds. Both papers count a multiplication and its addition as one, and your count of "
            "the tables agrees with both.",
            reply=(3, None),
        ),
        Mistake(
            "nn2_parameters",
            "Line 5 holds: 25.6 million over 7.5 million.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("rounded", reply=(4, 58)),
        Right("in_full", reply=(4, 58.3734)),
        Right("computed", reply=[4, 100 * (1 - 0.41627)]),
    ],
)
