"""The written question of lesson 02: frequencies of variance σ² instead of 1/σ²."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="The variance of the frequencies",
    points=2,
    minutes=10,
    difficulty=2,
    source="Rahimi & Recht 2007, Random Features for Large-Scale Kernel Machines, theorem 1; "
    "Peng et al. 2021, Random Feature Attention, section 2.2",
    kind=Written(
        rubric=[
            (
                0.5,
                "For w ~ N(0, τ²I) the mean of cos(w·δ) is exp(−τ²‖δ‖²/2), so that exp(−‖δ‖²/2σ²) asks for "
                "τ² = 1/σ².",
            ),
            (
                0.5,
                "With variance σ² the features estimate exp(−σ²‖δ‖²/2), a Gaussian of width 1/σ instead of σ.",
            ),
            (
                0.5,
                "Says what that does, with figures: in the setting D = 64, σ² = 8 the kernel of a pair at "
                "‖δ‖² = 3.9 is estimated as 0 and not 0.78, so that attention averages noise.",
            ),
            (
                0.5,
                "Nobody notices for σ = 1 (D = 1 with σ² = √D), where both recipes are the same; so tests need "
                "another σ.",
            ),
        ],
        model_answer=(
            "For w ~ N(0, τ²I) and a fixed difference δ = q − k, w·δ is Gaussian with variance τ²‖δ‖², and the "
            "mean of its cosine is exp(−τ²‖δ‖²/2). The kernel is exp(−‖δ‖²/2σ²), so τ² must be 1/σ².\n\n"
            "With τ² = σ² the features are unbiased for another kernel, exp(−σ²‖δ‖²/2), whose width is 1/σ. In "
            "the usual setting, σ² = √64 = 8, a pair at ‖δ‖² = 3.9 has the kernel 0.78. The printed recipe "
            "aims at exp(−4·3.9), about 2·10⁻⁷, and what is left is noise of size 1/√(2R) around zero. "
            "Numerator and denominator of attention are then both noise.\n\n"
            "For σ = 1 the two recipes are the same distribution. A test with σ² = 1, or with D = 1 where "
            "√D = 1, cannot see the error. Near σ = 1 it looks like a small bias."
        ),
    ),
    hints=[
        "Start from one pair. What is the distribution of w·(q − k), and the mean of its cosine?",
        "Put σ² where 1/σ² belongs. Which width has the kernel that is estimated now, and when is it the same?",
    ],
)
