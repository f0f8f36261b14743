"""A class: reduce, graft, run and judge, write; and the report.

Grading is five small steps, each in a file of its own:

1. `reduce`   a submission, whatever it is, to its answers;
2. `graft`    the answers on the released notebook;
3. `run`      the grafted cells in a sandboxed process, judged from outside at the check cells;
4. `store`    the result, under what it depends on, so that nothing is graded twice or lost;
5. `gradebook`  into nbgrader's gradebook and feedback pages, in one process.

`pipeline` puts them together for a class.
"""
