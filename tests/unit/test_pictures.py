"""The pictures of the docs are those of the program as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docs.pictures import DIGESTS, PAGES, PICTURES, digest, terminal_svg, terminal_text
from tests.docs.blocks import pages

ROOT = Path(__file__).resolve().parents[2]
LONGEST_BYTES = 200_000
ALL = (*PAGES, "terminal.svg")


@pytest.mark.parametrize("name", PAGES)
def test_a_picture_is_of_the_page_as_it_is(name: str) -> None:
    """The files that a picture was made of have not changed since; else run: make pictures."""
    assert digest(PAGES[name]) == json.loads(DIGESTS.read_text())[name]


def test_the_terminal_is_drawn_from_its_text() -> None:
    """The picture of the terminal follows from its text, which a test of the docs compares."""
    text = (PICTURES / "terminal.ansi").read_text(encoding="utf-8")
    svg = (PICTURES / "terminal.svg").read_text(encoding="utf-8")
    assert terminal_svg(text) == svg
    assert "url(" not in svg.replace("url(#", "")


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_small_and_shows_no_path_of_a_machine(name: str) -> None:
    """A picture loads at once."""
    content = (PICTURES / name).read_bytes()
    assert len(content) < LONGEST_BYTES
    assert b"/tmp/" not in content


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_on_a_page_with_a_text(name: str) -> None:
    """Each picture is on a page, with words for those who do not see it."""
    texts = [
        text
        for page in pages(ROOT)
        for text in re.findall(rf"!\[([^\]]*)\]\([^)]*{name}\)", page.read_text(encoding="utf-8"))
    ]
    assert texts
    assert all(len(text) > 20 for text in texts)


def test_a_terminal_shows_what_was_written_last() -> None:
    """Lines that were drawn again are there once, in their last form, with their colours."""
    output = "a\r\nbar 1\r\nbar 2\r\n\x1b[2A\x1b[2Kbar \x1b[1m9\x1b[0m\r\n\x1b[2K\x1b[?25hend\r\n"
    assert "a\nbar \x1b[1m9\x1b[0m\nend\n" == terminal_text(output)
