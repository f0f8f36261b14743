"""The variance of random frequencies, upside down."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Mistake, Reply, Right

exercise = Exercise(
    title="How spread are the frequencies?",
    points=1,
    minutes=5,
    difficulty=2,
    source="Rahimi and Recht 2007, Random features for large-scale kernel machines, section 3",
    kind=Reply(
        parts=("line", "value"),
        answer=(3, 0.125),
        rtol=0.01,
        explanation="The frequencies of a Gaussian of variance σ² have variance 1/σ²: a wide kernel is "
        "smooth and needs slow waves. With σ² = 8 that is 0.125. With variance 8 the cosines run through "
        "whole turns between the two points and average to nearly nothing. Where σ = 1 the two variances "
        "agree, so that a test with σ = 1 cannot find this slip.",
    ),
    hints=[
        "Let mean_cosine draw with the variance of line 3. Does the mean of the cosines come out at line "
        "1's kernel?",
        "The mean of cos(w·x) over normal w of variance v is exp(−v‖x‖²/2). Which v gives the kernel?",
    ],
    mistakes=[
        Mistake(
            "too_fast",
            "That is the line. Is a wide, smooth kernel made of fast waves or of slow ones?",
            reply=(3, None),
        ),
        Mistake(
            "standard_deviation",
            "That is the line, but this is the standard deviation. The variance is asked.",
            reply=(3, 0.35355),
        ),
        Mistake(
            "sigma_for_variance",
            "That is the line. You took the root of σ², which would be the kernel's width.",
            reply=(3, 2.8284),
        ),
        Mistake(
            "from_dimension",
            "That is the line. The variance of a frequency does not know the dimension on its own; it goes "
            "by σ².",
            reply=(3, 0.015625),
        ),
        Mistake(
            "kernel_value",
            "Line 1 holds: exp(−4/16).",
            reply=(1, None),
        ),
        Mistake(
            "at_zero",
            "Line 2 holds. Every cosine is 1 there.",
            reply=(2, None),
        ),
        Mistake(
            "two_per_frequency",
            "Line 4 holds: a sine and a cosine for each.",
            reply=(4, None),
        ),
        Mistake(
            "root_law",
            "Line 5 holds: the error falls like one over the root of the number.",
            reply=(5, None),
        ),
    ],
    also_right=[
        Right("as_fraction", reply=(3, 1 / 8)),
        Right("as_list", reply=[3, 0.125]),
        Right("measured", reply=(3, 0.1245)),
    ],
)
