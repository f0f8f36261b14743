"""Reaching a verdict: observations in, a `Verdict` out.

The answer itself is never seen here.  `judge` is handed a function that observes the answer on
a case; in a student's session that calls the answer, and when grading it asks a process that
the student's code cannot leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.judging import derivation, diagnose, sealed
from autograder.judging.diagnose import Finding
from autograder.judging.observe import Observation
from autograder.judging.options import statement
from autograder.judging.prepare import Prepared, PreparedCase, measured
from autograder.judging.verdict import (
    GRADER_FAILED,
    NOT_ATTEMPTED,
    NOT_YET,
    PASSED,
    PENDING,
    CaseRow,
    Picture,
    Verdict,
)

Observe = Callable[[PreparedCase], Observation]
Pairs = list[tuple[PreparedCase, Observation]]
TELLING = 6
"""A picture of fewer entries than this shows no pattern."""
NO_CASE = PreparedCase(name="lines", says="", arguments={}, expected={})


def blank(prepared: Prepared, outcome: str, says: str = "") -> Verdict:
    """Return a verdict without points and without rows."""
    return Verdict(
        exercise=prepared.name,
        track=prepared.track,
        title=prepared.title,
        outcome=outcome,
        points=0.0,
        max_points=prepared.points,
        says=says,
        hints=list(prepared.hints),
    )


def not_attempted(prepared: Prepared) -> Verdict:
    """Return the verdict for an answer that is still as it was released."""
    return blank(prepared, NOT_ATTEMPTED, f"Write {prepared.name} first, then run this cell again.")


def grader_failed(prepared: Prepared, why: str) -> Verdict:
    """Return the verdict for a failure of ours: it must never look like the student's."""
    says = f"This is not your fault: the check could not run ({why}). Please tell your instructor."
    return blank(prepared, GRADER_FAILED, says)


def judge(
    prepared: Prepared,
    observe: Observe,
    show_arrays: bool = True,
    cpu: Callable[[PreparedCase], dict[str, list[float]]] | None = None,
) -> Verdict:
    """Judge an answer.

    Parameters
    ----------
    prepared : the exercise with its cases, from a casebook or freshly drawn.
    observe : tries the answer on a case; it does not raise.
    show_arrays : whether the verdict may show expected values and what came.
    cpu : makes a case's calls with many rows and returns the CPU seconds that they took, read from
        outside (`growth.cpu`); None believes the process that made the calls.
    """
    if prepared.kind == "written":
        return blank(prepared, PENDING, "This answer is read and graded by a person.")
    if prepared.kind == "derivation":
        return _judge_derivation(prepared, observe(NO_CASE))
    if prepared.kind == "reply":
        return _judge_reply(prepared, observe(NO_CASE))
    pairs: Pairs = []
    for case in prepared.cases:
        seen = observe(case)
        if seen.facts.get("not_attempted"):
            return not_attempted(prepared)
        if prepared.kind == "sampler" and case.raises is None:
            seen = measured(prepared, case, seen)
        if cpu is not None and case.linear and "sizes" in seen.facts.get("growth", {}):
            seen.facts["growth"]["cpu_s"] = cpu(case)
        pairs.append((case, seen))
        if seen.error is not None and seen.error.get("type") in (
            "TimeLimit",
            "NotAFunction",
            "WrongArguments",
        ):
            break
    return _conclude(prepared, pairs, show_arrays)


def _conclude(prepared: Prepared, pairs: Pairs, show_arrays: bool) -> Verdict:
    findings = [diagnose.inspect(prepared, case, seen) for case, seen in pairs]
    verdict = blank(prepared, PASSED)
    verdict.rows = [
        CaseRow(case.name, finding is None, case.says if finding is None else finding.brief, case.says)
        for (case, _), finding in zip(pairs, findings, strict=True)
    ]
    verdict.rows += [CaseRow(case.name, None, case.says, case.says) for case in prepared.cases[len(pairs) :]]
    verdict.points = _points(prepared, verdict.rows)
    verdict.notes = _notes(prepared, pairs)
    if all(row.passed for row in verdict.rows):
        return verdict
    verdict.outcome = NOT_YET
    _explain(verdict, prepared, pairs, findings, show_arrays)
    return verdict


def _points(prepared: Prepared, rows: list[CaseRow]) -> float:
    """Return the base where all of it passed, and what single cases carry beyond it."""
    outcomes = {row.name: bool(row.passed) for row in rows}
    if not all(outcomes[case.name] for case in prepared.cases if not case.worth):
        return 0.0
    lost = sum(case.worth for case in prepared.cases if case.worth and not outcomes[case.name])
    return prepared.points - lost


def _explain(
    verdict: Verdict, prepared: Prepared, pairs: Pairs, findings: list[Finding | None], show_arrays: bool
) -> None:
    """Fill in the diagnosis: a known mistake if there is one, else the gravest finding's sentence."""
    failed = [(f, c, s) for f, (c, s) in zip(findings, pairs, strict=True) if f is not None]
    finding, *_ = min(failed, key=lambda item: (item[0].stage, _size(item[1])))
    verdict.breaks = tuple(sorted({f.breaks for f, _, _ in failed}))
    slip = diagnose.known_mistake(prepared, pairs) or _slip_by_property(prepared, verdict.breaks)
    verdict.mistake = slip
    verdict.says = (
        str(prepared.mistakes[slip]["says"]) if slip else finding.says + _only_single(pairs, findings)
    )
    if show_arrays and not any(f.stage < diagnose.SHAPE for f, _, _ in failed):
        verdict.picture = _picture([(f, c, s) for f, c, s in failed if f.stage == finding.stage])


def _picture(failed: list[tuple[Finding, PreparedCase, Observation]]) -> Picture | None:
    """Return the smallest case that shows the pattern: a few entries at least, if there is one."""
    shown = []
    for finding, case, seen in failed:
        output = finding.output or next(iter(case.expected), "")
        expected, got = case.expected.get(output), seen.outputs.get(output)
        if expected is None or got is None or "O" in (expected.dtype.kind, got.dtype.kind):
            continue
        if finding.stage in (diagnose.SHAPE, diagnose.FINITE, diagnose.VALUES):
            shown.append(Picture(output, case.name, expected, got))
    telling = [picture for picture in shown if picture.expected.size >= TELLING]
    return min(telling or shown, key=lambda picture: picture.expected.size, default=None)


def _slip_by_property(prepared: Prepared, breaks: tuple[str, ...]) -> str | None:
    """Return the one known mistake that breaks one of these properties, if values are right and there is just one."""
    if set(breaks) & {"values", "shape"}:
        return None
    slips = [m for m, told in prepared.mistakes.items() if told.get("breaks") in breaks]
    return slips[0] if len(slips) == 1 else None


def _size(case: PreparedCase) -> int:
    return sum(getattr(value, "size", 0) for value in case.arguments.values())


def _only_single(pairs: Pairs, findings: list[Finding | None]) -> str:
    """Say so where the answer is right only for a single row."""
    right = [c for (c, _), finding in zip(pairs, findings, strict=True) if finding is None and c.expected]
    single = [all(v.shape[0] == 1 for v in case.expected.values() if v.ndim) for case in right]
    return " It is right only where there is a single row." if right and all(single) else ""


def _notes(prepared: Prepared, pairs: Pairs) -> list[str]:
    notes = []
    printed = [seen.facts["printed"] for _, seen in pairs if "printed" in seen.facts]
    if printed:
        notes.append(f"The function printed {sum(p['lines'] for p in printed)} lines; the check hid them.")
    warned = sorted({warning for _, seen in pairs for warning in seen.facts.get("warnings", [])})
    notes.extend(f"Python warned: {warning}" for warning in warned[:2])
    kinds = {kind for _, seen in pairs for kind in seen.facts.get("types", {}).values()}
    if prepared.framework == "numpy" and kinds & {"list", "tuple", "Tensor"}:
        notes.append("The result was read as an array; returning a NumPy array is usual in this track.")
    if prepared.framework == "numpy" and any(_halved(case, seen) for case, seen in pairs):
        notes.append("The result is float32 where float64 was given: precision was lost on the way.")
    return notes


def _halved(case: PreparedCase, seen: Observation) -> bool:
    given = {getattr(v, "dtype", None) for v in case.arguments.values()}
    return "float64" in map(str, given) and "float32" in seen.facts.get("dtypes", {}).values()


def _judge_derivation(prepared: Prepared, seen: Observation) -> Verdict:
    if seen.facts.get("not_attempted"):
        return not_attempted(prepared)
    problem = seen.facts.get("problem")
    if problem is not None or seen.error is not None:
        return blank(prepared, NOT_YET, _lines_sentence(prepared))
    lines = seen.facts["lines"]
    chains: dict[str | None, list[str]] = dict(lines) if isinstance(lines, dict) else {None: lines}
    chains = {name: [line for line in chain if line.strip()] for name, chain in chains.items()}
    if all(_untouched(statement(prepared.options, name), chain) for name, chain in chains.items()):
        return not_attempted(prepared)
    verdict = blank(prepared, PASSED)
    for name, chain in chains.items():
        _judge_chain(verdict, prepared, name, chain)
    verdict.points = prepared.points if verdict.passed else 0.0
    return verdict


def _lines_sentence(prepared: Prepared) -> str:
    if "chains" in prepared.options:
        names = ", ".join(f'"{name}": […]' for name in prepared.options["chains"])
        return f"The answer is a dictionary of lists of lines, each a string in quotes: {{{names}}}."
    return 'A derivation is a list of lines, each a string in quotes: ["first line", "second line"].'


def _untouched(told: dict[str, Any], lines: list[str]) -> bool:
    return not lines or [line.replace(" ", "") for line in lines] == [told["start"].replace(" ", "")]


def _judge_chain(verdict: Verdict, prepared: Prepared, name: str | None, lines: list[str]) -> None:
    """Add one chain's lines to a verdict; the first line that fails decides what it says."""
    told = statement(prepared.options, name)
    prefix = f"{name}: " if name else ""
    if not lines:
        verdict.outcome = NOT_YET
        verdict.rows.append(CaseRow(f"{prefix}no lines", False, "No lines yet."))
        verdict.says = verdict.says or f"{prefix}there are no lines yet."
        return
    reports = derivation.check(told, lines)
    verdict.rows += [CaseRow(prefix + report.text, report.follows, report.says) for report in reports]
    verdict.rows += [CaseRow(prefix + text, None) for text in lines[len(reports) :]]
    if len(reports) == len(lines) and all(report.follows for report in reports):
        return
    verdict.outcome = NOT_YET
    if verdict.says:
        return
    verdict.mistake = _wrong_line(prepared, name, reports[-1].text)
    sentence = prepared.mistakes[verdict.mistake]["says"] if verdict.mistake else ""
    verdict.says = f"{prefix}Line {len(reports)}: {sentence or reports[-1].says}"


def _wrong_line(prepared: Prepared, chain: str | None, text: str) -> str | None:
    """Return the known slip that this line makes, by its values."""
    try:
        values = derivation.sample(statement(prepared.options, chain), text)
    except ValueError:
        return None
    for mistake, told in prepared.mistakes.items():
        near = abs(values - told["values"]).max() <= 1e-9 * abs(told["values"]).max()
        if told.get("chain") == chain and near:
            return mistake
    return None


def _judge_reply(prepared: Prepared, seen: Observation) -> Verdict:
    if seen.facts.get("not_attempted"):
        return not_attempted(prepared)
    options = prepared.options
    if "reply" not in seen.facts:
        form = f"({', '.join(options['parts'])})" if len(options["parts"]) > 1 else options["parts"][0]
        return blank(prepared, NOT_YET, f"The reply should be {form}, each a number or a text.")
    reply, rtols, salt = seen.facts["reply"], options["rtols"], options["salt"]
    explanation = sealed.open_sealed(options["right"], reply, [False] * len(reply), rtols, salt)
    if explanation is not None:
        verdict = blank(prepared, PASSED, explanation)
        verdict.points = prepared.points
        return verdict
    verdict = blank(prepared, NOT_YET, "That is not it.")
    for mistake, told in sorted(prepared.mistakes.items(), key=lambda item: sum(item[1]["wild"])):
        says = sealed.open_sealed(told["sealed"], reply, told["wild"], rtols, salt)
        if says is not None:
            verdict.mistake, verdict.says = mistake, says
            break
    return verdict
