"""Derivations of several quantities."""

from autograder.judging.exercise import Derivation, Derivations, Mistake
from tests.judging.kinds.small import exercise, verdict

SYMBOLS = dict.fromkeys(("a", "p", "n", "margin", "L"), "")
LOSS = {"L": "(a - p)**2 - (a - n)**2 + margin"}
TRIPLET = exercise(
    Derivations(
        {
            "a": Derivation(SYMBOLS, "diff(L, a)", "2*(n - p)", LOSS, ("L",), 1),
            "p": Derivation(SYMBOLS, "diff(L, p)", "-2*(a - p)", LOSS, ("L",), 1),
        }
    ),
    mistakes=[Mistake("sign_of_p", "The inner derivative of a − p is −1.", line="2*(a - p)", chain="p")],
)
RIGHT = {
    "a": ["diff((a - p)**2 - (a - n)**2 + margin, a)", "2*(a-p) - 2*(a-n)", "2*(n-p)"],
    "p": ["2*(p - a)"],
}


def test_do_all_chains_together_pass():
    assert verdict(TRIPLET, RIGHT).passed


def test_is_a_slip_named_with_its_chain():
    said = verdict(TRIPLET, RIGHT | {"p": ["diff(L, p)", "2*(a - p)"]})
    assert said.mistake == "sign_of_p"
    assert said.says.startswith("p: Line 2")


def test_is_a_chain_without_lines_named():
    assert "p: there are no lines" in verdict(TRIPLET, {"a": RIGHT["a"]}).says


def test_is_an_empty_dictionary_not_attempted():
    assert verdict(TRIPLET, {"a": [], "p": []}).outcome == "not_attempted"


def test_is_a_list_told_to_be_a_dictionary():
    assert "dictionary" in verdict(TRIPLET, ["2*(n - p)"]).says
