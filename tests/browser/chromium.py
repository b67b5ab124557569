"""Open pages in Debian's chromium, without a network, and note what a page does wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "build" / "browser"
"""Screenshots, for people to look at."""
AXE = ROOT / ".venv" / "browser-env" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (360, 900, 1600)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # what playwright's routes do not see, e.g. a preconnect, finds no address either
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
AXE_RUN = """async () => {
  const found = await axe.run(document, {resultTypes: ['violations']});
  return found.violations.map(each => [each.id, each.nodes.length, each.nodes[0].html,
                                       each.nodes[0].failureSummary]);
}"""


@dataclass
class Opened:
    """A page in its own context, and its faults: requests that left, errors, dialogs."""

    page: Any
    faults: list[str] = field(default_factory=list)

    def violations(self) -> list[Any]:
        """Return what axe-core finds: rule, number of nodes, the first one, and why."""
        # evaluated from outside, so the page's own policy need not allow the script
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[Any] = self.page.evaluate(AXE_RUN)
        return found

    def overflow_px(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page in build/browser."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


def executable() -> str | None:
    """Return the path of chromium; None without one."""
    return shutil.which("chromium")


@contextmanager
def running() -> Iterator[Any]:
    """Run a browser with an empty profile of its own; it has ended afterwards."""
    from playwright.sync_api import sync_playwright  # only in the environment of these tests

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any,
    url: str,
    *,
    width: int = 900,
    scheme: Scheme = "light",
    script: bool = True,
    expected: tuple[str, ...] = (),
) -> Iterator[Opened]:
    """Open a page that may load only itself and, from loopback, its own server.

    Args:
        browser: from `running`.
        url: a file or a page on 127.0.0.1.
        width: of the window, in pixels.
        scheme: the colours that the user prefers.
        script: whether scripts run.
        expected: beginnings of faults that the test provokes.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
    )
    try:
        page = context.new_page()
        seen = Opened(page)

        def note(fault: str) -> None:
            if not fault.startswith(expected):
                seen.faults.append(fault)

        def refuse(route: Any) -> None:
            note(f"request: {route.request.url}")
            route.abort()

        def dialog(box: Any) -> None:
            note(f"dialog: {box.message}")
            box.dismiss()

        context.route(lambda target: not _allowed(url, target), refuse)
        page.on("websocket", lambda socket: note(f"request: {socket.url}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("dialog", dialog)
        page.on(
            "console",
            lambda said: note(f"console: {said.text}") if said.type == "error" else None,
        )
        page.goto(url)
        yield seen
    finally:
        context.close()


def _allowed(url: str, target: str) -> bool:
    if target.startswith(("data:", "blob:", "about:")):
        return True
    own, other = urlsplit(url), urlsplit(target)
    if own.scheme == "file":
        return target.partition("#")[0] == url.partition("#")[0]
    return (own.scheme, own.netloc) == (other.scheme, other.netloc)
