"""Central differences: a gradient that needs no derivation, to check the others by.

The functions are smooth where they are tried.  Some are so stiff that a one-sided difference shows.
"""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Function, Given, Mistake, Right

IMAGINARY = 1e-30


def at(name, shape, scale=1.0, shift=0.0):
    """Return a draw of the named function and a point of this shape."""

    def draw(rng):
        return {"function": Given(name), "x": shift + scale * rng.uniform(0.3, 1.4, size=shape)}

    return draw


def with_a_zero(rng):
    """Draw a point with a component that is exactly zero."""
    x = rng.uniform(0.3, 1.4, size=5)
    x[rng.integers(5)] = 0.0
    return {"function": Given("waves"), "x": x}


def whole_numbers(rng):
    """Draw a point of whole numbers."""
    return {"function": Given("waves"), "x": rng.integers(-3, 4, size=(2, 3)).astype(np.float64)}


def away_from_kinks(rng):
    """Draw anchors whose triplets are far enough from the kink, some active and some not."""
    while True:
        x = rng.normal(size=(5, 2))
        w = np.arange(1.0, x.size + 1).reshape(x.shape)
        terms = np.sum((x - 0.3 * np.cos(w)) ** 2 - (x - 0.9 * np.sin(2.0 * w)) ** 2, axis=1) + 0.5
        if np.abs(terms).min() > 0.1 and (terms > 0).any() and (terms < 0).any():
            return {"function": Given("anchors_loss"), "x": x}


def twisted(x):
    """exp of a weighted mean, times a cosine: nothing is separable."""
    w = np.cos(1.0 + np.arange(float(np.size(x)))).reshape(np.shape(x))
    return np.exp(np.sum(w * x) / np.size(x)) * np.cos(np.sum(x * x) / 7.0)


def quotient(x):
    """Return a quotient of two sums."""
    w = 1.0 + np.arange(float(np.size(x))).reshape(np.shape(x))
    return np.sum(w * x) / (2.0 + np.sum(x * x))


def stiff_mixture(x):
    """5000 times the square of an alternating sum, and a bowl."""
    w = np.cos(np.pi * np.arange(float(np.size(x)))).reshape(np.shape(x)) * (
        2.0 + np.arange(np.size(x))
    ).reshape(np.shape(x))
    return 5000.0 * np.sum(w * x) ** 2 + 300.0 * np.sum(x * x)


def oracle(function, x):
    """Step into the imaginary direction, where no difference is taken and nothing cancels."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[index] += 1j * IMAGINARY
        gradient[index] = np.imag(function(moved)) / IMAGINARY
    return gradient


def by_basis(function, x):
    """Add and subtract one basis vector after the other; the answer is a nested list."""
    step = 3e-6
    basis = np.eye(np.size(x)).reshape(-1, *np.shape(x))
    slopes = [(function(x + step * e) - function(x - step * e)) / (step + step) for e in basis]
    return np.reshape(slopes, np.shape(x)).tolist()


def extrapolated(function, x):
    """Combine two steps, so that the error falls with the fourth power."""
    flat = np.array(x, dtype=float).ravel()
    result = np.empty_like(flat)

    def slope(i, step):
        ends = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[i] += sign * step
            ends.append(float(function(moved.reshape(np.shape(x)))))
        return (ends[0] - ends[1]) / (2 * step)

    for i in range(flat.size):
        result[i] = (4 * slope(i, 1e-3) - slope(i, 2e-3)) / 3
    return result.reshape(np.shape(x))


def relative_step(function, x):
    """Scale the step with the entry, but not below a floor, and use the step that rounding left."""
    point = np.asarray(x, dtype=np.float64)
    result = np.zeros(point.shape)
    for index, value in np.ndenumerate(point):
        step = 1e-5 * max(abs(value), 1e-2)
        up, down = point.copy(), point.copy()
        up[index] = value + step
        down[index] = value - step
        result[index] = (function(up) - function(down)) / (up[index] - down[index])
    return result


RESTORE = "        x[index] = value\n        gradient"

exercise = Exercise(
    title="Checking by differences",
    points=2,
    minutes=15,
    difficulty=2,
    source="central differences, any textbook of numerical analysis",
    kind=Function(),
    rtol=1e-5,
    public_part="scalar_functions",
    given={"twisted": twisted, "quotient": quotient, "stiff_mixture": stiff_mixture},
    hints=[
        "A slope is rise over run. Move one entry a little up, then a little down: how long is the run?",
        "Go through the entries one by one. All the others must stand where they stood.",
        "Work on a copy of x made of floats, whatever x holds, and put each entry back exactly.",
    ],
    oracle=oracle,
    cases=[
        Case("vector", "a point with five entries", at("waves", (5,))),
        Case("table", "a table of three by two", at("waves", (3, 2))),
        Case("three_axes", "an array with three axes", at("stiff_bowl", (2, 2, 3), 1e-3)),
        Case("one_entry", "one entry only", at("waves", (1,))),
        Case("stiff", "a slope that changes quickly", at("stiff_bowl", (6,), 1e-3)),
        Case("valley", "a slope that depends on all entries", at("stiff_valley", (4,), 1e-3)),
        Case("zero", "an entry that is zero", with_a_zero),
        Case("loss", "the triplet loss, as a function of its anchors", away_from_kinks),
        Case("integers", "whole numbers as input", whole_numbers, dtype="int64"),
        Case("unseen", "a function you have not seen", at("twisted", (2, 4)), only_judge=True),
        Case("unseen_quotient", "another one", at("quotient", (3, 3)), only_judge=True),
        Case("unseen_stiff", "a stiff one", at("stiff_mixture", (5,), 1e-3), only_judge=True),
    ],
    mistakes=[
        Mistake(
            "one_sided",
            "This difference is one-sided: its error shrinks with the step alone. Step to both sides of x.",
            edit=[("x[index] = value - step", "x[index] = value"), ("(2 * step)", "step")],
        ),
        Mistake(
            "run_halved",
            "The gradients are twice too large. From one end to the other it is two steps.",
            edit=[("(2 * step)", "step")],
        ),
        Mistake(
            "run_doubled",
            "The gradients are about half of what they should be. How far apart were the two points?",
            edit=[("x[index] = value - step", "x[index] = value")],
        ),
        Mistake(
            "signs_swapped",
            "The gradients have the wrong sign. The run goes from below to above, and so must the rise.",
            edit=[("(above - below)", "(below - above)")],
        ),
        Mistake(
            "all_entries_moved",
            "All entries were moved at once. A partial derivative moves one of them.",
            edit=[
                ("x[index] = value + step", "x = x + step"),
                ("x[index] = value - step", "x = x - 2 * step"),
                (RESTORE, "        x = x + step\n        gradient"),
            ],
        ),
        Mistake(
            "not_put_back",
            "An entry was not put back before the next one was moved.",
            edit=[(RESTORE, "        gradient")],
        ),
        Mistake(
            "whole_numbers_kept",
            "With whole numbers a small step is cut off to nothing. Make the copy of floats.",
            edit=[("np.array(x, dtype=np.float64)", "x.copy()")],
        ),
        Mistake(
            "flattened",
            "The gradient came back flat. It should have the shape of x.",
            edit=[("return gradient", "return gradient.ravel()")],
        ),
        Mistake(
            "step_too_large",
            "The step is so long that the curve bends on the way. Take a smaller one.",
            edit=[("step = 1e-5", "step = 0.5")],
        ),
        Mistake(
            "step_too_small",
            "The step is so short that rounding eats the difference. Take a larger one.",
            edit=[("step = 1e-5", "step = 1e-14")],
        ),
        Mistake(
            "step_scaled_to_nothing",
            "The step shrinks with the entry, and where the entry is zero there is none left.",
            edit=[("value = x[index]\n", "value = x[index]\n        step = 1e-5 * abs(value)\n")],
        ),
        Mistake(
            "put_back_inexactly",
            "x was moved and moved back, and rounding left traces. Work on a copy, or "
            "put the very value back.",
            edit=[
                ("np.array(x, dtype=np.float64)", "np.asarray(x)"),
                ("x[index] = value + step", "x[index] += step"),
                ("x[index] = value - step", "x[index] -= 2 * step"),
                (RESTORE, "        x[index] += step\n        gradient"),
            ],
            breaks="changes_arguments",
        ),
    ],
    also_right=[
        Right("basis_vectors", function=by_basis, track="from_scratch"),
        Right("extrapolated", function=extrapolated, track="from_scratch"),
        Right("relative_step", function=relative_step, track="from_scratch"),
    ],
)
