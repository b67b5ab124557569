"""The live pages of `python -m driver web`, in a browser, with a driver that the test plays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driver.history.lease import LEASE_S
from driver.history.run_store import RunStore
from driver.report.page.document import read_document
from driver.report.page.render import SECTIONS, section
from mapreduce.storage import open_storage
from tests.browser import samples
from tests.browser.chromium import ROOT, SCHEMES, WIDTHS, Scheme, opened
from tests.browser.samples import FakeDriver

pytestmark = pytest.mark.timeout(300)
WAIT_S = 60.0
LOST_S = 15.0
AWAY = ("console: Failed to load resource: net::ERR_", "console: hx-sse", "console: htmx")
"""What a browser logs while the server is away."""
SLOW_JOB = """
import time

from mapreduce import Job


class Slow(Job):
    def map(self, key, value):
        time.sleep(0.05)
        yield value[:4], 1

    def reduce(self, key, values):
        yield key, sum(values)
"""
MOST_NODES = 20_000
ANSWER_MS = 3_000
"""How long a page may be busy with one message on a machine that does other things too."""
LONGEST_MS = """async () => {
  let last = performance.now(), longest = 0;
  for (let n = 0; n < 40; n++) {
    await new Promise(done => setTimeout(done, 100));
    longest = Math.max(longest, performance.now() - last - 100);
    last = performance.now();
  }
  return longest;
}"""
"""The longest time in four seconds in which the page did not answer."""
TEXTS = """names => Object.fromEntries(names.map(name =>
  [name, (document.getElementById(name) || {textContent: 'gone'}).textContent
    .replace(/\\s+/g, ' ').trim()]))"""


@dataclass
class Web:
    """A server of the live pages, in a process of its own."""

    store: str
    port: int
    state: Path
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def start(self) -> None:
        """Start it, and wait until it has printed its address."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "driver", "web", "--no-open"),
                *("--store", self.store, "--port", str(self.port)),
            ],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/open\?token=\S+", self.url)
        assert found, self.url
        self.port = int(found[1])

    def end(self, how: signal.Signals) -> tuple[int, float]:
        """End it with a signal; return its exit code, and the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait(timeout=10)
        self.process.communicate()
        return code, time.monotonic() - began

    def page(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}/store")


@pytest.fixture
def web(runs: RunStore, tmp_path: Path) -> Iterator[Web]:
    """A server of the store; its process is gone afterwards."""
    server = Web(runs.store, 0, tmp_path / "state")
    server.start()
    yield server
    if server.process and server.process.poll() is None:
        server.end(signal.SIGKILL)


def _wait_until(
    page: Any, holds: Callable[[], object], why: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something holds; the policy of the pages forbids to wait inside of them."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, f"{why()}\n{page.inner_text('body')[:2000]}"
        page.wait_for_timeout(50)


def _wait_for(page: Any, text: str, where: str = "body") -> None:
    _wait_until(page, lambda: text in page.inner_text(where))


def _different(page: Any, expected: dict[str, str]) -> list[tuple[str, str]]:
    """Return the sections of a page that differ from the expected texts, each with both."""
    found = page.evaluate(TEXTS, list(expected))
    return [(each, found[name]) for name, each in expected.items() if each != found[name]]


def _static_texts(browser: Any, runs: RunStore, run: str) -> dict[str, str]:
    """Return the text of each section of a run's file, as a browser has it."""
    document = read_document(runs, run)
    context = browser.new_context()
    page = context.new_page()
    page.set_content("".join(section(name, document) for name in SECTIONS))
    found: dict[str, str] = page.evaluate(TEXTS, list(SECTIONS))
    context.close()
    return found


def test_live_equals_static(browser: Any, runs: RunStore, web: Web) -> None:
    """A page that has seen a run from its plan to its end shows what the run's file shows."""
    driver = FakeDriver.begin(runs, time.time())
    driver.beat()
    happened = samples.in_order(samples.happened(60, at=time.time()))
    with opened(browser, web.url) as seen:
        page = seen.page
        page.wait_for_url(web.page("/"))
        page.get_by_text(driver.run).click()
        _wait_for(page, "Running")
        for part in (happened[:20], happened[20:21], happened[21:90]):
            driver.beat(part)
            _wait_for(page, f"{_finished(happened, part[-1])} of", "#verdict")
        driver.beat(happened[90:])
        driver.end(happened)
        _wait_for(page, "Done")
        _wait_until(page, lambda: "done" in page.title())
        expected = _static_texts(browser, runs, driver.run)
        _wait_until(
            page, lambda: not _different(page, expected), lambda: _different(page, expected)
        )
        rows = page.evaluate("JSON.parse(document.getElementById('data').textContent).tasks.rows")
        assert 61 == len(rows)
        assert [] == seen.faults


def _finished(happened: list[Any], last: Any) -> int:
    upto = happened[: happened.index(last) + 1]
    return sum(type(event).__name__ == "AttemptDone" for event in upto)


def test_the_server_killed_in_mid_stream(browser: Any, runs: RunStore, web: Web) -> None:
    """A page goes on after its server was killed and started again, with nothing lost or double."""
    driver = FakeDriver.begin(runs, time.time())
    happened = samples.in_order(samples.happened(60, at=time.time()))
    driver.beat(happened[:30])
    with opened(browser, web.url, expected=AWAY) as seen:
        page = seen.page
        page.goto(web.page(f"/run/{driver.run}"))
        _wait_for(page, f"{_finished(happened, happened[29])} of", "#verdict")
        page.evaluate("window.sameDocument = true")
        web.end(signal.SIGKILL)
        driver.beat(happened[30:60])
        web.start()
        driver.beat(happened[60:90])
        _wait_for(page, f"{_finished(happened, happened[89])} of", "#verdict")
        driver.beat(happened[90:])
        driver.end(happened)
        _wait_for(page, "Done")
        expected = _static_texts(browser, runs, driver.run)
        _wait_until(
            page, lambda: not _different(page, expected), lambda: _different(page, expected)
        )
        assert page.evaluate("window.sameDocument")
        assert [] == seen.faults


def test_what_the_user_has_done_stays(browser: Any, runs: RunStore, web: Web) -> None:
    """A filter that is typed, an opened detail and the focus outlive the messages of a run."""
    driver = FakeDriver.begin(runs, time.time())
    happened = samples.in_order(samples.happened(60, at=time.time()))
    driver.beat(happened[:90])
    with opened(browser, web.url) as seen:
        page = seen.page
        page.goto(web.page(f"/run/{driver.run}"))
        page.locator("summary").first.click()
        page.locator('[data-filter="text"]').press_sequentially("map-1")
        rows = page.locator("[data-tasks] tbody tr")
        before = rows.count()
        driver.beat(happened[90:110])
        _wait_for(page, f"{_finished(happened, happened[109])} of", "#verdict")
        assert "map-1" == page.locator('[data-filter="text"]').input_value()
        assert page.evaluate("document.activeElement.matches('[data-filter]')")
        assert page.evaluate("document.querySelector('details').open")
        assert all("map-1" in each for each in rows.all_inner_texts())
        assert before <= rows.count() < 60
        assert [] == seen.faults


def test_a_run_whose_driver_is_gone_is_lost(browser: Any, runs: RunStore, web: Web) -> None:
    """Within 15 seconds of its driver's last sign a page says lost; it goes on if it is back."""
    driver = FakeDriver.begin(runs, time.time())
    happened = samples.in_order(samples.happened(60, at=time.time()))
    driver.beat(happened[:30])
    began = time.monotonic()
    with opened(browser, web.url) as seen:
        page = seen.page
        page.goto(web.page(f"/run/{driver.run}"))
        _wait_for(page, "Running", "#verdict")
        _wait_for(page, "Lost", "#verdict")
        assert LEASE_S - 1 <= time.monotonic() - began < LOST_S
        driver.beat(happened[30:60])
        _wait_for(page, "Running", "#verdict")
        assert [] == seen.faults


def test_a_driver_that_is_killed(browser: Any, runs: RunStore, web: Web, tmp_path: Path) -> None:
    """The page of a real run whose driver is killed says lost soon, and has its last events."""
    job = tmp_path / "slow.py"
    job.write_text(SLOW_JOB, encoding="utf-8")
    text = tmp_path / "in.txt"
    text.write_text("word\n" * 200, encoding="utf-8")
    driver = subprocess.Popen(
        [
            *(sys.executable, "-m", "driver", "run", "--target", "inline", "--chunks", "20"),
            *("--input", str(text), "--job", str(job), "--store", runs.store),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with opened(browser, web.url) as seen:
            page = seen.page
            page.wait_for_url(web.page("/"))
            _wait_for(page, "running", "#list")
            page.locator("#list tbody a").first.click()
            _wait_until(page, lambda: re.search(r"[2-9] of 2\d", page.inner_text("#verdict")))
            driver.kill()
            killed = time.monotonic()
            _wait_for(page, "Lost", "#verdict")
            assert time.monotonic() - killed < LOST_S
            assert "map-0" in page.inner_text("#tasks")
            assert [] == seen.faults
    finally:
        driver.kill()
        driver.wait(timeout=10)


def test_many_tasks_live(browser: Any, runs: RunStore, web: Web) -> None:
    """The page of a run of 20,000 tasks goes on, has few elements, and answers between messages."""
    driver = FakeDriver.begin(runs, time.time())
    happened = samples.in_order(samples.happened(20_000, at=time.time()))
    driver.beat(happened[:30_000])
    with opened(browser, web.url) as seen:
        page = seen.page
        page.goto(web.page(f"/run/{driver.run}"))
        driver.beat(happened[30_000:31_000])
        count = f"{_finished(happened, happened[30_999]):,} of"
        _wait_for(page, count, "#verdict")
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
        longest = page.evaluate(LONGEST_MS)
        assert longest < ANSWER_MS, longest
        assert [] == seen.faults


def test_only_the_token_opens_a_page(browser: Any, web: Web) -> None:
    """A browser without the cookie gets nothing, and the printed address gives it."""
    refused = ("console: Failed to load resource: the server responded with a status of 403",)
    with opened(browser, web.page("/"), expected=refused) as seen:
        assert "refused" in seen.page.inner_text("body")
        seen.page.goto(web.url)
        seen.page.wait_for_url(web.page("/"))
        assert "There is no such run" in seen.page.inner_text("main")


def test_hundreds_of_runs(browser: Any, runs: RunStore, web: Web) -> None:
    """The page of 500 runs is live, and is filtered by state, name and job."""
    for number in range(500):
        name = f"run-20261126-{number // 3600:02}{number // 60 % 60:02}{number % 60:02}-brisk-owl"
        runs.write(name, "plan.json", samples.plan(name, runs.store))
        samples.enter(runs, name, samples.BEGAN + number * 60, 10 + number % 7)
    with opened(browser, web.url) as seen:
        page = seen.page
        page.wait_for_url(web.page("/"))
        assert 200 == page.locator("#list tbody tr").count()
        assert "300 older ones" in page.inner_text("#list")
        FakeDriver.begin(runs, time.time()).beat()
        _wait_for(page, "running", "#list")
        page.get_by_label("Run or job").fill("000123")
        page.get_by_role("button", name="Show", exact=True).click()
        _wait_until(page, lambda: 1 == page.locator("#list tbody tr").count())
        page.locator("#list td.job a").click()
        _wait_until(page, lambda: 60 == page.locator("#history li").count())
        assert [] == seen.faults


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_and_every_width(browser: Any, runs: RunStore, web: Web, scheme: Scheme) -> None:
    """The pages of runs, of a job and of a live run have no barrier, and no width scrolls."""
    for number in range(12):
        name = f"run-20251124-16{number:02}00-brisk-owl"
        runs.write(name, "plan.json", samples.plan(name, runs.store))
        samples.enter(runs, name, samples.BEGAN + number * 60, 10 + number % 7)
    driver = FakeDriver.begin(runs, time.time())
    driver.beat(samples.in_order(samples.happened(60, at=time.time()))[:60])
    paths = {"runs": "/", "job": "/?job=Count", "live": f"/run/{driver.run}"}
    for width in WIDTHS:
        with opened(browser, web.url, width=width, scheme=scheme) as seen:
            seen.page.wait_for_url(web.page("/"))
            for name, path in paths.items():
                seen.page.goto(web.page(path))
                seen.shot(f"web-{name}-{width}-{scheme}")
                assert 0 == seen.overflow_px(), name
                assert [] == seen.violations(), name
            assert [] == seen.faults


def test_two_runs_side_by_side(browser: Any, runs: RunStore, web: Web) -> None:
    """The page of a run leads to a comparison with the run before, which has no barrier."""
    happened = samples.in_order(samples.happened(8))
    for created in (samples.BEGAN, samples.BEGAN + 100):
        FakeDriver.begin(runs, created).end(happened)
    with opened(browser, web.url) as seen:
        page = seen.page
        page.wait_for_url(web.page("/"))
        page.locator("#list tbody a").first.click()
        page.get_by_text("Compare with the run before").click()
        page.wait_for_url(web.page("/compare?*"))
        assert "Two runs of" in page.inner_text("h1")
        seen.shot("web-compare-900-light")
        assert [] == seen.violations()
        assert 0 == seen.overflow_px()
        assert [] == seen.faults


def test_a_run_is_cancelled_from_its_page(browser: Any, runs: RunStore, web: Web) -> None:
    """The button writes the wish to end the run, and nothing else does."""
    driver = FakeDriver.begin(runs, time.time())
    driver.beat()
    with opened(browser, web.url) as seen:
        seen.page.goto(web.page(f"/run/{driver.run}"))
        assert runs.record(driver.run, "cancel") is None
        seen.page.get_by_role("button", name="Cancel this run").click()
        _wait_for(seen.page, "is asked to end")
        assert seen.page.url == web.page(f"/run/{driver.run}")
        assert runs.record(driver.run, "cancel") is not None
        assert [] == seen.faults


def test_ctrl_c_ends_it_soon(browser: Any, runs: RunStore, web: Web) -> None:
    """With an open page, Ctrl-C ends the server in about a second, with exit code 0."""
    driver = FakeDriver.begin(runs, time.time())
    driver.beat()
    with opened(browser, web.url, expected=AWAY) as seen:
        seen.page.goto(web.page(f"/run/{driver.run}"))
        _wait_for(seen.page, "Running")
        code, took = web.end(signal.SIGINT)
        assert 0 == code
        assert took < 4.0
