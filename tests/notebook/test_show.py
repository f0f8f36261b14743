from autograder.notebook.show import Note, ProgressTable

ROWS = [
    ("Scaling", "scaled", "passed", 2.0, 2.0),
    ("A <square>", "expand_square", "tried", 0.5, 3.0),
    ("Another", "another", "open", 0.0, 1.0),
    ("Why?", "say_why", "by hand", 0.0, 1.0),
]


def test_is_a_note_plain_text_elsewhere():
    assert repr(Note("Hint 1 of 2", "Think.")) == "Hint 1 of 2\nThink."
    assert repr(Note("Nothing", "")) == "Nothing"


def test_is_code_kept_in_its_lines():
    assert "<pre" in Note("A worked solution", "def f():\n    return 1", is_code=True)._repr_html_()
    assert "<pre" not in Note("A hint", "Think.")._repr_html_()


def test_is_the_text_of_a_note_never_markup():
    assert "<b>x</b>" not in Note("<b>x</b>", "<b>x</b>")._repr_html_()


def test_has_every_state_a_mark():
    lines = repr(ProgressTable(ROWS, "98-scaling: 1 of 4 passed")).splitlines()
    assert lines[0] == "98-scaling: 1 of 4 passed"
    assert [line.split()[0] for line in lines[1:]] == ["✓", "✗", "○", "…"]


def test_do_points_stand_in_both_renderings():
    table = ProgressTable(ROWS, "heading")
    assert "0.5 of 3" in repr(table)
    assert "0.5 of 3" in table._repr_html_()


def test_is_a_title_never_markup():
    assert "<square>" not in ProgressTable(ROWS, "heading")._repr_html_()
