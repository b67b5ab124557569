"""`result`: the result of a finished run, without running it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driver.cli.export import answers_aside, write_export
from driver.cli.options import ExportOptions, Fields, Flag
from driver.cli.terminal import answer, answer_table, print_document, say
from driver.program.command_name import COMMAND
from driver.text import bytes_text, plural, shown, shown_repr
from mapreduce.errors import DataError, UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.run_store import RunStore
    from driver.output.place import Output


class ResultDocument(Message):
    """The result of a finished run.

    `records` and `size_bytes` are of all its parts, `result_urls` their URLs in order. `top` are
    the top pairs, `found` with --key all pairs of the key instead, `written` the --output.
    """

    run_id: str
    job: str
    records: int
    size_bytes: int
    result_urls: tuple[str, ...]
    top: tuple[tuple[Any, Any], ...] = ()
    found: tuple[tuple[Any, Any], ...] | None = None
    written: str = ""


def result(
    run: str | None = None,
    /,
    *,
    top: int = 10,
    key: str | None = None,
    urls: Flag = False,
    export: ExportOptions = ExportOptions(),
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """Show or export the result of a finished run.

    The parts of the result are read, and nothing runs again. Exit code 1 when there is no such key.

        python -m driver result
        python -m driver result brisk-owl --top 50
        python -m driver result --key whale
        python -m driver result --output counts.csv
        python -m driver result --output - --output-format tsv | sort

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        top: How many of the top keys to show.
        key: Show all pairs of this key, given as plain text, or as JSON: 7, '["a", 1]'.
        urls: Print the URLs of the parts instead, one a line.
        export: Where the result is written, and how.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.targets.prepare import open_runs

    wanted = export.place("--json" if json or fields is not None else "--urls" if urls else None)
    _check_options(top, plain_only=urls and (json or fields is not None or key is not None))
    if wanted is not None and key is not None:
        raise UsageError("--output writes the whole result; leave --key out, or --output")
    kept = open_runs(store)
    document = _document(kept, kept.resolve(run))
    if not urls:
        _check_parts(kept, document.run_id)
    if wanted is not None:
        document = _exported(kept, document, wanted)
    elif not urls:
        document = _looked_up(kept, document, top, key)
    if json or fields is not None:
        print_document(document, fields)
    elif urls:
        for url in document.result_urls:
            answer(url)
    else:
        _answer_result(document, key)
    return 1 if document.found == () else 0


def _check_options(top: int, *, plain_only: bool) -> None:
    if top < 0:
        raise UsageError(f"--top {top}: must not be negative")
    if plain_only:
        raise UsageError("--urls prints plain lines; the field result_urls of --json has them too")


def _document(kept: RunStore, name: str) -> ResultDocument:
    """Return what is known of a result without reading it; raises `UsageError` without one."""
    success = kept.success(name)
    if success is None:
        raise UsageError(
            f"{name} has no result ({kept.state(name)}); see: {COMMAND} status {name}{kept.option}"
        )
    return ResultDocument(
        run_id=name,
        job=kept.plan(name).job.name,
        records=success.records,
        size_bytes=sum(size for _, size, _ in success.parts),
        result_urls=tuple(url for url, _, _ in success.parts),
    )


def _check_parts(kept: RunStore, name: str) -> None:
    """Refuse a result that is not what was committed, before it is shown or exported.

    Raises:
        DataError: a part is gone, or has other bytes.
    """
    from driver.history.reuse import is_whole

    success = kept.success(name)
    for part in success.objects if success else ():
        if not is_whole(kept.storage, part):
            raise DataError(
                f"{shown(part.url)} is not what the run has committed; "
                f"see: {COMMAND} audit {name}{kept.option}"
            )


def _looked_up(
    kept: RunStore, document: ResultDocument, top: int, key: str | None
) -> ResultDocument:
    """Return the document with the top pairs, or those of a key."""
    from driver.output.lookup import pairs_of, top_of

    urls, success = document.result_urls, kept.success(document.run_id)
    keep_order = success is not None and success.keep_order
    if key is None:
        found = top_of(urls, kept.storage, top, keep_order=keep_order)
        return document.model_copy(update={"top": found})
    pairs = tuple(pairs_of(urls, kept.storage, key, keep_order=keep_order))
    return document.model_copy(update={"found": pairs})


def _exported(kept: RunStore, document: ResultDocument, wanted: Output) -> ResultDocument:
    """Write a result to `--output`, and return the document that says so.

    Raises:
        UsageError: nothing can be written there, or it would replace an input of the run.
    """
    wanted.checked_again(kept.plan(document.run_id), kept)
    with answers_aside(wanted) as write_blocks:
        made = write_export(wanted, document.result_urls, kept, document.run_id, write_blocks)
    if made:
        say(f"made the folder {made}")
    return document.model_copy(update={"written": str(wanted.path)})


def _answer_result(document: ResultDocument, key: str | None) -> None:
    from driver.output.place import STDOUT
    from driver.report.summary import top_table

    pairs = plural(document.records, "pair")
    size = bytes_text(document.size_bytes)
    if document.written == STDOUT:
        say(f"written   to standard output: {pairs} of {document.run_id}")
        return
    if document.written:
        answer(f"written   {document.written}: {pairs} of {document.run_id}")
        return
    if document.found == ():
        say(f"{document.run_id} has no key {shown_repr(key, 100)}, of {pairs}", style="red")
        return
    rows = document.top if document.found is None else document.found
    if rows:
        answer_table(top_table(rows))
        answer("")
    parts = plural(len(document.result_urls), "part")
    answer(f"{document.run_id}: {document.job}, {pairs} in {parts}, {size}")
