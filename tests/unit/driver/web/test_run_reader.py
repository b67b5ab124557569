"""The sections of a live page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from driver.history.run_store import RunStore
from driver.report.page.document import read_document
from driver.report.page.render import SECTIONS, section
from driver.web.changes import TITLE
from driver.web.run_reader import RunReader, page_of
from mapreduce.storage import open_storage
from tests.browser import samples
from tests.browser.samples import BEGAN, FakeDriver

HAPPENED = samples.in_order(samples.happened(12))
END = HAPPENED[-1].at


@contextmanager
def _store() -> Iterator[RunStore]:
    with tempfile.TemporaryDirectory() as folder:
        yield RunStore(open_storage(), f"file://{folder}")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(HAPPENED)), max_size=6))
def test_live_ends_as_static(cuts: list[int]) -> None:
    """However its events are cut into segments, a live page ends with the sections of the file."""
    with _store() as runs:
        driver = FakeDriver.begin(runs, BEGAN)
        read = RunReader(runs, driver.run, lambda: END)
        edges = [0, *sorted(cuts), len(HAPPENED)]
        for start, end in pairwise(edges):
            driver.beat(HAPPENED[start:end])
            assert not read().over
        driver.end(HAPPENED)
        last = read()
        assert last.over
        document = read_document(runs, driver.run, END)
        expected = {name: section(name, document) for name in SECTIONS}
        assert expected == {name: last.sections[name] for name in SECTIONS}


def test_a_run_that_has_just_ended_may_still_write_its_report() -> None:
    """A reading between a run's end and its last record is not the last one, whenever it comes;
    ten seconds after the first of them no record is waited for.
    """
    with _store() as runs:
        driver = FakeDriver.begin(runs, BEGAN)
        driver.beat(HAPPENED)
        runs.commit(driver.run, [], 0)
        times = iter([END + 60, END + 65, END + 71])
        read = RunReader(runs, driver.run, lambda: next(times))
        assert [False, False, True] == [read().over for _ in range(3)]


def test_a_run_is_lost_without_a_sign_and_runs_again_with_one() -> None:
    """A run whose driver says nothing is lost, which is not the end of its page."""
    with _store() as runs:
        driver = FakeDriver.begin(runs, BEGAN)
        driver.beat(HAPPENED[:10])
        times = iter([BEGAN, 4e9])
        read = RunReader(runs, driver.run, lambda: next(times))
        assert "running" in read().sections[TITLE]
        lost = read()
        assert "lost" in lost.sections[TITLE]
        assert not lost.over


def test_a_page_that_is_over_asks_for_nothing() -> None:
    """Only the page of a run that goes on has a stream and a button to cancel the run."""
    with _store() as runs:
        driver = FakeDriver.begin(runs, BEGAN)
        driver.beat(HAPPENED[:10])
        page = page_of(runs, driver.run, "a-token", BEGAN)
        assert f"/run/{driver.run}/live?shown=" in page
        assert "a-token" in page
        driver.end(HAPPENED)
        page = page_of(runs, driver.run, "a-token", END)
        assert "/live?" not in page
        assert "a-token" not in page
        assert "Content-Security-Policy" not in page
