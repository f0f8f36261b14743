"""A written question of lesson 06: one approach, in a hundred words or more."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="An approach that interests you",
    points=2,
    minutes=20,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet; or a work that it cites, or one that cites it",
    kind=Written(
        rubric=[
            (
                0.5,
                "Describes one approach of the paper, or of a work around it, so that somebody who has not "
                "read it "
                "could say what goes in and what comes out.",
            ),
            (
                0.5,
                "Says which problem it solves and what was done, or would be done, without it.",
            ),
            (
                0.5,
                "Gives evidence with a number and its source, or says precisely which measurement is "
                "missing.",
            ),
            (
                0.5,
                "Names a limit, a cost or an open question of their own. 100 words or more; half of these "
                "points if "
                "clearly shorter.",
            ),
        ],
        model_answer=(
            "I chose harmonic embeddings, from the paper's appendix. When a better model replaces an old "
            "one, its "
            "vectors usually cannot be compared with those already stored, so that every stored image has "
            "to be "
            "embedded again. A harmonic embedding avoids that. The old network stays fixed. The new one is "
            "trained with "
            "triplets that mix vectors of both versions, the semi-hard negatives being picked from both "
            "together. What "
            "comes out is a network whose vectors can be compared with each other and with the old ones.\n\n"
            "Figure 8 shows the curves: new against new is best, old against old worst, and new against "
            "old lies "
            "between them. That is one pair of models, NN2 after NN1, and no uncertainty is drawn. The "
            "paper itself "
            "says that there is presumably a limit to how much the new model can improve while staying "
            "compatible.\n\n"
            "Two costs are not measured. Both versions must have the same dimension, so that a larger "
            "embedding is "
            "ruled out. And nobody says how well the same NN2 does when it is trained without the old "
            "vectors. I would "
            "train both, over several seeds, and see what compatibility costs."
        ),
    ),
    hints=[
        "Candidates: triplet loss against classification, online mining, harmonic embeddings, NN4 on a "
        "phone, clustering; or "
        "later work such as angular margins or learning from pairs of augmentations.",
        "Say what goes in, what comes out, what it is compared with, and one thing that you would measure "
        "yourself.",
    ],
)
