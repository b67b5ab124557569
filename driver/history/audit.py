"""Computes the ledger of a run again, from its records and from the objects as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from driver.history.ledger import combined, draw_up
from driver.history.reuse import LOOKUPS, objects_of
from driver.history.run_store import RunResults, RunStore
from mapreduce.engine import Ledger, LedgerRow
from mapreduce.errors import InputChanged, ObjectMissing
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.storage.digest import digest_of_object

GONE = "no such object"


def audit_run(run: str, runs: RunStore, *, quick: bool = False) -> Ledger:
    """Return the ledger of a run as it stands now.

    With `_SUCCESS`, its parts must hold the bytes that were committed. Other objects of its tasks
    must hold what was written, where they exist: `clean` may have deleted them.

    Args:
        run: the run's id.
        runs: the store.
        quick: compare sizes and ETags only, and read no object.
    """
    plan = runs.plan(run)
    if plan.chain:
        ledger = combined([audit_run(step, runs, quick=quick) for step in runs.steps(run)])
    else:
        results = runs.results(run)
        ledger = draw_up(plan, results, runs.storage)
        ledger = _with(
            ledger, _rows(list(_written(results)), runs.storage, quick=quick, may_be_gone=True)
        )
    success = runs.success(run)
    mark = LedgerRow(
        what="_SUCCESS", unit="", expected="written", found="written" if success else "not written"
    )
    parts = _rows(success.objects, runs.storage, quick=quick, may_be_gone=False) if success else []
    return _with(ledger, [mark, *parts])


def _with(ledger: Ledger, rows: Sequence[LedgerRow]) -> Ledger:
    return ledger.model_copy(update={"rows": (*ledger.rows, *rows)})


def _written(results: RunResults) -> Iterator[ObjectInfo]:
    """Yield all objects that the run's tasks have written."""
    every = [results.split, *results.maps, *results.reduces]
    for result in every:
        yield from objects_of(result) if result is not None else ()


def _rows(
    objects: Sequence[ObjectInfo], storage: Storage, *, quick: bool, may_be_gone: bool
) -> list[LedgerRow]:
    with ThreadPoolExecutor(LOOKUPS) as pool:
        rows = pool.map(lambda each: _row(each, storage, quick=quick), objects)
    return [row for row in rows if not (may_be_gone and row.found == GONE)]


def _row(expected: ObjectInfo, storage: Storage, *, quick: bool) -> LedgerRow:
    """Compare an object with what was written: its digest, or its size and ETag."""
    by_etag = quick or not expected.digest  # an older version has recorded no digest
    what = f"{'size and ETag' if by_etag else 'size and digest'} of {expected.url}"
    wanted = f"{expected.size} {expected.etag if by_etag else expected.digest}"
    try:
        info = storage.head(expected.url)
        found = f"{info.size} {info.etag if by_etag else digest_of_object(storage, info)}"
    except ObjectMissing:
        found = GONE
    except InputChanged:
        found = "changed while it was read"
    return LedgerRow(what=what, unit="", expected=wanted, found=found)
