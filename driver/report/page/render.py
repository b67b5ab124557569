"""The HTML of a run's page: one file without a request, or one of its sections."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from driver.report.page import sections as views
from driver.report.page.compare import INPUTS_SHOWN, Comparison
from driver.report.page.data import CLOSING, OPENING, TASKS_BYTES, embedded, run_data
from driver.report.page.document import RunDocument
from driver.report.templating import as_it_is, rendered, source
from driver.text import plural

SECTIONS: Mapping[str, Callable[[RunDocument], dict[str, object]]] = {
    "verdict": views.verdict,
    "failure": views.failure,
    "timeline": views.timeline_view,
    "time": views.time_spent,
    "quantiles": views.quantile_tables,
    "skew": views.skew_view,
    "ledger": views.ledger,
    "faults": views.faults,
    "receipt": views.receipt,
    "counters": views.counters,
    "letters": views.letters,
    "prints": views.prints,
    "tasks": views.tasks,
    "provenance": views.provenance,
}
"""The sections in the order of the page. Each name is the id of its element, and its template."""


PAGE_BYTES = 2_000_000
"""A page is no longer; what is left out of it, it says."""


@dataclass(frozen=True)
class Live:
    """What a server adds to a page that goes on: HTML of ours for its head, and above its content.

    The server sends the policy as a header, because it allows the server's own files too.
    """

    head: str
    top: str


def section(name: str, document: RunDocument, *, alone: bool = False) -> str:
    """Return the element of one section; it is hidden when it has nothing to say.

    Args:
        name: of the section.
        document: the run.
        alone: leave out the links to the other sections.
    """
    values = {"document": document, "alone": alone, **SECTIONS[name](document)}
    return rendered(f"page/{name}.html", values)


def data_element(document: RunDocument, tasks_bytes: int = TASKS_BYTES) -> str:
    """Return the element that holds the page's data, which the table of tasks is sorted from."""
    return f"{OPENING}{embedded(run_data(document, tasks_bytes))}{CLOSING}"


def title(document: RunDocument) -> str:
    """Return the title of a run's page."""
    return f"{document.plan.job.name}: {document.model.state}, {document.plan.run}"


def page(document: RunDocument) -> str:
    """Return the page of a run as one file, of `PAGE_BYTES` at most."""
    elements = [section(name, document) for name in SECTIONS]
    text = whole_page(title(document), elements, data_element(document))
    over = len(text.encode()) - PAGE_BYTES
    if over <= 0:
        return text
    return whole_page(title(document), elements, data_element(document, max(0, TASKS_BYTES - over)))


def whole_page(title: str, elements: list[str], data: str = "", live: Live | None = None) -> str:
    """Return a page of elements that are HTML already, with its style, script and policy."""
    values = {
        "title": title,
        "policy": "" if live else policy(),
        "style": as_it_is(style()),
        "script": as_it_is(script()),
        "elements": [as_it_is(each) for each in elements],
        "data": as_it_is(data),
        "live_head": as_it_is(live.head if live else ""),
        "live_top": as_it_is(live.top if live else ""),
    }
    return rendered("page/page.html", values)


def policy() -> str:
    """Return the content security policy: nothing is loaded, and only our script and style run."""
    sources = f"style-src {source_of(style())}; script-src {source_of(script())}"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def source_of(text: str) -> str:
    """Return the source expression by which a policy allows one inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def style() -> str:
    """Return the style sheet of a page."""
    return source("page/page.css")


def script() -> str:
    """Return the script of a page; it works on sections that are replaced later too."""
    return source("page/page.js")


def comparison_page(found: Comparison, job: str, live: Live | None = None) -> str:
    """Return the page of two runs side by side."""
    total = found.times[0]
    changed = [pair.name for pair in found.properties if pair.changed]
    if found.inputs:
        changed.append(plural(len(found.inputs), "input"))
    values = {
        "found": found,
        "job": job,
        "ratio": total.ratio,
        "changed": changed,
        "most": INPUTS_SHOWN,
    }
    return whole_page(
        title=f"{job}: {found.first} and {found.second}",
        elements=[rendered("page/compare.html", values)],
        live=live,
    )
