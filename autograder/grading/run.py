"""Step 3: run a grafted notebook in a sandboxed process and judge it from outside.

Theory of operation
-------------------
Cells run one after another in a session that this process doesn't trust.  Where a check cell
stands, its exercise is judged: each case's arguments go to the session, arrays or an error come
back, and the comparison is made here.  A session that dies costs the exercise at which it died:
the verdicts reached before are kept, a new session runs the cells again without the guilty one,
and the run goes on after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from autograder.grading.graft import Grafted
from autograder.grading.outside import Clock
from autograder.grading.roomy import Roomy
from autograder.judging.judge import blank, grader_failed, judge, not_attempted
from autograder.judging.observe import Observation
from autograder.judging.prepare import Prepared, PreparedCase
from autograder.judging.verdict import NOT_YET, PASSED, Verdict
from autograder.sandbox import CellResult, Limits, Sandbox, Session, SessionDied

MAX_SESSIONS = 6
CELL_LIMIT_S = 30.0
CALL_LIMIT_S = 10.0
STATUSES = ("malformed", "missing", "crashed", "timed_out", "graded")
"""From the gravest to the best."""

Functions = Mapping[str, Callable[..., Any]]
Prepare = Callable[[str, bool], Prepared]
"""From an exercise's name, and whether to add the known mistakes' outputs, to its cases."""


@dataclass
class RunResult:
    """What a run gave: verdicts by exercise, each cell's outputs, and what was noticed.

    status : "graded", or the gravest thing that happened ("timed_out", "crashed").
    """

    status: str = "graded"
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    outputs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_bytes: int = 0
    tier: str = "none"


class _Undefined(Exception):
    """The answer's name stands for nothing at its check."""


class _Starved(Exception):
    """A session ended for want of memory in a check that was ours to make: no fault is seen in it yet."""


class Runner:
    """Runs one grafted notebook; `files` are the released ones that lie beside it."""

    def __init__(
        self,
        sandbox: Sandbox,
        grafted: Grafted,
        prepare: Prepare,
        attempted: set[str],
        files: Mapping[str, bytes],
        limits: Limits | None = None,
        functions: Callable[[str], Functions] | None = None,
        roomy: Callable[[str], Roomy | None] | None = None,
    ) -> None:
        self.sandbox, self.grafted, self.prepare, self.attempted = sandbox, grafted, prepare, attempted
        self.files, self.limits = files, limits or Limits()
        self.functions = functions or (lambda name: {})
        self.roomy = roomy or (lambda name: None)
        self.result = RunResult(tier=sandbox.tier)
        self.guilty: set[int] = set()
        self.apart: set[str] = set()
        self.errors: dict[str, dict[str, Any]] = {}
        self.session: Session | None = None

    def run(self) -> RunResult:
        """Run all cells; never raises for anything that a submission does."""
        sessions, position = 0, 0
        count = len(self.grafted.roles)
        while position < count and sessions < MAX_SESSIONS:
            sessions += 1
            with self.sandbox.session(self.limits, self.files) as session:
                self.session = session
                position = self._run_from(position)
                self._account(session)
        for index, name in self._checks(position):
            says = "The run was given up before this exercise: it had died too often."
            self._keep(index, blank(self.prepare(name, False), NOT_YET, says))
        return self.result

    def _run_from(self, position: int) -> int:
        """Repeat what stood before `position`, then go on; return where the run stopped."""
        index = 0
        try:
            for index, role in enumerate(self.grafted.roles):
                if index in self.guilty or (index < position and role.startswith("check:")):
                    continue
                self._one(index, role, repeat=index < position)
            return len(self.grafted.roles)
        except _Starved:
            return index
        except SessionDied as died:
            self._blame(index, died)
            return max(index + 1, position)

    def _one(self, index: int, role: str, repeat: bool) -> None:
        assert self.session is not None
        kind, _, name = role.partition(":")
        if kind == "check":
            self._keep(index, self._judge(name))
        elif kind in ("code", "own", "answer"):
            source = self.grafted.notebook["cells"][index]["source"]
            label = f"answer to {name}" if name else f"number {index + 1}"
            seen = self.session.run_cell(source, label, CELL_LIMIT_S)
            if not repeat:
                self.result.outputs[index] = cell_outputs(seen)
                self._note_path(seen)
            if name:
                self.errors.pop(name, None)
                if seen.error is not None:
                    self.errors[name] = seen.error

    def _note_path(self, seen: CellResult) -> None:
        """Note an attempt at a path outside the working folder; most of the walls make it look absent."""
        says = str(seen.error.get("message")) if seen.error is not None else ""
        if seen.error is not None and seen.error.get("type") == "FileNotFoundError" and "'/" in says:
            self.result.noted.append(f"looked for a path outside its folder: {says[:200]}")

    def _blame(self, index: int, died: SessionDied) -> None:
        self.guilty.add(index)
        self._note_status("timed_out" if died.reason == "timed_out" else "crashed", died.says)
        kind, _, name = self.grafted.roles[index].partition(":")
        if kind == "check":
            self._keep(index, blank(self.prepare(name, False), NOT_YET, died.says))
        else:
            error = {"type": died.reason, "message": died.says}
            self.result.outputs[index] = cell_outputs(CellResult("error", "", error))
            if name:
                self.errors[name] = error

    def _keep(self, index: int, verdict: Verdict) -> None:
        self.result.verdicts[verdict.exercise] = verdict
        self.result.outputs[index] = verdict_outputs(verdict)

    def _note_status(self, status: str, why: str) -> None:
        self.result.status = min(self.result.status, status, key=STATUSES.index)
        if why not in self.result.reasons:
            self.result.reasons.append(why)

    def _checks(self, position: int) -> list[tuple[int, str]]:
        """Return the checks from `position` on that have no verdict, with their cells."""
        roles = [
            (index, role.partition(":")) for index, role in enumerate(self.grafted.roles) if index >= position
        ]
        return [
            (i, name) for i, (kind, _, name) in roles if kind == "check" and name not in self.result.verdicts
        ]

    def _account(self, session: Session) -> None:
        usage = session.close()
        self.result.cpu_s += usage.cpu_s
        self.result.wall_s += usage.wall_s
        self.result.peak_bytes = max(self.result.peak_bytes, usage.peak_bytes)
        self.result.noted += [f"limit or refusal: {what}" for what in usage.tripped]

    # ----------------------------------------------------------------------------------- judging

    def _judge(self, name: str) -> Verdict:
        prepared = self.prepare(name, False)
        if name not in self.attempted and name not in self.errors:
            return not_attempted(prepared)
        assert self.session is not None
        seen: dict[str, Observation] = {}
        clock = Clock(self.session, prepared, self.functions(name))
        outside = any(case.linear for case in prepared.cases) and self.session.cpu_s() is not None
        cpu = clock.cpu if outside else None

        def observe(case: PreparedCase) -> Observation:
            if case.name not in seen:
                seen[case.name] = self._observe(name, prepared, case, outside)
            return seen[case.name]

        try:
            verdict = judge(prepared, observe, show_arrays=False, cpu=cpu)
            if verdict.points > 0 and self._takes_too_much(name):
                for case in prepared.cases:
                    if case.peak_bytes is not None:
                        seen[case.name].facts["peak_bytes"] = float("inf")
                verdict = judge(prepared, observe, show_arrays=False, cpu=cpu)
            if verdict.outcome == PASSED:
                return verdict
            return judge(self.prepare(name, True), observe, show_arrays=False, cpu=cpu)
        except _Undefined:
            return self._undefined(name, prepared)
        except (SessionDied, _Starved):
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:300]
            self._note_status("crashed", f"The grader failed at {name}, not the submission: {why}")
            return grader_failed(prepared, why)

    def _observe(self, name: str, prepared: Prepared, case: PreparedCase, cpu_outside: bool) -> Observation:
        assert self.session is not None
        call = prepared.call(case, CALL_LIMIT_S, cpu_outside)
        seen = self.session.observe(name, call, functions=self.functions(name))
        if seen.facts.get("undefined"):
            raise _Undefined
        if seen.error is not None and seen.error.get("type") == "TimeLimit":
            self._note_status("timed_out", f"{name} did not come back: {seen.error.get('message')}.")
        return seen

    def _takes_too_much(self, name: str) -> bool:
        """Whether an answer finds no room in a session that has as much as its exercise allows."""
        roomy = self.roomy(name)
        if roomy is None or self._finds_room_here(name, roomy):
            return False
        limits = replace(self.limits, memory_bytes=roomy.memory_bytes, exact_memory=True)
        check = self.grafted.roles.index(f"check:{name}")
        with self.sandbox.session(limits, self.files) as session:
            try:
                for index, role in enumerate(self.grafted.roles[:check]):
                    if role.partition(":")[0] in ("code", "own", "answer") and index not in self.guilty:
                        source = self.grafted.notebook["cells"][index]["source"]
                        session.run_cell(source, f"number {index + 1}", CELL_LIMIT_S)
                seen = session.observe(name, roomy.call, CALL_LIMIT_S, self.functions(name))
            except SessionDied as died:
                seen = Observation(error={"type": died.reason, "message": died.says})
            finally:
                self._account(session)
        if seen.error is not None and seen.error["type"] in ("TimeLimit", "timed_out"):
            self.result.noted.append(
                f"{name} was too slow for many rows; its memory was not checked from outside"
            )
            return False
        return not roomy.is_answered_by(seen)

    def _finds_room_here(self, name: str, roomy: Roomy) -> bool:
        """Whether the call is answered here, with as much memory in all as a session of its own would have.

        Other cells may hold some of it, and freed memory that was not given back counts: no proves nothing.
        """
        assert self.session is not None
        if name in self.apart:
            return False
        with self.session.narrowed(roomy.memory_bytes) as narrow:
            if not narrow:
                return False
            try:
                seen = self.session.observe(name, roomy.call, CALL_LIMIT_S, self.functions(name))
            except SessionDied as died:
                self.apart.add(name)
                raise _Starved from died
        return roomy.is_answered_by(seen)

    def _undefined(self, name: str, prepared: Prepared) -> Verdict:
        error = self.errors.get(name)
        if error is not None:
            says = f"The cell that defines {name} failed with {error.get('type')}: {error.get('message')}"
            if error.get("line"):
                says += f"  In line {error.get('line_number')}: {error.get('line')}"
            return blank(prepared, NOT_YET, says)
        return blank(
            prepared, NOT_YET, f"{name} is not defined. Was its cell deleted, or the function renamed?"
        )


# ----------------------------------------------------------------------------- notebook outputs


def verdict_outputs(verdict: Verdict) -> list[dict[str, Any]]:
    """Return a verdict as a cell's output: the number that nbgrader reads, and the card that people read."""
    data = {"text/plain": str(float(verdict.points)), "text/html": verdict._repr_html_()}
    return [{"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}]


def cell_outputs(seen: CellResult) -> list[dict[str, Any]]:
    """Return what a student's own cell printed and raised, as outputs: text only."""
    outputs: list[dict[str, Any]] = []
    if seen.stdout:
        outputs.append({"output_type": "stream", "name": "stdout", "text": seen.stdout})
    if seen.error is not None:
        kind, message = str(seen.error.get("type")), str(seen.error.get("message"))
        lines = [f"{kind}: {message}"]
        if seen.error.get("line"):
            lines.insert(0, f"line {seen.error.get('line_number')}: {seen.error.get('line')}")
        outputs.append({"output_type": "error", "ename": kind, "evalue": message, "traceback": lines})
    return outputs
