"""A value outside another's error bar taken for a significant difference."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="Is 512 worse?",
    points=1,
    minutes=8,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, table 5 and section 5.4",
    kind=Reply(
        parts=("line", "value"),
        answer=(4, 0.404),
        rtol=0.02,
        explanation="The gap has a standard error of its own, 2.76, because both values are uncertain. 2.3 "
        "is 0.83 of it, and a gap at least that wide comes up by chance two times in five. That one value "
        "lies outside the other's bar says little: even where nothing differs, one draw in three falls "
        "outside a bar of one standard error. The paper says it plainly: the differences in Table 5 are "
        "statistically insignificant.",
    ),
    hints=[
        "Draw both values many times from normal distributions with the same mean and their standard "
        "errors. How often are they at least 2.3 apart?",
        "Line 2 gives the standard error of the gap. Line 4 looks at the bar of one value alone.",
        "For a gap of z standard errors the two-sided probability is math.erfc(z / math.sqrt(2)).",
    ],
    mistakes=[
        Mistake(
            "which_probability",
            "That is the line. How often would chance alone set the two at least 2.3 apart, in either "
            "direction?",
            reply=(4, None),
        ),
        Mistake(
            "one_sided",
            "That is the line. This counts gaps in one direction only. Nobody said beforehand which size "
            "would win.",
            reply=(4, 0.202),
        ),
        Mistake(
            "z",
            "That is the line, but this is the gap in standard errors. The line speaks of a probability.",
            reply=(4, 0.834),
        ),
        Mistake(
            "one_bar_only",
            "That is the line. You measured the gap by the standard error of one value; the other one is "
            "uncertain too.",
            reply=(4, 0.226),
        ),
        Mistake(
            "bars_added",
            "That is the line. You added the two standard errors; for independent errors their squares add.",
            reply=(4, 0.555),
        ),
        Mistake(
            "gap",
            "Line 1 holds: 87.9 − 85.6.",
            reply=(1, None),
        ),
        Mistake(
            "squares_add",
            "Line 2 holds for independent values: √(1.9² + 2.0²).",
            reply=(2, None),
        ),
        Mistake(
            "sixty_four",
            "Line 3 holds: 1.1 over √(1.9² + 1.7²).",
            reply=(3, None),
        ),
        Mistake(
            "five_splits",
            "Line 5 holds. The paper computes the standard error across five splits.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("rounded", reply=(4, 0.4)),
        Right("in_full", reply=(4, 0.4044222)),
        Right("simulated", reply=[4, 0.4061]),
    ],
)
