"""Set-up: one list of versions, whatever tool installs them."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def declared(but=()):
    extras = PROJECT["optional-dependencies"].items()
    return {*PROJECT["dependencies"], *(pin for extra, pins in extras if extra not in but for pin in pins)}


def test_does_conda_get_the_pins_of_pyproject():
    text = (ROOT / "environment.yml").read_text("utf-8")
    listed = set(re.findall(r"^      - ([a-z].*)$", text, re.MULTILINE))
    assert listed == declared(but=["bench"])


def test_is_torch_pinned_exactly():
    assert "torch==2.13.0" in declared()


def test_do_the_constraints_hold_every_declared_package():
    names = {
        re.split(r"[=<>]", line)[0].lower()
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    }
    assert {re.split(r"[=<>]", pin)[0].lower() for pin in declared()} <= names


def test_does_ci_run_what_anybody_can_run():
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines[-1] == "make test"
