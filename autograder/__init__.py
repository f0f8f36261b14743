"""A deep-learning course that grades itself: what a notebook imports.

>>> import autograder
>>> lesson = autograder.lesson("01-kernel-attention", track="from_scratch")  # doctest: +SKIP
>>> lesson.check("softmax_similarity", softmax_similarity)                    # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.notebook.lesson import Lesson, lesson

__version__ = "0.1.0"
__all__ = ["Lesson", "__version__", "lesson"]


def __getattr__(name: str) -> Any:
    """Import what a notebook needs when it is asked for: the sandbox's processes start without it."""
    if name not in ("Lesson", "lesson"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autograder.notebook import lesson as module

    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
