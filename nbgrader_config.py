"""nbgrader's configuration: `nbgrader …` run in this folder finds the course through it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
sys.path.insert(0, str(ROOT))

from autograder.authoring.steps import preprocessors  # noqa: E402
from autograder.course import read_course  # noqa: E402
from autograder.grading.gradebook import CourseLatePenalty, JudgeOutside, sanitising_steps, steps  # noqa: E402

course = read_course(ROOT)
course.grading.mkdir(exist_ok=True)

c = get_config()  # noqa: F821
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.course_id = course.id
c.CourseDirectory.db_url = course.db_url
c.CourseDirectory.source_directory = "grading/source"
c.CourseDirectory.release_directory = "notebooks"
c.CourseDirectory.submitted_directory = "submitted"
c.CourseDirectory.autograded_directory = "grading/autograded"
c.CourseDirectory.feedback_directory = "grading/feedback"
c.CourseDirectory.solution_directory = "grading/solution"
c.CourseDirectory.source_with_tests_directory = "grading/source_with_tests"

c.GenerateAssignment.preprocessors = preprocessors()
c.ClearMarkScheme.enforce_metadata = False
c.Autograde.sanitize_preprocessors = sanitising_steps()
c.Autograde.autograde_preprocessors = steps(JudgeOutside)
c.AssignLatePenalties.plugin_class = CourseLatePenalty

# Without the two lines on Autograde nbgrader runs the notebooks itself, as it comes; then this counts:
c.Execute.timeout = 300
