"""A derivation: lines of text, of one chain or of several by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograder.judging.call import Call, Give, Observation
from autograder.judging.foreign import MAX_TEXT


class DerivationKind:
    """A list of lines of text, or a dictionary of such lists where there are ``chains``.

    Facts: ``lines``, a list or a dictionary of lists, or ``problem``.
    """

    def observe(self, answer: Any, call: Call, give: Give | None = None) -> Observation:
        """Take the lines as text; nothing is evaluated here."""
        chains = call.options.get("chains")
        if not chains:
            return _take(answer)
        if answer is None or answer is Ellipsis:
            answer = {}
        if not isinstance(answer, Mapping):
            return Observation(facts={"problem": {"what": "not_a_dict", "got": type(answer).__name__}})
        taken = {str(name): _take(answer.get(name, [])) for name in chains}
        for name, seen in taken.items():
            if "problem" in seen.facts:
                return Observation(facts={"problem": seen.facts["problem"] | {"chain": name}})
        return Observation(facts={"lines": {name: seen.facts["lines"] for name, seen in taken.items()}})


def _take(answer: Any) -> Observation:
    if answer is Ellipsis:
        answer = []
    if isinstance(answer, str):
        answer = [line for line in answer.splitlines() if line.strip()]
    if not isinstance(answer, (list, tuple)):
        return Observation(facts={"problem": {"what": "not_lines", "got": type(answer).__name__}})
    texts = [line for line in answer if line is not Ellipsis]
    wrong = [type(line).__name__ for line in texts if not isinstance(line, str)]
    if wrong:
        return Observation(facts={"problem": {"what": "not_text", "got": wrong[0]}})
    return Observation(facts={"lines": [line[:MAX_TEXT] for line in texts[:200]]})
