"""Our one change to nbgrader's generate_assignment: a stub that lets unattempted cells run."""

from __future__ import annotations

from typing import Any

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from autograder.authoring.reader import BEGIN, stub_of


class ClearWorkedSolutions(ClearSolutions):  # type: ignore[misc]
    """Replace worked solutions by `stub_of`: a raise inside functions, a comment elsewhere."""

    def _replace_solution_region(self, cell: Any, language: str) -> bool:
        if cell.cell_type != "code" or BEGIN not in cell.source:
            return bool(super()._replace_solution_region(cell, language))
        cell.source = stub_of(cell.source)
        return True


def preprocessors() -> list[Any]:
    """Return nbgrader's own list of steps with ours in place of ClearSolutions."""
    stock = GenerateAssignment().preprocessors
    return [ClearWorkedSolutions if step is ClearSolutions else step for step in stock]
