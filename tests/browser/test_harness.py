"""The harness sees what it must see: a page that leaves, an error, a barrier, an overflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Opened, opened

GOOD = (
    "<!doctype html><html lang=en><meta name=viewport content='width=device-width'>"
    "<title>A page</title><main><h1>A page</h1><p>Text.</p></main>"
)


def _page(folder: Path, text: str) -> str:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def _wait_for_a_fault(seen: Opened) -> None:
    for _ in range(200):
        if seen.faults:
            return
        seen.page.wait_for_timeout(50)


def test_a_good_page_has_no_fault(browser: Any, tmp_path: Path) -> None:
    """A page that does nothing wrong has no faults, no barriers and no overflow."""
    with opened(browser, _page(tmp_path, GOOD), width=360) as seen:
        assert [] == seen.violations()
        assert 0 == seen.overflow_px()
        assert [] == seen.faults


@pytest.mark.parametrize(
    "leaving",
    [
        "<img alt='' src='https://example.org/a.png'>",
        "<img alt='' src='http://127.0.0.1:9/a.png'>",
        "<link rel=stylesheet href='http://example.org/a.css'>",
        "<script>fetch('https://example.org/').catch(() => 0)</script>",
        "<script>navigator.sendBeacon('https://example.org/')</script>",
        "<script>new WebSocket('ws://127.0.0.1:9/')</script>",
        "<iframe title=x src='https://example.org/'></iframe>",
    ],
)
def test_a_request_is_a_fault(browser: Any, tmp_path: Path, leaving: str) -> None:
    """A page that asks for anything but itself has a fault, and the request is not sent."""
    with opened(browser, _page(tmp_path, GOOD + leaving)) as seen:
        _wait_for_a_fault(seen)
        assert any(fault.startswith("request: ") for fault in seen.faults)


@pytest.mark.parametrize(
    ("fault", "script"),
    [
        ("error: ", "<script>throw new Error('no')</script>"),
        ("dialog: ", "<script>alert(1)</script>"),
        ("console: ", "<script>console.error('no')</script>"),
    ],
)
def test_an_error_is_a_fault(browser: Any, tmp_path: Path, fault: str, script: str) -> None:
    """An exception, a dialog and a logged error are faults."""
    with opened(browser, _page(tmp_path, GOOD + script)) as seen:
        _wait_for_a_fault(seen)
        assert [fault] == [each[: len(fault)] for each in seen.faults]


def test_barriers_and_overflow_are_seen(browser: Any, tmp_path: Path) -> None:
    """axe-core finds an image without a text, and a wide element overflows a narrow window."""
    image = "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"
    bad = f"{GOOD}{image}<pre>{'wide ' * 200}</pre>"
    with opened(browser, _page(tmp_path, bad), width=360) as seen:
        assert "image-alt" in {rule for rule, *_ in seen.violations()}
        assert seen.overflow_px() > 500
