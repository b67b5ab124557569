"""`verify` and `audit`: whether the answer is right and complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from driver.cli.options import Fields, Flag
from driver.cli.progress import progress
from driver.cli.terminal import answer, no_output_of_jobs, print_document, say
from driver.plan.config import DEFAULT_SPARK_MASTER
from driver.program.command_name import COMMAND
from driver.text import bytes_text, plural, shown, shown_repr
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.history.run_store import RunStore, Success
    from driver.history.verify import Verdict
    from driver.plan.events import Event
    from mapreduce.engine import Ledger

_ROWS_SHOWN = 20
_REFERENCES = {"plain": "a reference run in one process", "spark": "the same job on Apache Spark"}


def verify(
    run: str | None = None,
    /,
    *,
    by: Literal["plain", "spark"] = "plain",
    json: Flag = False,
    fields: Fields = None,
    spark_master: str = DEFAULT_SPARK_MASTER,
    store: str | None = None,
) -> int:
    """Compare a result, pair by pair, with that of a reference run.

    The reference run does the same job in another way over the same inputs. Exit code 0 when the
    two answers are equal, else 1. It needs memory for all pairs of the job.

        python -m driver verify
        python -m driver verify run-20261126-120000-brisk-owl --by spark

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        by: plain: a reference run in one process, without the engine; spark: on Apache Spark, in a
            run that is then deleted.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
        spark_master: With --by spark, the master: local[*] is this machine; else as spark-submit
            takes it.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    success = kept.success(name)
    if success is None:
        raise UsageError(
            f"{name} has no result to verify; see: {COMMAND} status {name}{kept.option}"
        )
    verdict = _verdict(kept, name, success, spark_master if by == "spark" else None)
    if json or fields is not None:
        print_document(verdict, fields)
    else:
        _answer_verdict(verdict, by)
    return 0 if verdict.equal else 1


def _verdict(kept: RunStore, run: str, success: Success, spark_master: str | None) -> Verdict:
    """Run the reference run, on Spark if a master is given, and compare."""
    import asyncio
    import tempfile
    from pathlib import Path

    from driver.history.verify import verdict_on, verify_run
    from mapreduce.code import CodeLoader

    plan = kept.plan(run)
    with no_output_of_jobs(), tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        loader = CodeLoader(kept.storage, kept.store, Path(scratch) / "jobs")
        job = loader.load_any(plan.job)
        if spark_master is None:
            with progress("verify", _totals(kept, run, success.records)) as watch:
                return verify_run(plan, job, kept, success, watch)
        from driver.spark.backend import TASK_MEMORY_BYTES, spark_answer
        from driver.spark.session import check_installed
        from mapreduce.engine import TaskContext

        check_installed()
        context = TaskContext(kept.storage, Path(scratch), TASK_MEMORY_BYTES, loader.load)
        expected = asyncio.run(spark_answer(plan, job, kept, spark_master, context, _say_wait))
        return verdict_on(plan, kept, success, expected, "spark")


def _say_wait(event: Event) -> None:
    """Say what Spark waits for."""
    from driver.plan.events import WaitingForSpark
    from driver.report.event_text import event_text

    if isinstance(event, WaitingForSpark):
        say(event_text(event) or "")


def _totals(kept: RunStore, run: str, pairs: int) -> dict[str, int]:
    """Return how many of each there are to do; a chain's records are in its steps, and unknown."""
    records = sum(result.records_in for result in kept.results(run).maps)
    return {"pair compared": pairs} | ({"record read": records} if records else {})


def _answer_verdict(verdict: Verdict, by: str) -> None:
    pairs = plural(verdict.pairs if verdict.equal else verdict.missing, "pair")
    if verdict.equal:
        answer(f"{verdict.run}: all {pairs} are those of {_REFERENCES[by]}", style="green")
        return
    answer(f"{verdict.run}: {pairs} missing, {verdict.extra} too many; for example", style="red")
    for difference in verdict.examples:
        pair = f"{shown_repr(difference.key, 100)}: {shown_repr(difference.value, 100)}"
        answer(f"  only {difference.side} has {pair}")


def audit(
    run: str | None = None,
    /,
    *,
    quick: Flag = False,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """Compute a run's ledger again, with the objects as they are now.

    The ledger holds sums of bytes, pairs and checksums. Read every object that the run has written,
    and compare it with what was written. Exit code 0 when the ledger balances, else 1. A run
    without a result has nothing to balance: exit code 2.

        python -m driver audit
        python -m driver audit run-20261126-120000-brisk-owl --quick

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        quick: Compare sizes and ETags only, and read no object.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.history.audit import audit_run
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    if (state := kept.state(name)) not in ("done", "unreadable"):
        raise UsageError(
            f"{name}: {state}, so there is nothing to balance; "
            f"see: {COMMAND} status {name}{kept.option}"
        )
    ledger = audit_run(name, kept, quick=quick)
    if json or fields is not None:
        print_document(ledger, fields)
    else:
        _answer_ledger(name, ledger, quick=quick)
    return 0 if ledger.balanced else 1


def _answer_ledger(name: str, ledger: Ledger, *, quick: bool) -> None:
    wrong = ledger.discrepancies
    answer(
        f"{name}: {'balances' if ledger.balanced else 'does NOT balance'}",
        style="green" if ledger.balanced else "red",
    )
    answer(f"  inputs    {bytes_text(ledger.bytes_in)}, {plural(ledger.records_in, 'record')} read")
    answer(f"  shuffled  {plural(ledger.pairs_shuffled, 'pair')}")
    answer(f"  result    {plural(ledger.records_out, 'pair')}")
    for row in wrong[:_ROWS_SHOWN]:
        unit = f" {row.unit}" if row.unit else ""
        sums = f"{row.expected}{unit} expected, {row.found} found"
        answer(shown(f"  {row.what}: {sums}"), style="red")
    if len(wrong) > _ROWS_SHOWN:
        answer(f"  and {plural(len(wrong) - _ROWS_SHOWN, 'sum')} more; --json has all", style="red")
    answer(f"  {plural(len(ledger.rows), 'sum')} compared, {len(wrong)} wrong")
    if quick:
        answer("  no object was read: sizes and ETags only (--quick)")
