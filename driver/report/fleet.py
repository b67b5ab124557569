"""What a run says of the fleet that it starts and stops. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from driver.plan.events import FleetComing, FleetLeft, FleetScaled
from driver.program.command_name import COMMAND
from driver.text import plural

STOP_IT = f"{COMMAND} stack stop"


def fleet_text(event: FleetScaled | FleetComing | FleetLeft) -> str:
    """Return the message for an event of the fleet; nothing for one that changes nothing."""
    if isinstance(event, FleetScaled):
        return f"fleet: {_changes(event.before, event.after)}"
    if isinstance(event, FleetComing):
        running = ", ".join(
            f"{event.running.get(role, 0)}/{plural(count, role)}"
            for role, count in event.desired.items()
        )
        return f"fleet: {running} running"
    return _left(event)


def _left(event: FleetLeft) -> str:
    guarded = f"the idle guard stops it after {minutes(event.guarded_s)} without a run"
    if not event.guarded_s:
        guarded = f"stop it: {STOP_IT}"
    match event.why:
        case "as it was":
            return ""
        case "restored":
            if not any(event.counts.values()):
                return "fleet: stopped"
            return f"fleet: back to {_tasks(event.counts)}"
        case "kept":
            return f"fleet: stays for {minutes(event.kept_s)}; stop it before: {STOP_IT}"
        case "in use":
            return f"fleet: stays, because another run uses it, which stops it; else {guarded}"
        case "changed":
            return f"fleet: stays, because its numbers were changed during the run; {guarded}"
    now = f", or now: {STOP_IT}" if event.guarded_s else ""
    return f"error: the fleet could not be stopped: {event.why}; {guarded}{now}"


def _changes(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    if not any(before.values()):
        return f"starting {_tasks(after)}"
    return ", ".join(
        f"from {before[role]} to {plural(count, role)}" for role, count in after.items()
    )


def _tasks(counts: Mapping[str, int]) -> str:
    return ", ".join(plural(count, role) for role, count in counts.items())


def minutes(seconds: float) -> str:
    """Return a duration in words: minutes, or seconds below two minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
