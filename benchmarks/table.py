"""A table of times, and the ratios that are claimed from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Cell = float | str


class Table:
    """Milliseconds by row and column; a cell without a time says why."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.rows: dict[str, list[Cell]] = {}

    def add(self, name: str, cells: Iterable[Cell]) -> None:
        """Add a row, one cell for each column."""
        self.rows[name] = list(cells)

    def time(self, name: str, column: str) -> float | None:
        """Return a time, or None where there is none."""
        cell = self.rows[name][self.columns.index(column)]
        return None if isinstance(cell, str) else cell

    def best(self, column: str, names: Iterable[str]) -> str:
        """Return the name of the fastest of some rows."""
        return min(names, key=lambda name: self.time(name, column) or float("inf"))

    def times(self, name: str, base: str, column: str) -> str:
        """Return how many times as long one row takes as another, in words."""
        one, two = self.time(name, column), self.time(base, column)
        return "(not measured)" if one is None or two is None else f"{one / two:.1f} times"

    def lines(self) -> list[str]:
        """Return the table in Markdown."""
        shown = [["", *self.columns], ["---", *["---:"] * len(self.columns)]]
        shown += [[name, *map(_text, cells)] for name, cells in self.rows.items()]
        return ["| " + " | ".join(row) + " |" for row in shown]


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:.3g}" if cell < 100 else f"{cell:.0f}"
