"""Feedback pages with less work for each."""

import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.grading.pages import PageExporter

pytestmark = pytest.mark.filterwarnings("ignore")


def notebook(*cells):
    made = new_notebook(cells=[new_markdown_cell("# A *title*, $x^2$"), new_code_cell("x = 1"), *cells])
    made.metadata = {"language_info": {"name": "python"}}
    return made


def page_of(made, exporter=None):
    exporter = exporter or PageExporter(template_name="classic")
    return exporter.from_notebook_node(made)[0]


def test_is_the_page_that_of_nbconvert():
    from bs4 import BeautifulSoup

    made = notebook(new_markdown_cell('<b>bold</b> & "quoted" <img src="data:,">'))
    theirs, _ = HTMLExporter(template_name="classic").from_notebook_node(made)
    ours = BeautifulSoup(page_of(made), features="html.parser")
    assert [*ours.body.stripped_strings] == [*BeautifulSoup(theirs, "html.parser").body.stripped_strings]
    assert [i["alt"] for i in ours.select("img")] == ["No description has been provided for this image"]


def test_is_a_text_that_stands_there_kept():
    page = page_of(notebook(new_markdown_cell('<img src="data:," alt="mine">')))
    assert page.count("<img") == 1
    assert "No description" not in page


def test_does_an_attached_picture_stay_with_its_cell():
    first, second = (new_markdown_cell("![](attachment:a.png)") for _ in range(2))
    first.attachments, second.attachments = ({"a.png": {"image/png": text}} for text in ("QUFB", "QkJC"))
    exporter = PageExporter(template_name="classic")
    assert ["QUFB" in page_of(notebook(cell), exporter) for cell in (first, second)] == [True, False]
