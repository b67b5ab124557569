"""Draws up the ledger of a run again, from its records and from the objects as they are now."""

from __future__ import annotations

from driver.chain import combined
from driver.pipeline import draw_up
from driver.run_store import RunStore
from mapreduce.engine import Ledger, LedgerRow
from mapreduce.errors import ObjectMissing
from mapreduce.storage import Storage


def audit_run(run: str, runs: RunStore) -> Ledger:
    """The ledger of a run as it stands now; with `_SUCCESS`, its parts must still be those that were committed."""
    plan = runs.plan(run)
    if plan.chain:
        ledger = combined([audit_run(step, runs) for step in runs.steps(run)])
    else:
        ledger = draw_up(plan, runs.results(run), runs.storage)
    success = runs.success(run)
    rows = [LedgerRow(what="_SUCCESS", unit="", expected="written", found="written" if success else "not written")]
    if success:
        rows += [
            LedgerRow(what=f"ETag of {url}", unit="", expected=etag, found=_etag(url, runs.storage))
            for url, _, etag in success.parts
        ]
    return ledger.model_copy(update={"rows": (*ledger.rows, *rows)})


def _etag(url: str, storage: Storage) -> str:
    try:
        return storage.head(url).etag
    except ObjectMissing:
        return "no such object"
