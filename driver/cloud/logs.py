"""The services' log lines of one run, from CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterator

from driver.cloud.aws import Aws, explained
from driver.cloud.stack import Stack
from mapreduce.wire import keys
from mapreduce.wire.messages import Message


class LogLine(Message):
    """One line: its time (milliseconds since the epoch), the service, and its text as logged."""

    at_ms: int
    role: str
    text: str


def log_lines(
    stack: Stack, aws: Aws, run: str | None, task: str | None, since_s: float
) -> Iterator[LogLine]:
    """Yield the lines of all three services, oldest first within each.

    Args:
        stack: the stack.
        aws: AWS in its region.
        run: only lines of this run, or of the steps of this chain; None for all lines.
        task: only lines of this task, e.g. `map-3`.
        since_s: no older lines than this, in seconds since the epoch.
    """
    # the steps of a chain log under names that begin with its own
    named = (("run", f"{run}*" if run else None), ("task", task))
    wanted = [f'$.{name} = "{value}"' for name, value in named if value]
    pattern = f"{{ {' && '.join(wanted)} }}" if wanted else ""
    for role, service in stack.services.items():
        pages = aws.logs.get_paginator("filter_log_events").paginate(
            logGroupName=service.log_group, startTime=int(since_s * 1000), filterPattern=pattern
        )
        with explained():
            for page in pages:
                for event in page["events"]:
                    if _is_of(event["message"], run, task):
                        yield LogLine(
                            at_ms=event["timestamp"], role=role, text=event["message"].rstrip()
                        )


def _is_of(text: str, run: str | None, task: str | None) -> bool:
    """Apply the same filter again: not every server of CloudWatch's protocol filters."""
    if not (run or task):
        return True
    try:
        line = json.loads(text)
    except ValueError:
        return False
    of_run = not run or keys.is_part_of(str(line.get("run")), run)
    return of_run and (not task or line.get("task") == task)
