"""Draws up the ledger of a run again, from its records and from the objects as they are now."""

from __future__ import annotations

from driver.pipeline import current_etags
from driver.run_store import RunStore
from mapreduce.engine import Ledger, LedgerRow, balance
from mapreduce.errors import ObjectMissing
from mapreduce.storage import Storage


def audit_run(run: str, runs: RunStore) -> Ledger:
    """The ledger of a run as it stands now; with `_SUCCESS`, its parts must still be those that were committed."""
    plan, results = runs.plan(run), runs.results(run)
    ledger = balance(
        plan.inputs, results.maps, results.reduces, current_etags(plan.inputs, runs.storage), plan.partitions
    )
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
