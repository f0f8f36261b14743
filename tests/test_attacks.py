"""A dozen of the attacks of `make attack`, in the best tier; the whole is too long for every day."""

from __future__ import annotations

import subprocess
import sys

import pytest

from attacks.run import ATTACKS, ROOT
from autograder.sandbox import best_tier

SOME = [
    "read_solutions", "patch_numpy_testing", "displayhook_max", "empty_the_cells", "lying_subclass", "hard_coded",
    "forge_odd_facts", "forge_minimum", "stolen_id", "pickle", "exit_in_a_cell", "daemon", "manual_score", "code_in_prose",
]  # fmt: skip


@pytest.mark.slow
def test_do_the_commonest_attacks_get_nothing():
    if best_tier() == "none":
        pytest.skip("this machine offers no sandbox")
    line = [sys.executable, "-B", "-m", "attacks.run", "--here", "--only", *SOME]
    ran = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_are_there_enough_attacks_with_names_and_sentences():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 60
    assert all(attack.tries.endswith(".") and 15 < len(attack.tries) < 150 for attack in ATTACKS)
    assert {"numpy", "displayhook", "cells"} <= {
        w for a in ATTACKS if a.beats_stock for w in a.name.split("_")
    }


def test_are_all_the_tried_ones_attacks():
    assert set(SOME) <= {attack.name for attack in ATTACKS}
