"""The JSON documents of the commands: which command prints which, and their fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from pydantic import BaseModel

from driver.cli.terminal import print_document
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from cyclopts import App


DOCUMENTS: dict[str, str] = {
    "run": "driver.report.document:Report",
    "submit": "driver.cli.submit:SubmittedRun",
    "plan": "driver.forecast.document:Forecast",
    "receipt": "driver.forecast.receipt:Receipt",
    "result": "driver.cli.result:ResultDocument",
    "runs": "driver.cli.records:RunList",
    "status": "driver.cli.status:RunStatus",
    "report": "driver.report.page.data:RunData",
    "cancel": "driver.cli.attach:Cancelled",
    "audit": "mapreduce.engine.ledger:Ledger",
    "verify": "driver.history.verify:Verdict",
    "check": "driver.cli.author:CheckReport",
    "bench": "driver.report.speedup:SpeedUp",
    "schedules": "driver.cli.schedules:ScheduleList",
    "packages": "driver.cli.packages:PackageList",
    "doctor": "driver.cli.cloud:Findings",
    "stack selftest": "driver.cli.stack_checks:SelfTest",
}
"""The class of each command's document: as text, because some are slow to import."""
COMPARISON, DETACHED, SCHEDULED = "comparison", "detached", "scheduled"
OTHERS: dict[str, str] = {
    COMPARISON: "driver.report.page.compare:Comparison",
    DETACHED: "driver.cli.detach:Detached",
    SCHEDULED: "driver.cli.schedules:ScheduledRun",
}
"""Documents that a command prints instead of its own: `report` with two runs, `run` with --detach,
and `submit` with --at."""
_OTHERS_OF = {"report": COMPARISON, "run": DETACHED, "submit": SCHEDULED}


def model_of(document: str) -> type[BaseModel]:
    """Return the class of a command's document, or of another one."""
    module, _, name = (DOCUMENTS | OTHERS)[document].partition(":")
    model: type[BaseModel] = getattr(import_module(module), name)
    return model


def wants_document(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON: with --json or --fields."""
    return any(re.match(r"--(json|fields)(=|$)", each) for each in arguments)


def check_fields(arguments: Sequence[str]) -> None:
    """Refuse fields that a command's document does not have, before the command does anything.

    Raises:
        UsageError: an unknown field; it names the known ones.
    """
    fields, command = _value(arguments, "--fields"), _command(arguments)
    if fields is None or command is None:
        return
    known = dict(model_of(command).model_fields)
    if command in _OTHERS_OF:
        known |= model_of(_OTHERS_OF[command]).model_fields
    if wrong := [name for name in fields.split(",") if name.strip() not in known]:
        raise UsageError(
            f"--fields {wrong[0].strip()}: the document of `{command}` has no such field; "
            f"it has: {', '.join(known)}"
        )


def name_fields(app: App) -> None:
    """Add the fields of each command's document to its help; imports the classes of all of them."""
    for command in DOCUMENTS:
        sub = app
        for name in command.split():
            sub = sub[name]
        sub.help_epilogue = f"Fields of the document: {', '.join(model_of(command).model_fields)}."


def print_error(exc: Exception | KeyboardInterrupt, exit_code: int) -> None:
    """Print the document of an error; raises `NotWritten`."""
    from driver.report.failure import error_document  # imports the engine, slowly

    print_document(error_document(exc, exit_code))


def _value(arguments: Sequence[str], option: str) -> str | None:
    """Return the value of an option on a command line; None without it."""
    for number, each in enumerate(arguments):
        if each == option:
            return arguments[number + 1] if number + 1 < len(arguments) else None
        if each.startswith(f"{option}="):
            return each.partition("=")[2]
    return None


def _command(arguments: Sequence[str]) -> str | None:
    """Return the command of a command line, if it has a document."""
    return next(
        (name for count in (2, 1) if (name := " ".join(arguments[:count])) in DOCUMENTS),
        None,
    )
