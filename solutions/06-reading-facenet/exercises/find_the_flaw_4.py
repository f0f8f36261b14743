"""A relative reduction divided by the wrong error."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="60 percent less error",
    points=1,
    minutes=5,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, table 6 and section 5.5",
    kind=Reply(
        parts=("line", "value"),
        answer=(3, 37.1),
        rtol=0.01,
        explanation="A reduction is measured by what there was before: 8.8 of 23.7 is 37 percent. Divided "
        "by the error that is left, 14.9, it becomes 59. The paper's own text says that the relative "
        "reduction is 60 percent, so this is probably how it came about. A table and a sentence of one "
        "paper can disagree; whoever quotes should compute.",
    ),
    hints=[
        "Write the three errors down: 100 minus each rate. Lines 3 and 4 do the same thing with them. Do "
        "they do it in the same way?",
        "If all of the error vanished, the reduction should be 100 percent. What does line 3's way of "
        "reckoning give?",
    ],
    mistakes=[
        Mistake(
            "divided_by_which",
            "That is the line. A reduction is a part of something. Of what?",
            reply=(3, None),
        ),
        Mistake(
            "of_accuracy",
            "That is the line. This is the growth of the validation rate, not the reduction of the error.",
            reply=(3, 11.53),
        ),
        Mistake(
            "points",
            "That is the line. These are percentage points; the line speaks of a part of the error.",
            reply=(3, 8.8),
        ),
        Mistake(
            "as_a_fraction",
            "That is the line, and the number is right as a fraction. It is asked in percent.",
            reply=(3, 0.3713),
        ),
        Mistake(
            "down_to_the_last",
            "That is the line, but this is the reduction down to 260 million images.",
            reply=(3, 41.77),
        ),
        Mistake(
            "first_gain",
            "Line 1 holds: 85.1 − 76.3.",
            reply=(1, None),
        ),
        Mistake(
            "error_left",
            "Line 2 holds: what is missing to 100.",
            reply=(2, None),
        ),
        Mistake(
            "second_step",
            "Line 4 holds: 1.1 of 14.9.",
            reply=(4, None),
        ),
        Mistake(
            "hours",
            "Line 5 holds. The hours are the same, so the number of images looked at is about the same.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("rounded", reply=(3, 37)),
        Right("in_full", reply=(3, 37.1308)),
        Right("computed", reply=[3, 100 * (1 - 14.9 / 23.7)]),
    ],
)
