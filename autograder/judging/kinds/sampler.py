"""A sampler: a function with a random generator, called with seeds that the case gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.judging.call import Call, Give, Observation
from autograder.judging.foreign import run_quietly
from autograder.judging.kinds.function import FunctionKind, describe_result
from autograder.judging.kinds.step import stack
from autograder.judging.values import SEED, copy, hand_over, unchanged


class SamplerKind(FunctionKind):
    """A function that draws.

    Option: ``draws``, how many calls with different seeds to stack.  Facts: ``same_seed`` and
    ``other_seed``, whether the results agree with the first one; ``global_rng``, whether the
    global generators play a part.
    """

    def observe(self, answer: Any, call: Call, give: Give | None = None) -> Observation:
        """Draw with the case's seed, with it again, and with other seeds."""
        refusal = self.refuse(answer, call)
        if refusal is not None:
            return refusal
        before = _global_state(call)
        seen = self._draw(answer, call, give)
        if seen.error is not None or "problem" in seen.facts:
            return seen
        touched = _global_state(call) != before
        _seed_globally(call, 1)
        again = self._draw(answer, call, give)
        other = self._draw(answer, _reseeded(call, 7919), give)
        _restore(call, before)
        seen.facts["global_rng"] = touched
        seen.facts["same_seed"] = _equal(seen, again)
        seen.facts["other_seed"] = _equal(seen, other)
        return seen

    def _draw(self, answer: Any, call: Call, give: Give | None) -> Observation:
        facts: dict[str, Any] = {"changed": []}

        def run() -> Any:
            results = []
            for i in range(call.options["draws"]):
                arguments = hand_over(_reseeded(call, i), give)
                given = copy({n: v for n, v in arguments.items() if not _is_seed(call.arguments[n])})
                results.append(answer(*arguments.values()))
                facts["changed"] = [n for n, v in given.items() if not unchanged(v, arguments[n])]
            return results[0] if len(results) == 1 else stack(results)

        seen, _ = describe_result(run_quietly(run, call.wall_limit_s), call, call.arguments)
        seen.facts.update(facts)
        return seen


def _is_seed(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {SEED}


def _reseeded(call: Call, by: int) -> Call:
    arguments = {n: {SEED: v[SEED] + by} if _is_seed(v) else v for n, v in call.arguments.items()}
    return replace(call, arguments=arguments)


def _equal(seen: Observation, other: Observation) -> bool:
    return seen.outputs.keys() == other.outputs.keys() and all(
        np.array_equal(seen.outputs[n], other.outputs[n]) for n in seen.outputs
    )


def _global_state(call: Call) -> tuple[Any, ...]:
    import random

    name, keys, *rest = np.random.get_state()
    state = (random.getstate(), (name, np.asarray(keys).tobytes(), *rest))
    if call.framework != "torch":
        return state
    import torch

    return (*state, torch.get_rng_state().numpy().tobytes())


def _seed_globally(call: Call, seed: int) -> None:
    import random

    random.seed(seed)
    np.random.seed(seed)
    if call.framework == "torch":
        import torch

        torch.manual_seed(seed)


def _restore(call: Call, state: tuple[Any, ...]) -> None:
    import random

    random.setstate(state[0])
    name, keys, *rest = state[1]
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))
    if call.framework == "torch":
        import torch

        torch.set_rng_state(torch.frombuffer(bytearray(state[2]), dtype=torch.uint8))
