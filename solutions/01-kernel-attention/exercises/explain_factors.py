"""The written question of lesson 01: which factor attention can do without."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="Which factor can be dropped?",
    points=2,
    minutes=10,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equation 3; "
    "Choromanski et al. 2021, Rethinking Attention with Performers, section 2.2",
    kind=Written(
        rubric=[
            (
                0.75,
                "The query factor can be dropped: it is one constant for the whole row, stands in "
                "numerator and "
                "denominator, and cancels when the weights are normalised.",
            ),
            (
                0.75,
                "The key factor cannot be dropped: it differs from key to key inside both sums, so that "
                "it is part "
                "of the weights and does not cancel.",
            ),
            (
                0.25,
                "Without the key factor the result is plain Gaussian kernel smoothing, which equals "
                "softmax attention "
                "(for all queries and values) only where all keys have the same norm.",
            ),
            (
                0.25,
                "Keeping the query factor gains nothing and can do harm: long queries make it overflow, "
                "and infinity over infinity is not a number.",
            ),
        ],
        model_answer=(
            "The query factor exp(‖q‖²/2σ²) can be dropped. For one query it is the same number in every "
            "weight, so it "
            "stands before the sum in the numerator and before the sum in the denominator, and cancels. "
            "Keeping it can "
            "only do harm: for a long query it overflows, and the ratio becomes ∞/∞.\n\n"
            "The key factor exp(‖k‖²/2σ²) has to stay. It differs between the terms of each sum, so "
            "nothing takes it "
            "out: it tells how much more a long key weighs than a short one at the same distance. "
            "Without it the "
            "result is Gaussian kernel smoothing of the values. That is softmax attention only if all "
            "keys have the "
            "same norm, because then the key factor, too, is one constant."
        ),
    ),
    hints=[
        "Write out the weight of one key for one query, with all three factors above and below the "
        "fraction line.",
        "Which factors may be taken out of the sum over the keys, and which change from term to term?",
    ],
)
