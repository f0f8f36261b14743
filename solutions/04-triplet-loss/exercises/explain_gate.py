"""The written question of lesson 04: why J₁ does not stand in for the gated J₂."""

from __future__ import annotations

from autograder.judging.exercise import Exercise, Written

exercise = Exercise(
    title="Why the gate?",
    points=2,
    minutes=15,
    difficulty=2,
    source="the forum's question; Schroff et al. 2015, FaceNet, equation 3",
    kind=Written(
        rubric=[
            (
                0.5,
                "Names the difference: J₁ goes on rewarding triplets that are good already; the max in J₂ "
                "gives them slope zero, so that only violated triplets shape the gradient.",
            ),
            (
                0.5,
                "Uses the run's figures: the direction that is best for J₁ violates 90 of the 100 triplets "
                "(ten easy ones outweigh ninety), the best for J₂ violates none.",
            ),
            (
                0.5,
                "Says that without unit length J₁ has no minimum: scaling all embeddings by s multiplies it "
                "by s² (with the notebook's numbers); on the sphere it is bounded but "
                "still over-serves the easy.",
            ),
            (
                0.5,
                "Keeps shaping and computing apart: the max decides which terms count, a "
                "mask computes all of "
                "them all the same; only gathering (or the form over pairs) saves work, as measured.",
            ),
        ],
        model_answer=(
            "J₁ adds up d_ap − d_an without a floor. A triplet that is good already keeps paying for being "
            "better still, so a few easy triplets can buy the ruin of many. In the notebook's run ten easy "
            "triplets outweigh ninety modest ones: the best direction for J₁ is 90° and violates 90 of the "
            "100 triplets. J₂ is zero between about 3° and 31°, where none is violated, because its max "
            "gives every satisfied triplet the slope zero.\n\n"
            "Without unit length J₁ has no minimum at all: making every embedding 10 or 100 times as long "
            "multiplies it by 100 or 10 000 (from about −99 to −9 900 to −990 000), so that it falls without "
            "end while the same triplets stay violated. On the sphere it is bounded, each term by −4, but "
            "serves the wrong triplets all the same.\n\n"
            "The max says which terms shape the gradient, not which are computed. A mask computes everything "
            "and multiplies most of it by zero; it saves nothing. Work is saved by gathering the active "
            "triplets, and more still by the sum over pairs: in the run it was about a hundred times faster."
        ),
    ),
    hints=[
        "Look at one easy triplet. What does it still add to the slope of J₁, and what to that of J₂?",
        "Which of the two objectives changes when all embeddings are made ten times as long, and how?",
    ],
)
