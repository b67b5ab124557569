"""`doctor` and `logs`: the state of the machine and the stack, and the services' logs."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say, write_json
from driver.text import MESSAGE_LIMIT, plural, shown
from mapreduce.errors import UsageError
from mapreduce.wire import keys
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.doctor import Finding
    from driver.history.run_store import RunStore
    from driver.plan.events import Said
    from driver.plan.tasks import RunPlan


class Findings(Message):
    """All steps of an examination."""

    well: bool
    findings: tuple[dict[str, str | bool], ...]


def doctor(*, fix: Flag = False, json: Flag = False, fields: Fields = None) -> int:
    """Find what is wrong between this machine and the services.

    Check every step from this machine to each service's answer, and say how to repair it. Exit code
    0 when every step works, else 3.

        python -m driver doctor
        python -m driver doctor --fix

    Args:
        fix: If no task answers because this machine's address has changed, admit the new address,
            as `stack allow` does, and check again. Nothing else is changed.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
    """
    json = json or fields is not None
    findings = _examined(json=json)
    admitted = next((finding.admit for finding in findings if finding.admit), None)
    if fix and admitted:
        from driver.cli.stack_checks import admitted_ranges

        for line in admitted_ranges():
            say(line)
        findings = _examined(json=json)
    elif fix and not json and not all(finding.ok for finding in findings):
        say("nothing here can be repaired by --fix; each remedy is shown above")
    well = all(finding.ok for finding in findings)
    if json:
        print_document(Findings(well=well, findings=tuple(map(asdict, findings))), fields)
    return 0 if well else 3


def _examined(*, json: bool) -> list[Finding]:
    """Return the findings, and show each as it comes."""
    from driver.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not json:
            answer_finding(finding)
    return findings


def answer_finding(finding: Finding) -> None:
    """Show a step of an examination, and how to repair it if it does not work."""
    answer(
        f"{'✓' if finding.ok else '✗'} {finding.step}: {finding.seen}",
        style="" if finding.ok else "red",
    )
    if not finding.ok and finding.remedy:
        answer(f"    {finding.remedy}")


def logs(
    run: str | None = None,
    /,
    *,
    task: str | None = None,
    prints: Flag = False,
    store: str | None = None,
) -> int:
    """Print the services' log of a run, and what its job has printed: JSON lines, by time.

    The log of a run in AWS comes from CloudWatch, any other from the run's records. What the job
    prints comes from the run's events, while it goes too: the first 1,000 lines of each task.

        python -m driver logs
        python -m driver logs run-20261126-120000-brisk-owl --task map-3
        python -m driver logs --prints

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        task: Only this task, e.g. map-3.
        prints: Only what the job has printed, as text: each line after its task.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    plan = kept.plan(name)
    said = _said_in(kept, name, task)
    if prints:
        for each in said:
            for line in each.lines:
                answer(f"{each.task} | {shown(line, MESSAGE_LIMIT)}")
            if each.left_out:
                answer(f"{each.task} | ({plural(each.left_out, 'byte')} more)")
        if not said:
            say(f"the job printed nothing in {name}" + (f", task {task}" if task else ""))
        return 0
    lines = sorted(_service_lines(kept, plan, task) + _print_lines(name, said), key=_timestamp)
    for line in lines:
        write_json(line)
    if not lines:
        say(f"the services logged nothing of {name}" + (f", task {task}" if task else ""))
    return 0


def _said_in(kept: RunStore, name: str, task: str | None) -> list[Said]:
    """Return what a run's job has printed."""
    from driver.history.run_events import events_of
    from driver.plan.events import Said

    found = [event for event in events_of(kept, name) if isinstance(event, Said)]
    return [event for event in found if task in (None, event.task)]


def _print_lines(run: str, said: Iterable[Said]) -> list[str]:
    """Return a line of JSON for each line that the job has printed."""
    return [
        jsonlib.dumps(
            {
                "event": "print",
                "run": run,
                "task": each.task,
                "attempt": each.attempt,
                "line": line,
                "timestamp": _utc(each.at),
            },
            ensure_ascii=False,
        )
        for each in said
        for line in each.lines
    ]


def _utc(at: float) -> str:
    """Return a time as the services' logs have it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _timestamp(line: str) -> str:
    """Return the time in a line of JSON; "" without one."""
    found = jsonlib.loads(line)
    at = found.get("timestamp") if isinstance(found, dict) else None
    return at if isinstance(at, str) else ""


def _service_lines(kept: RunStore, plan: RunPlan, task: str | None) -> list[str]:
    """Return the lines of the services' log of a run, as far as they are JSON."""
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    name = plan.run
    if plan.target != "aws":
        text = kept.record(name, "services.log") or b""
        every = text.decode(errors="replace").split("\n")
        return [line for line in every if _is_of(line, name, task)]
    from driver.cloud.aws import Aws
    from driver.cloud.logs import log_lines

    stack = read_stack(terraform_folder())
    if stack is None:
        raise UsageError(
            f"{name} ran in a stack that this checkout does not know; its logs are in CloudWatch, "
            "until the stack is destroyed: give the command in the checkout that has deployed it"
        )
    found = log_lines(stack, Aws(stack.region), name, task, plan.created - 60)
    return [line.text for line in sorted(found, key=lambda line: line.at_ms)]


def _is_of(line: str, run: str, task: str | None) -> bool:
    try:
        parsed = jsonlib.loads(line)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(parsed, dict)
        and keys.is_part_of(str(parsed.get("run")), run)
        and (task is None or parsed.get("task") == task)
    )
