"""The policy: what is readable, and what is narrowed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autograder.sandbox import callfilter, confine, kernel

PACKAGE = Path(confine.__file__).resolve().parents[1]


def test_are_the_standard_library_and_the_answerer_readable() -> None:
    paths = confine.readable_paths()
    for needed in (os.__file__, str(PACKAGE / "judging" / "observe.py"), sys.executable):
        assert any(needed == path or needed.startswith(path + "/") for path in paths), needed


def test_is_nothing_else_of_a_checkout_readable() -> None:
    root = PACKAGE.parent
    inside = {
        Path(path).relative_to(root).parts[0]
        for path in confine.readable_paths()
        if path.startswith(f"{root}/")
    }
    assert inside <= {"autograder", *(Path(sys.prefix).parts[-1:])}


def test_is_no_readable_path_below_another() -> None:
    paths = confine.readable_paths()
    assert not [a for a in paths for b in paths if a.startswith(b + "/")]


def test_is_an_installed_package_narrowed_to_its_parts(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    for name in ("numpy/core", "autograder/judging", "autograder/casebooks"):
        (site / name).mkdir(parents=True)
    readable, listable = confine.around([str(tmp_path / "lib")], str(site / "autograder"), ["judging"])
    assert set(readable) == {str(site / "numpy"), str(site / "autograder" / "judging")}
    assert listable == [str(tmp_path / "lib"), str(site)]


def test_does_narrowing_leave_other_paths_alone() -> None:
    assert confine.around(["/usr/lib"], "/srv/autograder", ["judging"]) == (["/usr/lib"], [])


@pytest.mark.skipif(not kernel.supported(), reason="the filter is for Linux")
def test_is_the_filter_of_a_size_that_the_kernel_takes() -> None:
    for own_pid in (None, 7):
        program = callfilter.build(own_pid)
        assert all(len(step) == 8 for step in program)
        assert len(program) < 4096


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_is_there_a_filter_for_each_known_processor(processor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callfilter.platform, "machine", lambda: processor)
    assert callfilter.build(7)[-1] == callfilter.build(None)[-1]
