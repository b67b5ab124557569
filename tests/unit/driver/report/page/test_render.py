"""The HTML of a page: whole, offline, and safe whatever the run's texts are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from driver.forecast.receipt import Range, Receipt, ReceiptLine
from driver.history.failure import Cause, Failure
from driver.report.page import render
from driver.report.page.data import read_back
from driver.report.page.document import RunDocument
from driver.report.page.render import SECTIONS, page, script, section
from tests.unit.driver.report.page.made import (
    EVIL,
    attempt,
    evil_document,
    large_document,
    ledger,
    model,
    report,
    small_document,
    stage,
)
from tests.unit.driver.samples import run_plan

VOID = {"meta", "br", "input", "link", "hr", "img"}


class Parsed(HTMLParser):
    """Reads a page: its elements, ids, texts and scripts; an element that is not closed fails."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts.append(data)
        elif inside == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def with_attribute(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements that have this one."""
        return [attributes for _, attributes in self.tags if name in attributes]


def _documents() -> dict[str, RunDocument]:
    empty = RunDocument(plan=run_plan(inputs=()), model=model(state="planned", ended=None))
    return {
        "small": small_document(),
        "evil": evil_document(),
        "large": large_document(3000),
        "empty": empty,
        "lost": small_document(report=None, model=model(state="lost")),
        "without balance": small_document(report=report(ledger=ledger(30, wrong=20))),
    }


@pytest.mark.parametrize("name", _documents())
def test_a_page_is_well_formed_and_has_each_section_once(name: str) -> None:
    """Every element is closed, every id is unique, every section is there."""
    parsed = Parsed(page(_documents()[name]))
    ids = [each["id"] for each in parsed.with_attribute("id")]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    for each in parsed.with_attribute("aria-labelledby"):
        assert each["aria-labelledby"] in ids
    hidden = {each["id"] for each in parsed.with_attribute("hidden") if "id" in each}
    links = [href for each in parsed.with_attribute("href") if (href := each["href"])]
    assert {href.removeprefix("#") for href in links} <= set(ids) - hidden


@pytest.mark.parametrize("name", _documents())
def test_nothing_is_loaded(name: str) -> None:
    """No element names an address, and the policy allows our own style and script only."""
    parsed = Parsed(page(_documents()[name]))
    for attribute in ("src", "srcset", "action", "data", "poster", "background", "style"):
        assert parsed.with_attribute(attribute) == []
    assert not [name for _, given in parsed.tags for name in given if name.startswith("on")]
    assert {"link", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        {tag for tag, _ in parsed.tags}
    )
    (policy,) = [
        str(given["content"])
        for tag, given in parsed.tags
        if tag == "meta" and "http-equiv" in given
    ]
    assert policy.startswith("default-src 'none'; ")
    for text in (*parsed.styles, parsed.scripts[-1]):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert 2 == policy.count("sha256-")


def test_hostile_texts_are_shown_as_text() -> None:
    """No text becomes an element or a script, and each invisible character is an escape."""
    text = page(evil_document())
    parsed = Parsed(text)
    ours = Parsed(page(small_document()))
    *data, program = parsed.scripts
    assert program == ours.scripts[-1] == script()
    assert [json.loads(each) for each in data]
    tags = {tag for tag, _ in parsed.tags} - {tag for tag, _ in ours.tags}
    assert tags <= {"details", "summary", "pre", "canvas", "h3"}
    assert "</script><script>alert('x')</script>&\\x1b[31m\\u202e\\ud800 \\u200b" in parsed.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\ud800\u200b]", text)
    text.encode()


def test_long_texts_are_cut() -> None:
    """Values of ten megabytes make a page of less than two."""
    assert len(page(evil_document()).encode()) < 2_000_000


def test_a_page_of_a_small_run_is_small() -> None:
    """It stays below 60 KB."""
    assert len(page(small_document()).encode()) < 60_000


@pytest.mark.slow
def test_a_page_of_a_large_run_is_bounded() -> None:
    """Tasks of any number make a page of at most 2 MB, which says what is left out."""
    text = page(large_document(60_000))
    assert len(text.encode()) <= 2_000_000
    assert '"left_out":' in text


def test_a_page_that_would_be_too_long_has_fewer_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table keeps what fits, and says how many it leaves out."""
    document = large_document(3000)
    whole = page(document)
    assert 0 == read_back(whole).tasks.left_out
    monkeypatch.setattr(render, "PAGE_BYTES", 250_000)
    monkeypatch.setattr(render, "TASKS_BYTES", 250_000)
    text = page(document)
    assert len(text.encode()) <= 250_000 < len(whole.encode())
    assert read_back(text).tasks.left_out > 0


def test_many_tasks_are_few_elements() -> None:
    """A canvas and the first rows of the table, whatever the number of tasks."""
    assert len(Parsed(page(large_document(3000))).tags) < 2_000


def test_the_verdict_says_whether_the_run_is_good() -> None:
    """State, time, ledger and tasks of a run that is done."""
    text = Parsed(section("verdict", small_document())).text
    assert "WordCount" in text
    assert "✓ Done" in text
    assert "6.10 s" in text
    assert "Ledger balances" in text
    assert "Tasks 7" in text


def test_the_verdict_names_the_greatest_loss() -> None:
    """A stage that waited for one task says so."""
    run = model(
        *(attempt("map-0", 0, 9, 0), attempt("map-1", 0, 1, 1)),
        stages=(stage("map", 0, 9, slots=2),),
    )
    text = Parsed(section("verdict", small_document(model=run))).text
    assert "The greatest loss: skew in the map stage, 4.00 s of 9.00 s, because one task" in text
    assert "greatest loss" not in Parsed(section("verdict", small_document())).text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("failed", "✗ Failed"),
        ("lost", "Its driver has gone without a word"),
        ("interrupted", "The same command goes on"),
        ("paused", "with a higher limit"),
        ("running", "so far"),
        ("planned", "Planned"),
    ],
)
def test_each_state_has_its_words(state: Any, words: str) -> None:
    """No run is shown as something unknown."""
    ended = None if state in ("running", "planned") else model().ended
    document = small_document(model=model(state=state, ended=ended), report=None)
    assert words in Parsed(section("verdict", document)).text


def test_a_failure_shows_record_traceback_and_replay() -> None:
    """What is needed to mend it, with a button that copies the command."""
    cause = Cause(
        task="map-3",
        attempts=2,
        kind="UserCodeError",
        message="map raised ValueError: no",
        traceback='  File "mine.py", line 7, in map',
        place="file:///in/a.txt at byte 70",
        record="'a record'",
        line=12,
    )
    replay = "python -m driver replay run-1 map-3 --store /store"
    failure = Failure(run="run-1", kind="JobFailed", message="no", causes=(cause,), replay=replay)
    parsed = Parsed(section("failure", small_document(failure=failure)))
    for words in ("map raised ValueError", "mine.py", "line 12", "'a record'", replay):
        assert words in parsed.text
    assert [replay] == [each["data-copy"] for each in parsed.with_attribute("data-copy")]


def test_a_receipt_shows_each_line_in_or_out_of_its_range() -> None:
    """Expected beside what came, and what is not priced."""
    lines = (
        ReceiptLine(name="map", unit="s", expected=Range(low=1, high=3), actual=2),
        ReceiptLine(name="usd", unit="usd", expected=Range(low=1, high=3), actual=4),
        ReceiptLine(name="map_tasks", unit="tasks", expected=Range(low=9, high=9)),
        ReceiptLine(name="end_to_end", unit="s", expected=Range(low=1, high=3), actual=2),
    )
    receipt = Receipt(run="run-1", lines=lines, usd=0.5, not_priced=("logs",))
    text = Parsed(section("receipt", small_document(receipt=receipt))).text
    assert "map 1.00 s to 3.00 s 2.00 s ✓ yes" in text
    assert "usd $1.00 to $3.00 $4.00 ✗ no" in text
    assert "Not priced: logs." in text
    assert "map tasks 9 – –" in text
    verdict = Parsed(section("verdict", small_document(receipt=receipt))).text
    assert "forecast 1.00 s to 3.00 s: held" in verdict
    assert "Price $0.5000 forecast $1.00 to $3.00: missed" in verdict


def test_a_ledger_that_does_not_balance_shows_the_wrong_sums() -> None:
    """Each law with how many of its sums agree, and some that do not."""
    text = Parsed(
        section("ledger", small_document(report=report(ledger=ledger(30, wrong=20))))
    ).text
    assert "10 of 30 ✗ no" in text
    assert "partition 0: 10 pairs expected, 9 found" in text
    assert "1 of 1 ✓ yes" in text


def test_faults_name_their_recovery_and_their_cost() -> None:
    """The failed attempt, and the one that did its work."""
    text = Parsed(section("faults", small_document())).text
    assert "1 attempt did not count: 1 TaskLost" in text
    assert "attempt 2 on mapper-2: done" in text.replace("mapper-2", "mapper-2")
    assert "0.50 s" in text


def test_sections_without_content_are_hidden_or_say_so() -> None:
    """A live page can replace each of them by its id."""
    document = RunDocument(plan=run_plan(), model=model(state="running", ended=None))
    for name in SECTIONS:
        (first, given), *_ = Parsed(section(name, document)).tags
        assert ("section", name) == (first, given["id"])
    for name in ("failure", "receipt", "counters", "letters", "prints"):
        assert "hidden" in Parsed(section(name, document)).tags[0][1]


def test_tables_have_heads_for_readers_that_cannot_see() -> None:
    """Each head of a column or row says which it is."""
    for tag, given in Parsed(page(small_document())).tags:
        assert tag != "th" or given["scope"] in ("col", "row")


def test_drawings_have_words() -> None:
    """Each drawing is named, or hidden from readers because a table says the same."""
    for tag, given in Parsed(page(small_document())).tags:
        if tag == "svg" and "x" not in given:
            assert given.get("aria-label") or given.get("aria-hidden") == "true"


def test_evil_is_evil() -> None:
    """The hostile text has all that must not come through."""
    assert {"\x1b", "\u202e", "\ud800", "<", "&"} <= set(EVIL)
