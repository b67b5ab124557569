"""`verify` and `audit`: whether the answer is right and complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from driver.cli.options import Flag
from driver.cli.terminal import no_output_of_jobs, print_document, say
from driver.plan.config import DEFAULT_SPARK_MASTER
from driver.text import bytes_text, plural, shown, shown_repr
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.history.verify import Verdict

_ROWS_SHOWN = 20
_REFERENCES = {"plain": "a reference run in one process", "spark": "the same job on Apache Spark"}


def verify(
    run: str | None = None,
    /,
    *,
    by: Literal["plain", "spark"] = "plain",
    json: Flag = False,
    spark_master: str = DEFAULT_SPARK_MASTER,
    store: str | None = None,
) -> int:
    """Run the same job in another way over the same inputs, and compare every pair.

    Exit code 0 when the two answers are equal, else 1. It needs memory for all pairs of the job.

        python -m driver verify
        python -m driver verify run-20261126-120000-brisk-owl --by spark

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        by: plain: a reference run in one process, without the engine; spark: on Apache Spark, in a
            run that is then deleted.
        json: Print one JSON document on standard output.
        spark_master: With --by spark, the master: local[*] is this machine; else as spark-submit
            takes it.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    import asyncio
    import tempfile
    from pathlib import Path

    from driver.history.verify import verdict_on, verify_run
    from driver.spark.backend import TASK_MEMORY_BYTES as SPARK_MEMORY_BYTES
    from driver.spark.backend import spark_answer
    from driver.spark.session import check_installed
    from driver.targets.prepare import open_runs
    from mapreduce.code import CodeLoader
    from mapreduce.engine import TaskContext

    kept = open_runs(store)
    name = kept.resolve(run)
    success = kept.success(name)
    if success is None:
        raise UsageError(f"{name} has no result to verify; see: python -m driver status {name}")
    plan = kept.plan(name)
    with no_output_of_jobs(), tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        loader = CodeLoader(kept.storage, kept.store, Path(scratch) / "jobs")
        job = loader.load_any(plan.job)
        if by == "spark":
            check_installed()
            context = TaskContext(kept.storage, Path(scratch), SPARK_MEMORY_BYTES, loader.load)
            expected = asyncio.run(spark_answer(plan, job, kept, spark_master, context))
            verdict = verdict_on(plan, kept, success, expected, "spark")
        else:
            verdict = verify_run(plan, job, kept, success)
    if json:
        print_document(verdict)
    else:
        _say_verdict(verdict, by)
    return 0 if verdict.equal else 1


def _say_verdict(verdict: Verdict, by: str) -> None:
    pairs = plural(verdict.pairs if verdict.equal else verdict.missing, "pair")
    if verdict.equal:
        say(f"{verdict.run}: all {pairs} are those of {_REFERENCES[by]}", style="green")
        return
    say(f"{verdict.run}: {pairs} missing, {verdict.extra} too many; for example", style="red")
    for difference in verdict.examples:
        pair = f"{shown_repr(difference.key, 100)}: {shown_repr(difference.value, 100)}"
        say(f"  only {difference.side} has {pair}")


def audit(
    run: str | None = None, /, *, quick: Flag = False, json: Flag = False, store: str | None = None
) -> int:
    """Compute a run's ledger again: bytes, pairs and checksums, and the objects as they are now.

    Read every object that the run has written, and compare it with what was written. Exit code 0
    when the ledger balances, else 1.

        python -m driver audit
        python -m driver audit run-20261126-120000-brisk-owl --quick

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        quick: Compare sizes and ETags only, and read no object.
        json: Print one JSON document on standard output.
        store: Folder or URL of the store (by default .mapreduce in this folder).
    """
    from driver.history.audit import audit_run
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    ledger = audit_run(name, kept, quick=quick)
    if json:
        print_document(ledger)
        return 0 if ledger.balanced else 1
    wrong = ledger.discrepancies
    say(
        f"{name}: {'balances' if ledger.balanced else 'does NOT balance'}",
        style=None if ledger.balanced else "red",
    )
    say(f"  inputs    {bytes_text(ledger.bytes_in)}, {plural(ledger.records_in, 'record')} read")
    say(f"  shuffled  {plural(ledger.pairs_shuffled, 'pair')}")
    say(f"  result    {plural(ledger.records_out, 'pair')}")
    for row in wrong[:_ROWS_SHOWN]:
        say(
            shown(f"  {row.what}: {row.expected} {row.unit} expected, {row.found} found"),
            style="red",
        )
    if len(wrong) > _ROWS_SHOWN:
        say(f"  and {len(wrong) - _ROWS_SHOWN} sums more", style="red")
    say(f"  {plural(len(ledger.rows), 'sum')} compared, {len(wrong)} wrong")
    if quick:
        say("  no object was read: sizes and ETags only (--quick)")
    return 0 if ledger.balanced else 1
