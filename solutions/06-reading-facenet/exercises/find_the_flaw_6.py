"""Semi-hard with the inequality the wrong way round."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="What is semi-hard?",
    points=1,
    minutes=8,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, equation 4 and the sentence after it",
    kind=Reply(
        parts=("line", "value"),
        answer=(3, 104),
        rtol=0.01,
        explanation="A negative closer than the positive is hard. Semi-hard ones are farther than the "
        "positive, but by less than the margin: d_ap < d_an < d_ap + α, which is 104 triplets here. "
        "Equation 4 of the paper prints the first inequality only; the second is in the sentence after it. "
        "Without it nearly every easy triplet would count: 5519 in place of 104.",
    ),
    hints=[
        "Lines 2 and 4 together say how many triplets are active. Which two sorts are these?",
        "Read the sentence after the paper's equation 4. It adds a bound that the equation does not print.",
    ],
    mistakes=[
        Mistake(
            "which_side",
            "That is the line. On which side of the positive does a semi-hard negative lie, and how far "
            "may it be?",
            reply=(3, None),
        ),
        Mistake(
            "no_upper_bound",
            "That is the line. You took every negative that is farther than the positive, the easy ones too.",
            reply=(3, 5519),
        ),
        Mistake(
            "all_active",
            "That is the line. These are all active triplets; the hard ones are among them.",
            reply=(3, 185),
        ),
        Mistake(
            "pairs",
            "That is the line, but these are pairs with at least one semi-hard negative. Count triplets.",
            reply=(3, 45),
        ),
        Mistake(
            "all_triplets",
            "Line 1 holds: 160 pairs times 35 images of other identities.",
            reply=(1, None),
        ),
        Mistake(
            "easy",
            "Line 2 holds: d_an ≥ d_ap + α.",
            reply=(2, None),
        ),
        Mistake(
            "active",
            "Line 4 holds. What is not easy has a loss above zero.",
            reply=(4, None),
        ),
        Mistake(
            "one_per_pair",
            "Line 5 holds: at most one for each of the pairs.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("as_list", reply=[3, 104]),
        Right("as_float", reply=(3, 104.0)),
        Right("line_as_float", reply=(3.0, 104)),
    ],
)
