"""How a verdict looks: as text, and as an HTML card.

The card must survive untrusted JupyterLab (no style sheet, no SVG, no script), light and dark
themes, VS Code and nbconvert's pages.  So everything is styled inline, text takes the page's
own colour, the only fixed colours are white on a dark badge, and pictures are PNGs in the page.
"""

from __future__ import annotations

import base64
import html as escaping
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autograder.judging.verdict import Picture, Verdict

WORDS = {
    "passed": ("✓", "passed"),
    "not_yet": ("✗", "not yet right"),
    "not_attempted": ("○", "not attempted"),
    "pending": ("…", "graded by hand"),
    "grader_failed": ("!", "the check itself failed"),
}

BADGES = {
    "passed": "#17693a",
    "not_yet": "#a32020",
    "not_attempted": "#565656",
    "pending": "#3a4fa3",
    "grader_failed": "#7a4a00",
}
MARKS = {True: "✓", False: "✗", None: "·"}
MAX_PICTURE_SIDE = 64


def _number(value: float) -> str:
    return f"{value:g}"


def _points(verdict: Verdict) -> str:
    most = verdict.max_points
    return f"{_number(verdict.points)} of {_number(most)} point{'' if most == 1 else 's'}"


def headline(verdict: Verdict) -> str:
    """Return "softmax_similarity: passed · 1 of 1 points"."""
    return f"{verdict.exercise}: {WORDS[verdict.outcome][1]} · {_points(verdict)}"


def text(verdict: Verdict) -> str:
    """Render for a terminal."""
    lines = [f"{WORDS[verdict.outcome][0]} {headline(verdict)}"]
    if verdict.says:
        lines.append(f"  {verdict.says}")
    for row in verdict.rows:
        seen = f" — {row.says}" if row.about and row.passed is False else ""
        about = row.about or row.says
        lines.append(f"  {MARKS[row.passed]} {row.name}" + (f": {about}" if about else "") + seen)
    if verdict.picture is not None and not verdict.passed:
        lines.extend(_picture_text(verdict.picture))
    lines.extend(f"  note: {note}" for note in verdict.notes)
    return "\n".join(lines)


def _picture_text(picture: Picture) -> list[str]:
    shown = [("expected", picture.expected), ("yours", picture.got)]
    lines = [f"  {picture.output} in the case {picture.case!r}:"]
    for name, array in shown:
        body = np.array2string(array, precision=4, threshold=30, edgeitems=2, max_line_width=90)
        lines.append(f"    {name}, shape {array.shape}:")
        lines.extend(f"      {line}" for line in body.splitlines())
    return lines


def html(verdict: Verdict) -> str:
    """Render as a card."""
    symbol, word = WORDS[verdict.outcome]
    parts = [
        '<div style="border:1px solid #8888; border-radius:6px; padding:10px 14px; margin:4px 0; max-width:52em;'
        ' font-family:system-ui,sans-serif; line-height:1.45">',
        f'<div><span style="background:{BADGES[verdict.outcome]}; color:#ffffff; border-radius:4px;'
        f' padding:2px 8px; font-weight:600">{symbol} {word}</span>'
        f' <b style="margin-left:.5em">{_safe(verdict.title)}</b>'
        f' <code style="background:transparent; color:inherit">{_safe(verdict.exercise)}</code>'
        f' <span style="float:right">{_points(verdict)}</span></div>',
    ]
    if verdict.says:
        parts.append(f'<p style="margin:8px 0 4px 0">{_safe(verdict.says)}</p>')
    parts.append(_table(verdict))
    if verdict.picture is not None and not verdict.passed:
        parts.append(_pictures(verdict.picture))
    parts.extend(f'<p style="margin:4px 0; opacity:.85">Note: {_safe(note)}</p>' for note in verdict.notes)
    if not verdict.passed:
        parts.extend(_hint(i + 1, hint) for i, hint in enumerate(verdict.hints))
    parts.append("</div>")
    return "".join(parts)


def _safe(words: str) -> str:
    return escaping.escape(words, quote=True)


def _hint(number: int, hint: str) -> str:
    return (
        f'<details style="margin:3px 0"><summary style="cursor:pointer">Hint {number}</summary>'
        f'<div style="margin:2px 0 2px 1.2em">{_safe(hint)}</div></details>'
    )


def _table(verdict: Verdict) -> str:
    if not verdict.rows:
        return ""
    cell = "text-align:left; padding:2px 12px 2px 0; border:none; background:transparent; vertical-align:top"
    words = {True: "passed", False: "failed", None: "not tried"}
    failed = not verdict.passed and any(row.about for row in verdict.rows)
    heads = ["", "case", "what is special", "what was seen"] if failed else ["", "case", "what is special"]
    if not any(row.about for row in verdict.rows):
        heads = ["", "line", "what was seen"]
    body = ""
    for row in verdict.rows:
        seen = row.says if row.passed is False else words[row.passed]
        texts = [row.name, row.about, seen][: len(heads) - 1] if row.about else [row.name, row.says]
        cells = "".join(f'<td style="{cell}">{_safe(text)}</td>' for text in texts)
        mark = f'<td style="{cell}" title="{words[row.passed]}">{MARKS[row.passed]}</td>'
        body += f'<tr style="background:transparent">{mark}{cells}</tr>'
    head = "".join(f'<th style="{cell}; font-weight:600">{word}</th>' for word in heads)
    return (
        '<table style="border-collapse:collapse; margin:6px 0; border:none; font-size:95%">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _pictures(picture: Picture) -> str:
    """Expected, yours and their difference as small heat maps, where the shapes agree."""
    expected, got = _as_matrix(picture.expected), _as_matrix(picture.got)
    if expected is None or got is None:
        return ""
    finite = np.concatenate([a[np.isfinite(a)].ravel() for a in (expected, got)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    panels = [("expected", expected, "viridis", low, high), ("yours", got, "viridis", low, high)]
    if expected.shape == got.shape:
        with np.errstate(all="ignore"):
            difference = got - expected
        known = np.abs(difference[np.isfinite(difference)])
        reach = max(float(known.max()) if known.size else 0.0, 1e-300)
        panels.append(("difference", difference, "RdBu_r", -reach, reach))
    shown = "".join(_panel(name, array, cmap, a, b) for name, array, cmap, a, b in panels)
    where = f"<code>{_safe(picture.output)}</code> in the case “{_safe(picture.case)}”"
    return f'<div style="margin:6px 0">{where}<div style="display:flex; gap:18px; flex-wrap:wrap">{shown}</div></div>'


def _as_matrix(array: np.ndarray) -> np.ndarray | None:
    """Return a real array as (rows, columns), or None if it can't be drawn."""
    if array.ndim > 3 or array.size == 0 or array.dtype.kind == "c":
        return None
    flat = np.atleast_2d(array.astype(np.float64))
    if flat.ndim == 3:
        flat = flat.reshape(flat.shape[0], -1)
    return flat[:MAX_PICTURE_SIDE, :MAX_PICTURE_SIDE]


def _panel(name: str, array: np.ndarray, cmap: str, low: float, high: float) -> str:
    size = max(4, min(18, 150 // max(array.shape)))
    odd = int(np.sum(~np.isfinite(array)))
    known = array[np.isfinite(array)]
    span = f"{known.min():.4g} to {known.max():.4g}" if known.size else "no finite value"
    span += f", {odd} not finite" if odd else ""
    alt = f"{name}: a heat map of {array.shape[0]} by {array.shape[1]} values, {span}"
    return (
        '<figure style="margin:4px 0; display:inline-block">'
        f'<img alt="{_safe(alt)}" src="data:image/png;base64,{_png(array, cmap, low, high)}"'
        f' width="{array.shape[1] * size}" height="{array.shape[0] * size}"'
        ' style="image-rendering:pixelated; border:1px solid #8888; background:#ffffff">'
        f'<figcaption style="font-size:85%">{name}<br>{_safe(span)}</figcaption></figure>'
    )


def _png(array: np.ndarray, cmap: str, low: float, high: float) -> str:
    from matplotlib import colormaps, image

    with np.errstate(all="ignore"):
        level = (array - low) / (high - low if high > low else 1.0)
    colours = colormaps[cmap](np.clip(np.nan_to_num(level, nan=0.0), 0.0, 1.0))
    colours[~np.isfinite(array)] = (0.35, 0.35, 0.35, 1.0)
    colours = np.repeat(np.repeat(colours, 8, axis=0), 8, axis=1)
    with io.BytesIO() as stream:
        image.imsave(stream, colours, format="png")
        return base64.b64encode(stream.getvalue()).decode("ascii")
