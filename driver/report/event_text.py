"""The words for the rare events of a run: the same in the terminal and on the page. Pure."""

from __future__ import annotations

from driver.plan import events
from driver.plan.events import Event
from driver.program.command_name import COMMAND
from driver.report.fleet import fleet_text
from driver.text import plural


def event_text(event: Event) -> str | None:
    """Return the message for a rare event; None for one that is shown in another way."""
    if isinstance(event, events.FleetScaled | events.FleetComing | events.FleetLeft):
        return fleet_text(event) or None
    if isinstance(event, events.AttemptStarted | events.CircuitOpened | events.CircuitClosed):
        return _of_endpoint(event)
    if isinstance(event, events.LookFailed | events.WaitingForFleet | events.NothingAnswers):
        return _of_silence(event)
    if isinstance(event, events.WaitingForSpark | events.EngineOnSpark):
        return _of_spark(event)
    if isinstance(event, events.SignInNeeded | events.SignedIn | events.DriverAway):
        return _of_driver(event)
    if isinstance(event, events.DriverTookOver):
        return f"the driver goes on with the run: process {event.process} on {event.host}"
    if isinstance(event, events.OutputsRedone):
        return f"{', '.join(event.tasks)} run again: {event.why}"
    if isinstance(event, events.ImportedAnew):
        return f"each task imports the job anew, because of what its import does: {event.why}"
    if isinstance(event, events.RecordSkipped):
        return f"record skipped at {event.place}: {event.message}"
    return None


def failed_text(event: events.AttemptFailed) -> str:
    """Return the message for a failed attempt: the first line of its error, and what follows."""
    first = event.message.partition("\n")[0]
    where = f"{event.task} attempt {event.attempt} on {event.endpoint}"
    return f"{where}: {event.kind}: {first}; {event.then}"


def fleet_changes(event: events.FleetChanged, *, is_first: bool) -> list[tuple[str, bool]]:
    """Return a message for each change of the fleet, and whether it is good news.

    Args:
        event: the change.
        is_first: it is the first look-up of the stage, which finds endpoints that were there.
    """
    gone = [
        f"{name} is gone{f': {event.why[name]}' if name in event.why else ''}"
        for name in event.gone
    ]
    found = [] if is_first or not event.appeared else [f"new: {', '.join(event.appeared)}"]
    return [*((text, False) for text in gone), *((text, True) for text in found)]


def _of_endpoint(
    event: events.AttemptStarted | events.CircuitOpened | events.CircuitClosed,
) -> str | None:
    if isinstance(event, events.AttemptStarted):
        backup = f"{event.task} is slow: attempt {event.attempt} on {event.endpoint} as a backup"
        return backup if event.backup else None
    if isinstance(event, events.CircuitOpened):
        times = f"{event.failures} times in a row"
        return f"{event.endpoint} failed {times}: no tasks for it for {event.pause_s:.1f} s"
    return f"{event.endpoint} works again"


def _of_silence(
    event: events.LookFailed | events.WaitingForFleet | events.NothingAnswers,
) -> str:
    if isinstance(event, events.LookFailed):
        return f"the fleet could not be looked up; the known endpoints are used: {event.why}"
    if isinstance(event, events.WaitingForFleet):
        why = f" ({event.why})" if event.why else ""
        return f"waiting for a service of the {event.stage} stage, {event.seconds:.0f} s{why}"
    return (
        f"{plural(event.endpoints, 'service')} of the {event.stage} stage run, and none has "
        f"answered for {event.seconds:.0f} s; see: {COMMAND} doctor"
    )


def _of_spark(event: events.WaitingForSpark | events.EngineOnSpark) -> str | None:
    if isinstance(event, events.EngineOnSpark):
        where = "; ".join(f"{name}: {why}" for name, why in sorted(event.missing.items()))
        return (
            f"slower: executors have no native extension ({where}); on a machine with their "
            "Python and platform, python -m mapreduce.native builds it; run from there"
            if where
            else None
        )
    waited = f"for {event.seconds:.0f} s"
    if event.stage is None:
        return f"Spark has not started {waited}; it waits for the cluster (Ctrl-C ends the run)"
    if event.executors:
        has = plural(event.executors, "executor")
        return f"the {event.stage} stage has {has}, and none has run a task {waited}"
    return (
        f"the {event.stage} stage has no executor {waited}: other applications hold the cluster, "
        "or no worker has the memory and the cores of an executor; see the master's page "
        "(Ctrl-C ends the run)"
    )


def _of_driver(event: events.SignInNeeded | events.SignedIn | events.DriverAway) -> str:
    if isinstance(event, events.SignInNeeded):
        return (
            f"paused: {event.why}; the run goes on when they work again, tasks that run go on "
            f"meanwhile (at most {event.limit_s / 60:.0f} min; Ctrl-C ends the run)"
        )
    if isinstance(event, events.SignedIn):
        return f"signed in again after {event.seconds:.0f} s; the run goes on"
    return (
        f"this machine was suspended for {event.seconds:.0f} s; attempts lost meanwhile run again"
    )
