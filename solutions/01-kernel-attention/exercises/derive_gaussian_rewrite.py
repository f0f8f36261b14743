"""The derivation of softmax similarity from a Gaussian kernel and two factors, with σ² = √D."""

from __future__ import annotations

from autograder.judging.exercise import Derivation, Exercise, Mistake, Right

START = "exp(qq/(2*sigma2)) * exp(-(qq - 2*qk + kk)/(2*sigma2)) * exp(kk/(2*sigma2))"

exercise = Exercise(
    title="From a Gaussian kernel to softmax",
    points=3,
    minutes=15,
    difficulty=2,
    source="Choromanski et al. 2021, Rethinking Attention with Performers, section 2.2; "
    "Peng et al. 2021, Random Feature Attention, section 3.1",
    kind=Derivation(
        symbols={"qq": "‖q‖²", "kk": "‖k‖²", "qk": "q·k", "sigma2": "σ²", "D": "head dimension"},
        start=START,
        goal="exp(qk/sqrt(D))",
        relations={"sigma2": "sqrt(D)"},
        without=("qq", "kk", "sigma2"),
    ),
    hints=[
        "What happens to the exponents when exponentials are multiplied?",
        "All three exponents have the divisor 2σ². Write the sum of what stands above it, and mind the minus "
        "before the bracket.",
        "Both squared norms cancel and twice q·k is left. Cancel the 2, then put √D for σ².",
    ],
    mistakes=[
        Mistake(
            "cross_term_sign",
            "The minus before the bracket did not reach the cross term. It turns all three signs inside.",
            line="exp(-2*qk/(2*sigma2))",
        ),
        Mistake(
            "minus_reaches_first_term_only",
            "The minus before the bracket reached its first term only. It belongs to the whole bracket.",
            line="exp((qq - qq - 2*qk + kk + kk)/(2*sigma2))",
        ),
        Mistake(
            "minus_misses_key_norm",
            "The minus before the bracket did not reach ‖k‖², so that it is counted twice and does not "
            "cancel.",
            line="exp((qq - qq + 2*qk + kk + kk)/(2*sigma2))",
        ),
        Mistake(
            "cross_term_halved",
            "The 2 of the cross term was lost. It is what later cancels the 2 of 2σ².",
            line="exp(qk/(2*sigma2))",
        ),
        Mistake(
            "half_lost",
            "The 2 below the fraction was lost. The cross term's 2 has to be divided by it.",
            line="exp(2*qk/sigma2)",
        ),
        Mistake(
            "sigma2_is_dim",
            "This puts D for σ². It is σ², not σ, that equals √D.",
            line="exp(qk/D)",
        ),
        Mistake(
            "sigma_for_sigma2",
            "This puts D^¼ for σ². That is σ: the variance is its square.",
            line="exp(qk/D**(1/4))",
        ),
        Mistake(
            "scale_inverted",
            "The score is multiplied by √D. It stood below the fraction line.",
            line="exp(qk*sqrt(D))",
        ),
        Mistake(
            "exponential_lost",
            "The exponential is gone. This is the score, and the line above is its exponential.",
            line="qk/sqrt(D)",
        ),
        Mistake(
            "exponents_multiplied",
            "The exponents were multiplied. A product of exponentials has the sum of the exponents.",
            line="exp(qq/(2*sigma2) * (-(qq - 2*qk + kk)/(2*sigma2)) * kk/(2*sigma2))",
        ),
        Mistake(
            "exponentials_added",
            "The exponentials were added. The line above is their product.",
            line="exp(qq/(2*sigma2)) + exp(-(qq - 2*qk + kk)/(2*sigma2)) + exp(kk/(2*sigma2))",
        ),
        Mistake(
            "key_factor_dropped",
            "The key factor was dropped. It may not be: this line must still equal the one above for "
            "every key.",
            line="exp((qq - (qq - 2*qk + kk))/(2*sigma2))",
        ),
        Mistake(
            "query_factor_dropped",
            "The query factor was dropped. That leaves attention alone, but not this similarity.",
            line="exp((kk - (qq - 2*qk + kk))/(2*sigma2))",
        ),
        Mistake(
            "both_factors_dropped",
            "Both factors were dropped. The Gaussian kernel alone is not the softmax similarity.",
            line="exp(-(qq - 2*qk + kk)/(2*sigma2))",
        ),
    ],
    also_right=[
        Right("in_two_steps", lines=["exp(qk/sigma2)", "exp(qk/sqrt(D))"]),
        Right(
            "variance_first",
            lines=[
                START,
                "exp(qq/(2*sqrt(D))) * exp(-(qq - 2*qk + kk)/(2*sqrt(D))) * exp(kk/(2*sqrt(D)))",
                "exp(qq/(2*sqrt(D)) - (qq - 2*qk + kk)/(2*sqrt(D)) + kk/(2*sqrt(D)))",
                "exp(qk/D**(1/2))",
            ],
        ),
        Right(
            "kernel_split_up",
            lines=[
                "exp(qq/(2*sigma2)) * exp(-qq/(2*sigma2)) * exp(qk/sigma2) * exp(-kk/(2*sigma2)) * "
                "exp(kk/(2*sigma2))",
                "exp(kk/(2*sigma2) - kk/(2*sigma2)) * exp(qk/sigma2)",
                "exp(qk)**(1/sigma2)",
                "1/exp(-qk/sqrt(D))",
            ],
        ),
        Right(
            "goal_repeated",
            lines=[
                START,
                START,
                "exp(((qq + kk) - (qq + kk - 2*qk))/(2*sigma2))",
                "sqrt(exp(2*qk/sigma2))",
                "exp(qk/sqrt(D))",
                "exp(qk*D**(-1/2))",
            ],
        ),
    ],
)
