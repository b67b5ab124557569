"""The HTML of the pages of runs and jobs; all text is escaped, and made visible. Pure.

The page of one run is that of `driver.report.page`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from driver.program.command_name import COMMAND
from driver.report.words import duration_text, when_text
from driver.text import NAME_LIMIT, bytes_text, plural, shown
from driver.web.changes import Sections, shown_id
from driver.web.overview import (
    ROWS_SHOWN,
    STATES,
    TREND_HEIGHT,
    TREND_WIDTH,
    Choice,
    RunRow,
    chosen,
    jobs,
)

if TYPE_CHECKING:
    from jinja2 import Environment, Template

BARS_SHOWN = 60


@dataclass(frozen=True)
class Bar:
    """A run among those of its job: its share of the longest one, of 100."""

    row: RunRow
    share: float


def overview_sections(rows: Sequence[RunRow], choice: Choice) -> Sections:
    """Return the sections of the page of all runs, or of those of one job."""
    macros = _template("sections.html").make_module({"width": TREND_WIDTH, "height": TREND_HEIGHT})
    found = chosen(rows, choice)
    shown_rows = found[:ROWS_SHOWN]
    made = {"list": str(macros.list(shown_rows, len(found) - len(shown_rows)))}  # type: ignore[attr-defined]
    if choice.job:
        return {"history": str(macros.history(_bars(found))), **made}  # type: ignore[attr-defined]
    if not choice:
        made["jobs"] = str(macros.jobs(jobs(rows)))  # type: ignore[attr-defined]
    return made


def overview_page(store: str, sections: Sections, choice: Choice) -> str:
    """Return the page of all runs, or of those of one job."""
    return _template("runs.html").render(
        store=store,
        sections=list(sections.values()),
        shown_id=shown_id(sections),
        choice=choice,
        query=urlencode({name: value for name, value in asdict(choice).items() if value}),
        states=STATES,
    )


def message_page(store: str, title: str, text: str) -> str:
    """Return a page that says one thing, e.g. why a run cannot be shown."""
    return _template("message.html").render(store=store, title=title, text=text)


def live_head() -> str:
    """Return what the head of a page needs to be live."""
    return _template("live_head.html").render()


def title_element(title: str) -> str:
    """Return the element of a window's title."""
    return f"<title>{escape(shown(title, NAME_LIMIT))}</title>"


@dataclass(frozen=True, kw_only=True)
class Top:
    """What stands above the content of a run's page.

    Attributes:
        store: the store's URL.
        run: the run's id.
        job: the name of its job.
        shown_id: the id of what the page shows.
        form_token: of the form that cancels the run.
        cancelled: the driver is asked to end it already.
        over: the page will not change any more.
        cancellable: a driver carries the run out, or has been started for it.
        before: the earlier run that this one can be compared with; "" for none.
    """

    store: str
    run: str
    job: str
    shown_id: str = ""
    form_token: str = ""
    cancelled: bool = False
    over: bool = True
    cancellable: bool = True
    before: str = ""


def live_top(top: Top) -> str:
    """Return what stands above the content of a run's page."""
    return _template("live_top.html").render(asdict(top))


def _bars(rows: Iterable[RunRow]) -> list[Bar]:
    """Return the bars of the newest rows, oldest first."""
    newest = list(rows)[:BARS_SHOWN]
    most = max((row.seconds or 0.0 for row in newest), default=0.0) or 1.0
    return [Bar(row, round(100 * (row.seconds or 0.0) / most, 1)) for row in reversed(newest)]


def usd_text(usd: float | None) -> str:
    """Return an amount with four digits behind the point when it is small; "" for None."""
    if usd is None:
        return ""
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def _volume(row: RunRow) -> str:
    return f"{plural(row.inputs, 'file')}, {bytes_text(row.size_bytes)}" if row.inputs else ""


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("driver.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["command"] = COMMAND
    made.filters.update(
        shown=lambda text: shown(text, NAME_LIMIT),
        duration=duration_text,
        usd=usd_text,
        when=when_text,
        volume=_volume,
        number=lambda count: f"{count:,}",
        run_url=lambda run: f"/run/{quote(run, safe='')}",
        compare_url=lambda first, second: (
            "/compare?" + urlencode({"first": first, "second": second})
        ),
        job_url=lambda job: "/?" + urlencode({"job": job}),
    )
    return made


def _template(name: str) -> Template:
    return _templates().get_template(name)
