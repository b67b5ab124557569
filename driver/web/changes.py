"""Which sections of a page have changed since the browser was sent them. Pure.

The id of each message is what the page shows after it: the digest of each section. A browser that
comes back, to this server or to the next one, sends the last id that it has, and gets what differs:
no message is lost, and none comes twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

DIGEST_DIGITS = 12
TITLE = "title"
"""The name of the section that is the title of the window: a `title` element."""
Sections = Mapping[str, str]
"""The HTML of each section, by the id of its element. A job's text is escaped in it already."""


@dataclass(frozen=True)
class Message:
    """What a page is sent: its sections that have changed, and the id of what it shows then."""

    id: str
    html: str
    names: tuple[str, ...]


def shown_id(sections: Sections) -> str:
    """Return the id of a page that shows these sections."""
    return ",".join(f"{name}:{_digest(html)}" for name, html in sections.items())


def message(sections: Sections, shown: str) -> Message | None:
    """Return what a page lacks; None when it shows all as it is.

    Args:
        sections: as they are now.
        shown: the id of what the page shows; of an unknown form, or empty: it shows nothing.
    """
    known = dict(_entries(shown))
    names = tuple(name for name, html in sections.items() if known.get(name) != _digest(html))
    if not names:
        return None
    html = "".join(_part(name, sections[name]) for name in names)
    return Message(shown_id(sections), html, names)


def _part(name: str, html: str) -> str:
    if name == TITLE:
        return html
    return f'<hx-partial hx-target="#{name}" hx-swap="{_swap(html)}">{html}</hx-partial>'


def _swap(html: str) -> str:
    """Return how a section is replaced: element by element, so that what the user has opened or
    typed stays, but for data and what a script draws from them, which it finds by a new element.
    """
    return "outerHTML" if "</script>" in html else "outerMorph"


def _entries(shown: str) -> list[tuple[str, str]]:
    pairs = (entry.partition(":") for entry in shown.split(","))
    return [(name, digest) for name, _, digest in pairs]


def _digest(html: str) -> str:
    return hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()[:DIGEST_DIGITS]
