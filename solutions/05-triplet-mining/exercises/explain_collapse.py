"""The written question of lesson 05: why the hardest triplets, from the start, send everything to one point."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="Why does it collapse?",
    points=2,
    minutes=15,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, section 3.2 (collapsed models, f(x) = 0); "
    "Wu et al. 2017, Sampling Matters in Deep Embedding Learning, section 3",
    kind=Written(
        rubric=[
            (
                0.5,
                "Reads the curve: the loss settles at the margin, 0.2, while both mean squared distances, to positives "
                "and to negatives, go to zero.",
            ),
            (
                0.5,
                "Says why 0.2: with all embeddings equal d_ap = d_an = 0, so that every triplet's loss is exactly the "
                "margin.",
            ),
            (
                0.5,
                "Says why training goes there: at first the closest negative is nearer than the farthest positive, "
                "so the loss is above the margin, and shrinking all distances together lowers it fastest or most "
                "reliably, since which negative is closest is mostly chance.",
            ),
            (
                0.5,
                "Says why it stays there (the gradient 2(n − p) and its like vanish with the differences: stationary, "
                "though no minimum), or why on the sphere the point is any constant unit vector, not zero.",
            ),
        ],
        model_answer=(
            "In my run the loss starts above 0.2, falls to it within some fifty steps and stays there. The mean "
            "squared distances to the hardest positive and to the hardest negative both go to zero on the way. So all "
            "images get one embedding. Then d_ap = d_an = 0 and every triplet's loss is max(0, 0 − 0 + 0.2), the margin "
            "itself. A loss of 0.2 that no longer moves is the mark of collapse, not of learning.\n\n"
            "At the start the embeddings say little. The hardest positive of an anchor is far, and the hardest negative, "
            "the closest of 174, is close: d_ap − d_an is above zero and the loss above the margin. Scaling all "
            "distances down lowers this excess whatever the images show, while pulling the right pairs apart has to be "
            "learnt and its direction changes with each batch. So the sure way down wins. At the end the gradients, "
            "2(n − p), 2(p − a) and 2(a − n), are differences of equal vectors: zero. The point is stationary but no "
            "minimum. Since rows have length one, it is one constant unit vector, not f = 0 as the paper writes. "
            "Semi-hard negatives are farther than the positive, so that the loss is below the margin: collapse would "
            "raise it."
        ),
    ),
    hints=[
        "What does the loss of one triplet read where all embeddings are equal?",
        "Is the loss at the start above or below that value, for the hardest triplets and for semi-hard ones?",
    ],
)
