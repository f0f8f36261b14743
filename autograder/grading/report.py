"""The class at a glance: scores, difficulty, the commonest mistakes, what looks odd, what was not graded.

Everything is computed from the rows that `grade` wrote; nothing is run again.
"""

from __future__ import annotations

import base64
import html as escaping
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MARKS = {"passed": "✓", "not_yet": "✗", "not_attempted": "○", "pending": "…", "grader_failed": "!"}
UNREAD = ("malformed", "missing")
ENOUGH = 6
"""Fewer graded submissions than this say nothing about an item's discrimination.

A correlation of n pairs that are independent has a standard deviation of about 1/√n: only one below
−2/√n is called negative.
"""


@dataclass(frozen=True)
class Item:
    """One exercise over the class.

    share : mean share of its points earned by those whose notebook was graded.
    attempted : how many wrote something for it.
    discrimination : correlation of its share with the rest of the notebook's score, or NaN.
    """

    track: str
    name: str
    share: float
    attempted: int
    graded: int
    discrimination: float
    strong_share: float

    @property
    def suspicious(self) -> str:
        """Why its verdicts deserve a look, or an empty string."""
        if self.graded < ENOUGH:
            return ""
        if self.discrimination < -2 / np.sqrt(self.graded):
            return "who does well elsewhere does worse here"
        if self.strong_share < 0.4 and self.attempted >= self.graded / 2:
            return "most of the strongest students fail it"
        return ""


@dataclass(frozen=True)
class Slip:
    """A known mistake and how many made it."""

    track: str
    exercise: str
    mistake: str
    says: str
    count: int


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Keep a class's rows for later reports."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(list(rows)), "utf-8")
    aside.replace(path)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the last grading; none where there was none, or its file is damaged."""
    try:
        rows = json.loads(path.read_text("utf-8"))
        return [row for row in rows if row["student"] and row["notebook"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []


@dataclass(frozen=True)
class Change:
    """A notebook's score under the lesson's last version and under this one."""

    student: str
    notebook: str
    before: float
    now: float


def changed_scores(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[Change] | None:
    """Return the scores of what another version of the lesson had graded; None if nothing."""
    last = {(row["student"], row["notebook"]): row for row in old}
    changes = []
    for row in new:
        before = last.get((row["student"], row["notebook"]))
        if before is not None and before.get("version", "") != row["version"]:
            changes.append(Change(row["student"], row["notebook"], before["score"], row["score"]))
    return changes or None


def exercises_of(rows: Sequence[dict[str, Any]], track: str) -> list[str]:
    """Return the exercises of a track in order."""
    return list(dict.fromkeys(e["exercise"] for r in rows if r["notebook"] == track for e in r["exercises"]))


def tracks_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the notebooks of the class in order."""
    return list(dict.fromkeys(row["notebook"] for row in rows))


def class_table(rows: Sequence[dict[str, Any]], track: str) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of students by exercises, for one track."""
    names = exercises_of(rows, track)
    columns = ["student", "status", "score", "seconds", *(str(i + 1) for i in range(len(names)))]
    table = []
    for row in rows:
        if row["notebook"] != track:
            continue
        marks = {e["exercise"]: MARKS[e["outcome"]] for e in row["exercises"]}
        unread = row["status"] in UNREAD
        cells = ["·" if unread else marks.get(name, " ") for name in names]
        score = f"{row['score']:g} of {row['max_score']:g}"
        table.append([row["student"], row["status"].replace("_", " "), score, f"{row['cpu_s']:.1f}", *cells])
    return columns, table


def slips(rows: Sequence[dict[str, Any]]) -> list[Slip]:
    """Return the known mistakes that were made, commonest first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    sentences: dict[tuple[str, str, str], str] = {}
    for row in rows:
        for entry in row["exercises"]:
            if entry["diagnosis"]["mistake"]:
                key = (entry["track"], entry["exercise"], entry["diagnosis"]["mistake"])
                counts[key] += 1
                sentences[key] = entry["diagnosis"]["says"]
    return [
        Slip(*key, sentences[key], count)
        for key, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    ]


def items(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Return every exercise's difficulty and discrimination."""
    found = []
    for track in tracks_of(rows):
        graded = [r for r in rows if r["notebook"] == track and r["status"] not in UNREAD]
        for name in exercises_of(rows, track):
            entries = [next(e for e in r["exercises"] if e["exercise"] == name) for r in graded]
            if entries and not all(e["outcome"] == "pending" for e in entries):
                found.append(_item(track, name, entries, [r["score"] for r in graded]))
    return found


def _item(track: str, name: str, entries: Sequence[dict[str, Any]], scores: Sequence[float]) -> Item:
    shares = np.array([e["points"] / e["max_points"] if e["max_points"] else 0.0 for e in entries])
    rest = np.array([score - e["points"] for score, e in zip(scores, entries, strict=True)])
    varied = len(shares) >= ENOUGH and shares.std() > 0 and rest.std() > 0
    strong = shares[np.argsort(-rest, kind="stable")[: max(1, len(rest) // 3)]]
    return Item(
        track=track,
        name=name,
        share=float(shares.mean()),
        attempted=sum(e["outcome"] != "not_attempted" for e in entries),
        graded=len(entries),
        discrimination=float(np.corrcoef(shares, rest)[0, 1]) if varied else float("nan"),
        strong_share=float(strong.mean()),
    )


def not_graded(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return (student, notebook, status, reason) for everything that didn't go through."""
    return [
        (r["student"], r["notebook"], r["status"].replace("_", " "), " ".join(r["reasons"]))
        for r in rows
        if r["status"] != "graded" or r["reasons"]
    ]


def worth_a_look(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (student, notebook, what was noticed): edited locked cells, refused paths, tripped limits."""
    return [(r["student"], r["notebook"], "; ".join(r["noted"])) for r in rows if r["noted"]]


# --------------------------------------------------------------------------------------- the page


def page(lesson: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return the report as one self-contained HTML page with plots."""
    parts = [f"<h1>{_safe(lesson)}: the class at a glance</h1>", f"<p>{_safe(numbers(rows))}</p>"]
    for track in tracks_of(rows):
        columns, table = class_table(rows, track)
        legend = ", ".join(f"{i + 1} {name}" for i, name in enumerate(exercises_of(rows, track)))
        parts += [f"<h2>{_safe(track)}</h2>", _picture(_plot_scores(rows, track), f"Scores in {track}")]
        parts += [_picture(_plot_items(rows, track), f"Share of points earned by exercise in {track}")]
        parts += [_table(columns, table), f"<p>{_safe(legend)}</p>"]
    made = [[s.track, s.exercise, str(s.count), s.says] for s in slips(rows)]
    parts += [
        "<h2>The commonest mistakes</h2>",
        _table(["track", "exercise", "made by", "what the card said"], made),
    ]
    parts += ["<h2>Exercises</h2>", _table(ITEM_COLUMNS, item_rows(rows))]
    parts += ["<h2>Not graded, or not to the end</h2>"]
    parts += [_table(["student", "notebook", "status", "why"], not_graded(rows))]
    parts += ["<h2>Worth a look</h2>", _table(["student", "notebook", "noticed"], worth_a_look(rows))]
    style = (
        "body{font-family:system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;line-height:1.45}"
        "table{border-collapse:collapse;margin:.5em 0}td,th{text-align:left;padding:3px 12px 3px 0;"
        "border-bottom:1px solid #ccc;vertical-align:top}figure{margin:.5em 0}"
    )
    head = f"<meta charset='utf-8'><title>{_safe(lesson)}</title><style>{style}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


ITEM_COLUMNS = ["track", "exercise", "share of points", "attempted", "discrimination", "look at it"]


def item_rows(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the table of exercises."""
    return [
        [
            i.track,
            i.name,
            f"{i.share:.0%}",
            f"{i.attempted} of {i.graded}",
            "–" if np.isnan(i.discrimination) else f"{i.discrimination:.2f}",
            i.suspicious,
        ]
        for i in items(rows)
    ]


def numbers(rows: Sequence[dict[str, Any]]) -> str:
    """Return the class in one sentence or three: how many, at what cost, in which sandbox."""
    states: dict[str, int] = defaultdict(int)
    for row in rows:
        states[row["status"]] += 1
    told = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(states.items()))
    seconds = [row["cpu_s"] for row in rows if row["cpu_s"]]
    cost = f" A notebook took {np.median(seconds):.2f} processor seconds (median), " if seconds else ""
    cost += f"at most {max(seconds):.2f}." if seconds else ""
    tiers = ", ".join(sorted({row["tier"] for row in rows if row["status"] not in UNREAD}))
    return f"{len(rows)} notebooks: {told}.{cost} Sandbox: {tiers or 'not used'}."


def _plot_scores(rows: Sequence[dict[str, Any]], track: str) -> bytes:
    chosen = [r for r in rows if r["notebook"] == track and r["status"] not in UNREAD]
    most = max((r["max_score"] for r in chosen), default=1.0)
    figure, axis = _figure()
    axis.hist(
        [r["score"] for r in chosen], bins=np.arange(0, most + 1.5) - 0.5, color="#3a6ea5", edgecolor="white"
    )
    axis.set(
        title=f"{track}: scores before grading by hand", xlabel=f"points, of {most:g}", ylabel="students"
    )
    return _png(figure)


def _plot_items(rows: Sequence[dict[str, Any]], track: str) -> bytes:
    chosen = [i for i in items(rows) if i.track == track]
    figure, axis = _figure(0.32 * len(chosen) + 1.2)
    axis.barh([i.name for i in chosen][::-1], [100 * i.share for i in chosen][::-1], color="#3a6ea5")
    axis.set(
        title=f"{track}: how much of each exercise was earned", xlabel="percent of its points", xlim=(0, 100)
    )
    return _png(figure)


def _figure(height: float = 2.8) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:
    with io.BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


def _picture(data: bytes, alt: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f"<figure><img alt='{_safe(alt)}' src='data:image/png;base64,{encoded}'></figure>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{_safe(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_safe(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _safe(words: str) -> str:
    return escaping.escape(words, quote=True)
