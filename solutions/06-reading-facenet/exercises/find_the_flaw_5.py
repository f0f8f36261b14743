"""The hardest negative taken for a hard one."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="Hard and hardest",
    points=1,
    minutes=8,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, section 3.2; Hermans et al. 2017, In defense of the triplet "
    "loss, section 2",
    kind=Reply(
        parts=("line", "value"),
        answer=(3, 27),
        rtol=0.01,
        explanation="Hardest is a rank: the closest of all negatives, and there always is one. Hard is a "
        "comparison with the positive: d_an ≤ d_ap. In this batch the hardest negative is hard for 27 of "
        "160 pairs only; for 111 pairs even the hardest is easy. The better the model, the rarer the hard "
        "ones, while the hardest stay. So a semi-hard negative can be the hardest of its batch.",
    ),
    hints=[
        "Compare a pair's distance with the smallest distance from its anchor to another identity.",
        "distances[i, j] and labels are all you need. Go over the ordered pairs with a loop.",
    ],
    mistakes=[
        Mistake(
            "count_pairs",
            "That is the line. For how many of the pairs is the anchor's closest negative no farther than "
            "the positive?",
            reply=(3, None),
        ),
        Mistake(
            "triplets",
            "That is the line, but these are triplets. Each pair counts once, however many of its "
            "negatives are hard.",
            reply=(3, 81),
        ),
        Mistake(
            "active_pairs",
            "That is the line, but these are the pairs whose hardest negative is hard or semi-hard.",
            reply=(3, 49),
        ),
        Mistake(
            "unordered",
            "Line 1 holds: the pairs are ordered, anchor first. Each of 40 images has four positives.",
            reply=(1, None),
        ),
        Mistake(
            "one_per_anchor",
            "Line 2 holds. The closest negative does not depend on the positive.",
            reply=(2, None),
        ),
        Mistake(
            "loss_at_least",
            "Line 4 holds: where d_an ≤ d_ap, the bracket of the loss is at least the margin.",
            reply=(4, None),
        ),
        Mistake(
            "quiet_pairs",
            "Line 5 holds: count the pairs whose closest negative is at least the margin farther than the "
            "positive.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("as_list", reply=[3, 27]),
        Right("as_float", reply=(3, 27.0)),
        Right("as_text_of_line", reply=(3.0, 27)),
    ],
)
