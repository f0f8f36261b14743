"""A student's session: `lesson`, and its four verbs check, hint, solution, progress."""
