"""The max taken for something that silences what is positive."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="What the max silences",
    points=1,
    minutes=5,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, equation 3",
    kind=Reply(
        parts=("line", "value"),
        answer=(4, 0.566),
        rtol=0.01,
        explanation="The max passes on what is positive and silences what is negative. Where the bracket "
        "is positive the triplet violates the margin, and the anchor's gradient is 2(n − p) = (0.4, −0.4), "
        "of length 0.566. Line 5's triplet is the silent one: it already obeys the margin. Were it the "
        "other way round, training would polish good triplets and leave the bad ones alone.",
    ),
    hints=[
        "Move the anchor a little in both directions and watch the loss. loss_of takes any anchor.",
        "Where the bracket is positive, the loss is the bracket. Differentiate that with respect to a.",
    ],
    mistakes=[
        Mistake(
            "measure_it",
            "That is the line. How long is the gradient there? Central differences of loss_of will tell.",
            reply=(4, None),
        ),
        Mistake(
            "half",
            "That is the line. A squared distance has a derivative with a factor 2.",
            reply=(4, 0.283),
        ),
        Mistake(
            "positive_only",
            "That is the line. This is the part of the positive alone; the negative pulls as well.",
            reply=(4, 1.789),
        ),
        Mistake(
            "negative_only",
            "That is the line. This is the part of the negative alone; the positive pulls as well.",
            reply=(4, 1.265),
        ),
        Mistake(
            "one_component",
            "That is the line. This is one component of the gradient; its length is asked.",
            reply=(4, 0.4),
        ),
        Mistake(
            "to_positive",
            "Line 1 holds: 0.4² + 0.8².",
            reply=(1, None),
        ),
        Mistake(
            "to_negative",
            "Line 2 holds: 0.2² + 0.6².",
            reply=(2, None),
        ),
        Mistake(
            "loss",
            "Line 3 holds: 0.8 − 0.4 + 0.2.",
            reply=(3, None),
        ),
        Mistake(
            "exchanged",
            "Line 5 holds: 0.4 − 0.8 + 0.2 is below zero.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("rounded", reply=(4, 0.57)),
        Right("in_full", reply=(4, 0.5656854)),
        Right("computed", reply=[4, 2 * 0.08**0.5]),
    ],
)
