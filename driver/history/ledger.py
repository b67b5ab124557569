"""Computes a run's ledger from its results and from its inputs as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from driver.history.run_store import RunResults
from driver.plan.tasks import RunPlan
from mapreduce.engine import Ledger, balance
from mapreduce.errors import ObjectMissing
from mapreduce.storage import Storage
from mapreduce.wire.messages import InputObject, JoinedPart


def draw_up(plan: RunPlan, results: RunResults, storage: Storage) -> Ledger:
    """Return the ledger of a run's results, and of its inputs as they are now."""
    etags = current_etags([*plan.inputs, *plan.joined], storage)
    unpacked = results.split.unpacked if results.split else {}
    return balance(
        plan.inputs,
        results.maps,
        results.reduces,
        etags,
        plan.partitions,
        unpacked,
        plan.joined,
        plan.broadcast,
    )


def current_etags(inputs: Sequence[InputObject | JoinedPart], storage: Storage) -> dict[str, str]:
    """Return the inputs' ETags now, by URL; "" for one that is gone."""

    def etag(given: InputObject | JoinedPart) -> str:
        try:
            return storage.head(given.url).etag
        except ObjectMissing:
            return ""

    with ThreadPoolExecutor(16) as pool:
        return dict(zip([given.url for given in inputs], pool.map(etag, inputs), strict=True))


def combined(ledgers: Sequence[Ledger]) -> Ledger:
    """Return the ledger of a chain: all rows, the first step's input, the last step's output."""
    return Ledger(
        rows=tuple(row for ledger in ledgers for row in ledger.rows),
        bytes_in=ledgers[0].bytes_in if ledgers else 0,
        records_in=ledgers[0].records_in if ledgers else 0,
        pairs_shuffled=sum(ledger.pairs_shuffled for ledger in ledgers),
        records_out=ledgers[-1].records_out if ledgers else 0,
    )
