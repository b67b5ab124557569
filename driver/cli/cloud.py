"""`doctor` and `logs`: the state of the machine and the stack, and the services' logs."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say, write_json
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.doctor import Finding


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


def logs(run: str | None = None, /, *, task: str | None = None, store: str | None = None) -> int:
    """Print the services' log of a run: JSON lines, on standard output.

    Those of a run in AWS come from CloudWatch, all others from the run's records.

        python -m driver logs
        python -m driver logs run-20261126-120000-brisk-owl --task map-3

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        task: Only this task, e.g. map-3.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder
    from driver.targets.prepare import open_runs

    kept = open_runs(store)
    name = kept.resolve(run)
    plan = kept.plan(name)
    if plan.target != "aws":
        text = kept.record(name, "services.log") or b""
        lines = [
            line for line in text.decode(errors="replace").split("\n") if _is_of(line, name, task)
        ]
    else:
        from driver.cloud.aws import Aws
        from driver.cloud.logs import log_lines

        stack = read_stack(terraform_folder())
        if stack is None:
            raise UsageError(f"{name} ran in a stack that is destroyed, and so are its logs")
        found = log_lines(stack, Aws(stack.region), name, task, plan.created - 60)
        lines = [line.text for line in sorted(found, key=lambda line: line.at_ms)]
    for line in lines:
        write_json(line)
    if not lines:
        say(f"the services logged nothing of {name}" + (f", task {task}" if task else ""))
    return 0


def _is_of(line: str, run: str, task: str | None) -> bool:
    try:
        parsed = jsonlib.loads(line)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(parsed, dict)
        and parsed.get("run") == run
        and (task is None or parsed.get("task") == task)
    )
