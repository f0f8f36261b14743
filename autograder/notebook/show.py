"""Small things that a notebook shows besides verdicts: hints, worked solutions, progress."""

from __future__ import annotations

import html as escaping
from collections.abc import Sequence
from dataclasses import dataclass

BOX = "border:1px solid #8888; border-radius:6px; padding:8px 14px; margin:4px 0; max-width:52em; line-height:1.45"


@dataclass(frozen=True)
class Note:
    """A heading with text or code, shown as a box in a notebook and as plain text elsewhere."""

    heading: str
    body: str
    is_code: bool = False

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.body}" if self.body else self.heading

    def _repr_html_(self) -> str:
        body = escaping.escape(self.body)
        if self.is_code:
            body = f'<pre style="margin:4px 0; background:transparent; color:inherit">{body}</pre>'
        return f'<div style="{BOX}"><b>{escaping.escape(self.heading)}</b><div>{body}</div></div>'


@dataclass(frozen=True)
class ProgressTable:
    """A line per exercise: (title, name, state, points, maximum); state is passed, tried or open."""

    rows: Sequence[tuple[str, str, str, float, float]]
    heading: str

    def __repr__(self) -> str:
        marks = {"passed": "✓", "tried": "✗", "open": "○", "by hand": "…"}
        lines = [f"  {marks[s]} {name:<34} {got:g} of {most:g}" for _, name, s, got, most in self.rows]
        return "\n".join([self.heading, *lines])

    def _repr_html_(self) -> str:
        marks = {"passed": "✓ passed", "tried": "✗ not yet", "open": "○ open", "by hand": "… by hand"}
        cell = "text-align:left; padding:2px 14px 2px 0; border:none; background:transparent"
        rows = "".join(
            f'<tr style="background:transparent"><td style="{cell}">{marks[state]}</td>'
            f'<td style="{cell}">{escaping.escape(title)}</td><td style="{cell}">{escaping.escape(name)}</td>'
            f'<td style="{cell}">{got:g} of {most:g}</td></tr>'
            for title, name, state, got, most in self.rows
        )
        table = f'<table style="border-collapse:collapse; border:none">{rows}</table>'
        return f'<div style="{BOX}"><b>{escaping.escape(self.heading)}</b>{table}</div>'
