"""Feedback pages, many of one lesson: nbconvert's pages, with less work for each.

Theory of operation
-------------------
Most cells of a class's notebooks are the same, so their highlighted code and their prose are kept
from one page to the next.  nbconvert parses the finished page once more to give pictures a text
and cells of its newer templates a tab stop; nbgrader's template has no such cells, and the text
is put in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.html import WidgetsDataTypeFilter
from nbconvert.filters import Highlight2HTML

KEPT = 1000
_PICTURE = re.compile(r"<img\b(?![^>]*\balt\s*=)", re.IGNORECASE)
_NO_TEXT = '<img alt="No description has been provided for this image"'


class PageExporter(HTMLExporter):  # type: ignore[misc]
    """Makes the pages of one lesson; keep it from one page to the next."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._highlighters: dict[str, Callable[..., Any]] = {}
        self._prose = lru_cache(KEPT)(lambda source: HTMLExporter.markdown2html(self, _NO_CELL, source))

    @pass_context
    def markdown2html(self, context: Any, source: str) -> Any:
        """Return prose as HTML; pictures that are attached to a cell belong to it alone."""
        if context.get("cell", {}).get("attachments"):
            return HTMLExporter.markdown2html(self, context, source)
        return self._prose(str(source))

    def from_notebook_node(self, nb: Any, resources: Any = None, **named: Any) -> tuple[str, Any]:
        """Return a notebook's page, and what nbconvert knows of it."""
        about = nb.metadata.get("language_info", {})
        resources = self._init_resources(resources)
        widgets = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter(
            "highlight_code", self._highlight(about.get("pygments_lexer", about.get("name")))
        )
        self.register_filter("filter_data_type", widgets)
        page, resources = super(HTMLExporter, self).from_notebook_node(nb, resources, **named)
        return _PICTURE.sub(_NO_TEXT, page), resources

    def _highlight(self, language: str) -> Callable[..., Any]:
        if language not in self._highlighters:
            plain = Highlight2HTML(pygments_lexer=language, parent=self)
            remembered = lru_cache(KEPT)(plain)

            def highlight(source: str, language: Any = None, metadata: Any = None) -> Any:
                if metadata and "magics_language" in metadata:
                    return plain(source, language, metadata)
                return remembered(str(source), language)

            self._highlighters[language] = highlight
        return self._highlighters[language]


_NO_CELL: dict[str, Any] = {}
