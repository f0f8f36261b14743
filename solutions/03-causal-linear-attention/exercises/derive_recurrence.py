"""The derivation of the recurrence: numerator, denominator, and what one position costs.

Two features and the third position of a sequence stand for all; the sums over the first two
positions are the state.
"""

from __future__ import annotations

from autograder.judging.exercise import Derivation, Derivations, Exercise, Mistake, Right

FEATURES = {
    "p": "first feature of the query at position 3",
    "q": "second feature of the query at position 3",
    **{f"a{j}": f"first feature of key {j}" for j in (1, 2, 3)},
    **{f"b{j}": f"second feature of key {j}" for j in (1, 2, 3)},
}
VALUES = {f"v{j}": f"value {j}" for j in (1, 2, 3)}

NUMERATOR = Derivation(
    symbols={**FEATURES, **VALUES, "Sa": "a1*v1 + a2*v2", "Sb": "b1*v1 + b2*v2"},
    start="(p*a1 + q*b1)*v1 + (p*a2 + q*b2)*v2 + (p*a3 + q*b3)*v3",
    goal="q*(Sb + b3*v3) + p*(Sa + a3*v3)",
    relations={"Sa": "a1*v1 + a2*v2", "Sb": "b1*v1 + b2*v2"},
    without=("a1", "a2", "b1", "b2", "v1", "v2"),
)
DENOMINATOR = Derivation(
    symbols={**FEATURES, "Za": "a1 + a2", "Zb": "b1 + b2"},
    start="(p*a1 + q*b1) + (p*a2 + q*b2) + (p*a3 + q*b3)",
    goal="q*(Zb + b3) + p*(Za + a3)",
    relations={"Za": "a1 + a2", "Zb": "b1 + b2"},
    without=("a1", "a2", "b1", "b2"),
    min_steps=1,
)
COST = Derivation(
    symbols={"i": "the position", "C": "number of features", "M": "length of a value"},
    start="i*(2*C*M + C) - (i - 1)*(2*C*M + C)",
    goal="2*C*M + C",
    without=("i",),
    min_steps=1,
)

exercise = Exercise(
    title="From a sum over the past to a state",
    points=2,
    minutes=15,
    difficulty=2,
    source="Katharopoulos et al. 2020, Transformers are RNNs, equations 9 to 12 and 18 to 20",
    kind=Derivations({"S": NUMERATOR, "Z": DENOMINATOR, "cost": COST}),
    hints=[
        "The query's features stand in every term. What can be taken out in front of a bracket?",
        "Sort by the query's features p and q, not by positions. Which part of each bracket knew nothing of "
        "position 3?",
        "That part is the state: put Sa, Sb (or Za, Zb) for it. For the cost, see what the two products have "
        "in common.",
    ],
    mistakes=[
        Mistake(
            "new_position_forgotten",
            "The third position itself is missing. It belongs to its own past: j ≤ i.",
            line="p*Sa + q*Sb",
            chain="S",
        ),
        Mistake(
            "product_of_sums",
            "A sum of products became a product of sums. Each value must stay with its own key.",
            line="p*(a1 + a2 + a3)*(v1 + v2 + v3) + q*(b1 + b2 + b3)*(v1 + v2 + v3)",
            chain="S",
        ),
        Mistake(
            "query_misses_the_new_term",
            "The new position's products stand outside the brackets, so that the query does not weigh them.",
            line="p*Sa + a3*v3 + q*Sb + b3*v3",
            chain="S",
        ),
        Mistake(
            "states_swapped",
            "The two rows of the state were swapped. Each query feature reads the sum of its own key feature.",
            line="p*(Sb + a3*v3) + q*(Sa + b3*v3)",
            chain="S",
        ),
        Mistake(
            "features_added_up",
            "The query's features were added before they met the state. Each weighs a row of its own.",
            line="(p + q)*(Sa + Sb + a3*v3 + b3*v3)",
            chain="S",
        ),
        Mistake(
            "old_value_reused",
            "The new key was paired with an old value. Position 3 brings both.",
            line="p*(Sa + a3*v2) + q*(Sb + b3*v2)",
            chain="S",
        ),
        Mistake(
            "denominator_without_new_key",
            "The third key is missing from the denominator. It is weighed like the others.",
            line="p*Za + q*Zb",
            chain="Z",
        ),
        Mistake(
            "denominator_without_query",
            "The denominator lost the query. Weights are similarities, and each holds a query feature.",
            line="Za + a3 + Zb + b3",
            chain="Z",
        ),
        Mistake(
            "new_key_not_weighed",
            "The new key stands outside the brackets, so that the query does not weigh it.",
            line="p*Za + a3 + q*Zb + b3",
            chain="Z",
        ),
        Mistake(
            "cost_of_all_positions",
            "That is the cost of all positions so far. The question is what the last one adds.",
            line="i*(2*C*M + C)",
            chain="cost",
        ),
        Mistake(
            "normaliser_not_counted",
            "The C multiplications of the denominator were lost.",
            line="2*C*M",
            chain="cost",
        ),
        Mistake(
            "sign_of_the_second_product",
            "The minus did not reach all of the second product. Work out what the brackets have in common.",
            line="(2*i - 1)*(2*C*M + C)",
            chain="cost",
        ),
        Mistake(
            "one_pass_counted",
            "C·M is needed twice: once to update the state, once to read from it.",
            line="C*M + C",
            chain="cost",
        ),
    ],
    also_right=[
        Right(
            "all_multiplied_out",
            lines={
                "S": [
                    "p*a1*v1 + q*b1*v1 + p*a2*v2 + q*b2*v2 + p*a3*v3 + q*b3*v3",
                    "p*Sa + q*Sb + (p*a3 + q*b3)*v3",
                ],
                "Z": ["p*a1 + p*a2 + p*a3 + q*b1 + q*b2 + q*b3", "p*Za + q*Zb + p*a3 + q*b3"],
                "cost": ["i*2*C*M + i*C - i*2*C*M - i*C + 2*C*M + C", "C*(2*M + 1)"],
            },
        ),
        Right(
            "starts_repeated",
            lines={
                "S": [
                    NUMERATOR.start,
                    "p*(a1*v1 + a2*v2) + q*(b1*v1 + b2*v2) + (p*a3 + q*b3)*v3",
                    "p*Sa + q*Sb + p*a3*v3 + q*b3*v3",
                    NUMERATOR.goal,
                ],
                "Z": [DENOMINATOR.start, DENOMINATOR.goal],
                "cost": [COST.start, "(i - (i - 1))*(2*C*M + C)", COST.goal],
            },
        ),
        Right(
            "one_feature_at_a_time",
            lines={
                "S": [
                    "p*(a1*v1 + a2*v2 + a3*v3) + q*b1*v1 + q*b2*v2 + q*b3*v3",
                    "p*(Sa + a3*v3) + q*(b1*v1 + b2*v2 + b3*v3)",
                    "p*(Sa + a3*v3) + q*(Sb + b3*v3)",
                ],
                "Z": ["p*(Za + a3) + q*(b1 + b2 + b3)", "q*(Zb + b3) + p*(Za + a3)"],
                "cost": ["C*(2*M + 1)*i - C*(2*M + 1)*(i - 1)", "C + 2*M*C"],
            },
        ),
    ],
)
