"""The page of a run, as one file without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driver.report.page.document import RunDocument
from driver.report.page.render import page
from tests.browser import samples
from tests.browser.chromium import SCHEMES, WIDTHS, Scheme, opened

MANY_TASKS = 20_000
MOST_NODES = 20_000
"""Elements of the page of a run of any size: a browser stops for a tree that grows with tasks."""
SHOWN_MS = 10_000
"""How long a page of 20,000 tasks may take on a machine that does other things too; alone it takes
less than two seconds."""
DOCUMENTS: dict[str, Callable[[], RunDocument]] = {
    "done": lambda: samples.done(40),
    "hostile": samples.hostile,
    "empty": samples.empty,
    "many": lambda: samples.done(MANY_TASKS),
}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The file of each page."""
    folder: Path = tmp_path_factory.mktemp("pages")
    found = {}
    for name, document in DOCUMENTS.items():
        path = folder / f"{name}.html"
        path.write_text(page(document()), encoding="utf-8")
        found[name] = path.as_uri()
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_leaves_and_axe_finds_no_barrier(
    browser: Any, urls: dict[str, str], name: str, scheme: Scheme
) -> None:
    """The page asks for nothing, logs no error, and has no barrier, in light and dark."""
    with opened(browser, urls[name], scheme=scheme) as seen:
        assert [] == seen.violations()
        assert [] == seen.faults


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_scrolls_sideways(
    browser: Any, urls: dict[str, str], name: str, width: int
) -> None:
    """No page is wider than its window; the pictures are kept for people."""
    for scheme in SCHEMES:
        with opened(browser, urls[name], width=width, scheme=scheme) as seen:
            seen.shot(f"page-{name}-{width}-{scheme}")
            assert 0 == seen.overflow_px()


def test_hostile_text_is_shown_and_runs_nothing(browser: Any, urls: dict[str, str]) -> None:
    """A script, a tag, an escape code and a bidi mark are text, in every place of the page."""
    with opened(browser, urls["hostile"]) as seen:
        body = seen.page.locator("body")
        assert "<script>alert(1)</script>" in body.inner_text()
        assert r"\x1b[31m\u202e" in body.inner_text()
        html = seen.page.content()
        assert "\x1b" not in html
        assert "\u202e" not in html
        assert 0 == seen.page.locator("img").count()
        # the failure, the record and the print each show it
        for place in ("#failure", "#letters", "#prints"):
            assert "<script>" in seen.page.locator(place).inner_text()
        assert [] == seen.faults


def test_many_tasks_are_shown_at_once(browser: Any, urls: dict[str, str]) -> None:
    """A run of 20,000 tasks has no more elements than a browser likes, and is drawn soon."""
    with opened(browser, urls["many"]) as seen:
        nodes = seen.page.evaluate("document.querySelectorAll('*').length")
        assert nodes < MOST_NODES
        took = seen.page.evaluate(
            "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        )
        assert took < SHOWN_MS
        drawn = seen.page.evaluate(
            """() => { const c = document.querySelector('canvas');
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                return d.some(value => value !== 0); }"""
        )
        assert drawn


def test_the_table_of_tasks_is_sorted_and_filtered(browser: Any, urls: dict[str, str]) -> None:
    """By keyboard, tasks are sorted by time, filtered by name, and counted."""
    with opened(browser, urls["many"]) as seen:
        seen.page.locator('[data-sort="seconds"]').focus()
        seen.page.keyboard.press("Enter")
        head = seen.page.locator('th:has([data-sort="seconds"])')
        assert "descending" == head.get_attribute("aria-sort")
        first = seen.page.locator("[data-tasks] tbody tr").first
        assert "1.99 s" in first.inner_text()
        seen.page.locator('[data-filter="text"]').fill("map-12345")
        assert 1 == seen.page.locator("[data-tasks] tbody tr").count()
        assert [] == seen.faults


def test_the_keyboard_reaches_everything(browser: Any, urls: dict[str, str]) -> None:
    """The first stop leads to the content, each stop is seen, and every control is one."""
    with opened(browser, urls["done"]) as seen:
        seen.page.keyboard.press("Tab")
        assert "#main" == seen.page.evaluate("document.activeElement.getAttribute('href')")
        controls = seen.page.locator("main a, main button, main input, main select, main summary")
        wanted = sum(each.is_visible() for each in controls.all())
        reached = set()
        for _ in range(wanted * 3):
            seen.page.keyboard.press("Tab")
            here = seen.page.evaluate(
                """() => { const at = document.activeElement;
                    const all = [...document.querySelectorAll('main *')];
                    const style = getComputedStyle(at);
                    return [all.indexOf(at), at.matches('a, button, input, select, summary'),
                            style.outlineStyle !== 'none' || at.matches(':focus-visible')]; }"""
            )
            if here[0] < 0:
                break
            assert here[2]
            if here[1]:
                reached.add(here[0])
        assert wanted == len(reached)


def test_without_scripts_the_page_says_the_same(browser: Any, urls: dict[str, str]) -> None:
    """The verdict, the timeline and the first tasks need no script."""
    with opened(browser, urls["done"], script=False) as seen:
        assert seen.page.locator("#timeline svg rect").count() > 40
        assert "map-0" in seen.page.locator("#tasks").inner_text()


def test_the_page_can_be_printed(browser: Any, urls: dict[str, str], tmp_path: Path) -> None:
    """On paper there are no controls, and the page is a few sheets."""
    with opened(browser, urls["done"]) as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.locator(".tools").first.is_visible()
        sheets = seen.page.pdf(path=tmp_path / "page.pdf")
        assert 1 <= sheets.count(b"/Type /Page\n") <= 12
        assert [] == seen.faults
