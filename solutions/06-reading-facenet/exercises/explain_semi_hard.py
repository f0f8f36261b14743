"""The written question of lesson 06: what semi-hard means and what it is for."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="What semi-hard negatives are for",
    points=1,
    minutes=10,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, section 3.2",
    kind=Written(
        rubric=[
            (
                0.4,
                "Gives both bounds, d_ap < d_an < d_ap + α, and says where each stands in the paper: the "
                "lower "
                "in equation 4, the upper in the sentence after it.",
            ),
            (
                0.3,
                "Says why easy negatives are passed over: their loss and gradient are zero, and they would "
                "still "
                "cost a pass through the network.",
            ),
            (
                0.3,
                "Says why the hardest negatives are avoided early in training: they can send the model to a "
                "single point (collapse), or are mislabelled faces. Does not confuse hardest with hard.",
            ),
        ],
        model_answer=(
            "A negative is semi-hard for an anchor and a positive if d_ap < d_an < d_ap + α. Equation 4 of "
            "the paper "
            "gives the lower bound only. The upper one is in the sentence after it: such negatives lie "
            "inside the "
            "margin.\n\n"
            "Beyond the upper bound the negatives are easy. Their loss and their gradient are zero, yet "
            "they would be "
            "passed through the network like the others. Below the lower bound they are hard. The paper "
            "reports that "
            "picking the hardest of all early in training can end in a collapsed model, one point for "
            "every face, "
            "where the loss reads α and the gradient is zero. The hardest of a whole data set are also often "
            "mislabelled. Semi-hard ones give a gradient without these dangers. Hard and hardest are two "
            "notions: in a "
            "batch without hard negatives the hardest one may well be semi-hard."
        ),
    ),
    hints=[
        "Write both inequalities down, and find where in section 3.2 each of them stands.",
        "What does the loss give for a negative beyond the upper bound? What did the authors see below the "
        "lower one?",
    ],
)
