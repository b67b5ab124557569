"""`receipt`: what a run took and cost, beside what was forecast."""

from __future__ import annotations

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document
from driver.program.command_name import COMMAND
from mapreduce.errors import InputError


def receipt(
    run: str | None = None,
    /,
    *,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """Show what a run took, used and cost, each line beside its forecast.

    A run that failed, paused or was interrupted has a receipt too.

        python -m driver receipt
        python -m driver receipt brisk-owl --json

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.forecast.receipt import Receipt
    from driver.history.run_store import parsed
    from driver.report.plan_text import receipt_table
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    record = kept.record(name, "receipt.json")
    if record is None:
        raise InputError(
            f"{name} has no receipt: it has not ended, or another version carried it out; "
            f"see: {COMMAND} status {name}{kept.option}"
        )
    found = parsed(Receipt, record, f"the receipt of {name}")
    if json or fields is not None:
        print_document(found, fields)
        return 0
    answer(found.run)
    for line in receipt_table(found):
        answer(line)
    return 0
