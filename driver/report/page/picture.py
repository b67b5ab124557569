"""A run in a small page: its state, its top keys and its timeline, for the output of a notebook."""

from __future__ import annotations

from html import escape

from driver.report.page.document import RunDocument
from driver.report.page.render import section, title, whole_page
from driver.report.page.timeline import timeline
from driver.report.templating import rendered

TOP_SHOWN = 5
_BASE_HEIGHT, _ROW_HEIGHT, _MOST_HEIGHT = 710, 31, 1_100
"""Pixels of all but the rows of the tables, of a row, and at most."""


def picture(document: RunDocument) -> str:
    """Return the HTML of a run that is done: a frame of its own, whose style stays in it."""
    top = document.report.top[:TOP_SHOWN] if document.report else ()
    elements = [
        section("verdict", document, alone=True),
        rendered("page/top.html", {"rows": top}),
        section("timeline", document),
    ]
    text = str(whole_page(title(document), elements))  # plain, or it would be escaped twice
    height = _BASE_HEIGHT + _ROW_HEIGHT * len(top) + timeline(document).height
    height = min(_MOST_HEIGHT, height)
    return (
        f'<iframe srcdoc="{escape(text)}" title="{escape(title(document))}" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )
