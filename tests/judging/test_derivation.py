import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy

from autograder.judging.derivation import LineError, check, options, parse, sample
from tests import samples

ROOT = Path(__file__).resolve().parents[2]
STATEMENT = options(samples.SQUARE.kind)


def says(*lines):
    return check(STATEMENT, list(lines))[-1].says


def test_is_a_sound_derivation_accepted():
    reports = check(STATEMENT, ["a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"])
    assert [report.follows for report in reports] == [True, True]


def test_may_the_start_be_repeated():
    reports = check(STATEMENT, ["(a + b)**2", "a*(a + b) + b*(a + b)", "a**2 + 2*a*b + b**2"])
    assert all(report.follows for report in reports)


def test_is_the_first_line_that_does_not_follow_the_last_report():
    reports = check(STATEMENT, ["a*(a + b) + b*(a + b)", "a**2 + b**2", "a**2 + 2*a*b + b**2"])
    assert [report.follows for report in reports] == [True, False]


def test_are_the_values_of_both_sides_shown():
    told = says("a**2 + b**2")
    assert told.startswith("This line does not equal the one above it. At a = ")
    assert "above" in told
    assert "here" in told


def test_may_a_relation_be_used_anywhere():
    reports = check(STATEMENT, ["c**2", "c*(a + b)", "a**2 + 2*a*b + b**2"])
    assert all(report.follows for report in reports)


def test_must_the_last_line_be_free_of_what_is_to_be_replaced():
    assert says("a*(a + b) + b*(a + b)", "c**2") == (
        "So far every line follows. The last line must be free of c."
    )


def test_is_a_derivation_that_stops_early_told_its_goal():
    statement = {**STATEMENT, "goal": "a"}
    assert check(statement, ["a*(a + b) + b*(a + b)"])[-1].says == (
        "Every line follows, but the last one is not the goal, a."
    )


def test_is_a_leap_to_the_goal_asked_for_its_steps():
    assert says("a**2 + 2*a*b + b**2") == "Every line follows. Show at least 2 steps after the start."


def test_does_the_same_line_twice_count_as_one_step():
    line = "a**2 + 2*a*b + b**2"
    assert says(line, line) == "Every line follows. Show at least 2 steps after the start."


def test_is_no_line_no_report():
    assert check(STATEMENT, []) == []


# ---------------------------------------------------------------------------------- unreadable lines


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a + ", "is not an expression that Python could read"),
        ("(a + b", "is not an expression that Python could read"),
        ("a ^ 2", "uses ^; write a power as **"),
        ("a = b", "is not an expression that Python could read"),
        ("a == b", "should be one expression: no equals sign"),
        ("a, b", "should be one expression"),
        ("a + d", "uses 'd', which is not one of the symbols a, b, c"),
        ("tan(a)", "uses the function 'tan'; these are known: exp, sqrt"),
        ("a**65", "has a power above 64"),
        ("1e10*a", "has a number beyond 10⁹"),
        ("'a'", "uses something other than numbers"),
        ("True", "uses something other than numbers"),
        ("a if b else c", "uses something other than numbers"),
        ("sqrt(a, b, c)", ""),
        ("a" * 501, "is longer than 500 characters"),
        ("(" * 200 + "a" + ")" * 200, ""),
    ],
)
def test_is_an_unreadable_line_told_why(line, why):
    report = check(STATEMENT, [line])[-1]
    assert not report.follows
    assert why in report.says


@pytest.mark.parametrize(
    "line",
    [
        "__import__('os').system('touch pwned')",
        "a.__class__",
        "[x for x in (1,)]",
        "(lambda: 1)()",
        "exp(a, evaluate=open('pwned', 'w'))",
        "a.subs(a, b)",
        "f'{a}'",
    ],
)
def test_is_text_never_run(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LineError):
        parse(line, STATEMENT["symbols"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["9**9**9", "2**(64*a)", "((a**64)**64)**64", "exp(exp(exp(exp(9*a))))"])
def test_does_a_monstrous_line_come_back_soon(line):
    work = f"""
from autograder.judging.derivation import check, options
from tests import samples
print(check(options(samples.SQUARE.kind), [{line!r}])[-1].follows)
"""
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, timeout=10, cwd=ROOT)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("line", ["a/0", "log(0)", "0/0", "a/(b - b)"])
def test_does_a_division_by_zero_follow_from_nothing(line):
    assert not check(STATEMENT, ["a*(a + b) + b*(a + b)", line, "a**2 + 2*a*b + b**2"])[-1].follows


# --------------------------------------------------------------------------------------------- values


def test_is_a_decimal_read_exactly():
    assert parse("0.5*a", {"a": ""}) == sympy.Rational(1, 2) * sympy.Symbol("a", positive=True)


def test_are_values_the_same_every_time():
    assert np.array_equal(sample(STATEMENT, "a/b"), sample(STATEMENT, "a/b"))


def test_do_values_put_relations_in():
    assert np.allclose(sample(STATEMENT, "c"), sample(STATEMENT, "a + b"))


def test_is_a_tiny_difference_seen():
    assert not check(STATEMENT, ["(a + b)**2 + 0.000000000001"])[-1].follows
