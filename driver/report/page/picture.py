"""A run in a small page: its state, its top keys and its timeline, for the output of a notebook."""

from __future__ import annotations

from html import escape

from driver.report.page.document import RunDocument
from driver.report.page.render import section, title, whole_page
from driver.report.templating import rendered

TOP_SHOWN = 10
_BASE_HEIGHT, _ROW_HEIGHT, _MOST_HEIGHT = 660, 30, 1_000


def picture(document: RunDocument) -> str:
    """Return the HTML of a run that is done: a frame of its own, whose style stays in it."""
    top = document.report.top[:TOP_SHOWN] if document.report else ()
    elements = [
        section("verdict", document),
        rendered("page/top.html", {"rows": top}),
        section("timeline", document),
    ]
    text = whole_page(title(document), elements)
    height = min(_MOST_HEIGHT, _BASE_HEIGHT + _ROW_HEIGHT * len(top))
    return (
        f'<iframe srcdoc="{escape(text)}" title="{escape(title(document))}" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )
