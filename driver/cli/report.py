"""`report`: the page of a run, its data, its trace, and two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say
from driver.text import shown
from mapreduce.errors import InputError, NotWritten, UsageError

if TYPE_CHECKING:
    from driver.report.page.document import RunDocument


def report(
    run: str | None = None,
    other: str | None = None,
    /,
    *,
    output: Path | None = None,
    trace: Path | None = None,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """Make the page of a run, or of two runs side by side: one file that opens without a network.

    A run writes its page at its end; this makes it again, e.g. of a run that goes on, or from a
    bucket. A page holds its data: give its file instead of a run, with --json.

        python -m driver report
        python -m driver report brisk-owl --output page.html
        python -m driver report brisk-owl calm-fox --output both.html
        python -m driver report brisk-owl --trace trace.json
        python -m driver report page.html --json

    Args:
        run: The run's id, or how it begins or ends (by default, the last run); or the file of a
            page, to read its data.
        other: A second run, to compare the first with.
        output: The file to write the page to (by default the run's report.html in this folder; of
            two runs, comparison.html).
        trace: Write the run's attempts to this file too, as a Chrome trace: Perfetto opens it.
        json: Print the page's data as one JSON document; writes no page without --output.
        fields: Print these fields of the document only, e.g. state,seconds; with commas between.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    as_json = json or fields is not None
    if run is not None and other is None and run.endswith((".html", ".htm")):
        _print_data_of(Path(run), fields, for_people=output is not None or trace is not None)
        return 0
    from driver.report.page.document import read_document
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    if other is not None:
        if trace is not None:
            raise UsageError("--trace: is of one run; give one")
        first, second = (read_document(kept, kept.resolve(name)) for name in (run, other))
        _compare(first, second, output, fields, as_json=as_json)
        return 0
    document = read_document(kept, kept.resolve(run))
    if trace is not None:
        _write_trace(document, trace)
    if as_json:
        from driver.report.page.data import run_data

        print_document(run_data(document), fields)
    if output is not None or not (as_json or trace):
        from driver.report.page.render import page

        _show(output or Path("report.html"), page(document), quiet=as_json)
    return 0


def _write_trace(document: RunDocument, path: Path) -> None:
    from driver.report.page.trace import trace_json

    _write(path, trace_json(document))
    say(f"trace     {shown(path)}, which Perfetto opens")


def _compare(
    first: RunDocument,
    second: RunDocument,
    output: Path | None,
    fields: str | None,
    *,
    as_json: bool,
) -> None:
    from driver.report.page.compare import compared

    found = compared(first, second)
    if as_json:
        print_document(found, fields)
    if output is not None or not as_json:
        from driver.report.page.render import comparison_page

        text = comparison_page(found, second.plan.job.name)
        _show(output or Path("comparison.html"), text, quiet=as_json)


def _show(path: Path, page: str, *, quiet: bool) -> None:
    """Write a page, and print where it is."""
    _write(path, page)
    if quiet:
        say(f"page      {shown(path)}")
    else:
        answer(shown(path, 4096))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise NotWritten(f"{shown(path)} cannot be written: {exc.strerror}") from exc


def _print_data_of(path: Path, fields: str | None, *, for_people: bool) -> None:
    """Print the data in the file of a page; raises `UsageError` when a page is to be made of it."""
    if for_people:
        raise UsageError(f"{shown(path)} is a page already; --output and --trace are of a run")
    from driver.report.page.data import read_back

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise InputError(f"{shown(path)} cannot be read: {why}") from exc
    print_document(read_back(text), fields)
