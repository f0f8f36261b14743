"""A written question of lesson 06: a result of the paper, checked."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="Your favourite result",
    points=1,
    minutes=10,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, section 5 and the appendix",
    kind=Written(
        rubric=[
            (
                0.4,
                "Names one result with its table, figure or section, and quotes its numbers rightly, with "
                "their "
                "uncertainty where the paper gives one.",
            ),
            (
                0.3,
                "Says what was measured: the data, the rate or distance, and what it was compared with.",
            ),
            (
                0.3,
                "Says what the result does not show, or checks it by a computation of their own.",
            ),
        ],
        model_answer=(
            "My favourite is Table 3's line for NN3. It has NN2's weights and a smaller image, 160 in "
            "place of 224 "
            "pixels, and reaches 88.3 ± 1.7 percent where NN2 reaches 89.4 ± 1.6. Both are validation "
            "rates at a "
            "false accept rate of 10⁻³ on the hold-out set, means over five splits. NN3 needs 815 million "
            "multiply-adds, "
            "NN2 1597 million: half the work.\n\n"
            "The gap is 1.1 points. Its standard error, if the two were independent, is √(1.7² + 1.6²) = "
            "2.3, so that it "
            "is 0.5 standard errors and no difference has been shown. Nor has it been shown that there is "
            "none: the "
            "splits are shared, and a paired test might see more. The paper prints no figures per split."
        ),
    ),
    hints=[
        "Tables 3 to 6, the results on LFW and on YouTube faces, the clusters, and the harmonic embeddings "
        "of the appendix "
        "are all candidates.",
        "Ask of the number: on which data, at which false accept rate, with which uncertainty, compared "
        "with what?",
    ],
)
