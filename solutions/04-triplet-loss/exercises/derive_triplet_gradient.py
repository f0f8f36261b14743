"""The three partial derivatives of an active triplet, line by line, for one component."""

from __future__ import annotations

from autograder.judging.exercise import Derivation, Derivations, Exercise, Mistake, Right

SYMBOLS = {
    "a": "a component of the anchor",
    "p": "the same component of the positive",
    "n": "the same component of the negative",
    "margin": "the margin",
    "L": "the triplet's loss, (a-p)**2 - (a-n)**2 + margin",
}


def slope_in(symbol, goal):
    """Return the derivation of ∂L/∂symbol."""
    return Derivation(
        symbols=SYMBOLS,
        start=f"diff(L, {symbol})",
        goal=goal,
        relations={"L": "(a-p)**2 - (a-n)**2 + margin"},
        without=("L", "margin"),
        min_steps=1,
    )


exercise = Exercise(
    title="Three slopes of one triplet",
    points=2,
    minutes=10,
    difficulty=1,
    source="Schroff et al. 2015, FaceNet, equation 3, for one active triplet",
    kind=Derivations(
        {
            "a": slope_in("a", "2*(n-p)"),
            "p": slope_in("p", "2*(p-a)"),
            "n": slope_in("n", "2*(a-n)"),
        }
    ),
    hints=[
        "Put in what L is, and differentiate one term after the other. Which terms "
        "contain the symbol at all?",
        "The slope of (a-p)**2 in p has a sign from inside the bracket.",
        "The anchor stands in both squares. Collect the two slopes: one of the three symbols goes away.",
    ],
    mistakes=[
        Mistake(
            "anchor_sign",
            "The anchor's slope has the wrong sign. Collect the two terms again.",
            line="2*(p-n)",
            chain="a",
        ),
        Mistake(
            "anchor_from_one_square",
            "The anchor stands in both squares. This is the slope of the first alone.",
            line="2*(a-p)",
            chain="a",
        ),
        Mistake(
            "anchor_squares_added",
            "The second square is subtracted, and so is its slope.",
            line="2*(a-p) + 2*(a-n)",
            chain="a",
        ),
        Mistake(
            "anchor_no_two", "A factor is missing: what is the slope of a square?", line="n-p", chain="a"
        ),
        Mistake(
            "margin_kept",
            "The margin is a constant. Its slope is zero.",
            line="2*(n-p) + margin",
            chain="a",
        ),
        Mistake(
            "positive_sign",
            "The inner derivative is missing: the positive enters its square with a minus.",
            line="2*(a-p)",
            chain="p",
        ),
        Mistake(
            "positive_no_two", "A factor is missing: what is the slope of a square?", line="p-a", chain="p"
        ),
        Mistake(
            "negative_sign",
            "Two minus signs meet here: one before the square and one inside it.",
            line="2*(n-a)",
            chain="n",
        ),
        Mistake(
            "negative_no_two", "A factor is missing: what is the slope of a square?", line="a-n", chain="n"
        ),
        Mistake(
            "negative_like_anchor",
            "That is the anchor's slope. The negative stands in one square only.",
            line="2*(n-p)",
            chain="n",
        ),
    ],
    also_right=[
        Right(
            "short",
            lines={
                "a": ["2*(a-p) - 2*(a-n)", "2*(n-p)"],
                "p": ["-2*(a-p)", "2*(p-a)"],
                "n": ["-(-2)*(a-n)", "2*(a-n)"],
            },
        ),
        Right(
            "multiplied_out_first",
            lines={
                "a": [
                    "diff(L, a)",
                    "diff(a**2 - 2*a*p + p**2 - a**2 + 2*a*n - n**2 + margin, a)",
                    "-2*p + 2*n",
                ],
                "p": ["diff(a**2 - 2*a*p + p**2, p)", "2*p - 2*a"],
                "n": ["diff(-a**2 + 2*a*n - n**2, n)", "2*a - 2*n"],
            },
        ),
        Right(
            "by_balance",
            lines={
                "a": ["diff((a-p)**2, a) - diff((a-n)**2, a)", "-(2*p - 2*a) - (2*a - 2*n)", "2*(n - p)"],
                "p": ["diff((a-p)**2, p)", "2*(a-p)*diff(-p, p)", "2*(p-a)"],
                "n": ["-diff((a-n)**2, n)", "-2*(a-n)*diff(a-n, n)", "2*(a-n)"],
            },
        ),
    ],
)
