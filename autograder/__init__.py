"""A deep-learning course that grades itself: what a notebook imports.

>>> import autograder
>>> lesson = autograder.lesson("01-kernel-attention", track="from_scratch")  # doctest: +SKIP
>>> lesson.check("softmax_similarity", softmax_similarity)                    # doctest: +SKIP
"""

from autograder.notebook.lesson import Lesson, lesson

__version__ = "0.1.0"
__all__ = ["Lesson", "__version__", "lesson"]
