"""The log lines of a run, from stubbed answers of CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.stub import ANY, Stubber

from driver.cloud.aws import Aws
from driver.cloud.logs import log_lines
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError


@pytest.fixture
def logs(aws: Aws) -> Iterator[Stubber]:
    """A stubbed CloudWatch."""
    with Stubber(aws.logs) as stubber:
        yield stubber


def _script(logs: Stubber, role: str, pattern: str, *texts: str) -> None:
    """Stub one service's lines, a second apart."""
    events = [{"timestamp": at * 1000, "message": text} for at, text in enumerate(texts)]
    expected = {"logGroupName": f"/ecs/mapreduce/{role}", "startTime": ANY}
    expected["filterPattern"] = pattern
    logs.add_response("filter_log_events", {"events": events}, expected)


def _line(run: str, task: str) -> str:
    return json.dumps({"run": run, "task": task})


def test_only_lines_of_the_run_are_given(aws: Aws, logs: Stubber, stack: Stack) -> None:
    """Only lines of the run and its steps are returned, even if the server ignores the filter."""
    pattern = '{ $.run = "run-1*" && $.task = "map-3" }'
    ours = _line("run-1", "map-3")
    _script(logs, "splitter", pattern, "no JSON", _line("run-1", "map-4"))
    _script(logs, "mapper", pattern, _line("run-12", "map-3"), f"{ours}\n")
    step = _line("run-1-step-2", "map-3")
    _script(logs, "reducer", pattern, step)
    found = list(log_lines(stack, aws, "run-1", "map-3", 10.0))
    expected = [("mapper", 1000, ours), ("reducer", 0, step)]
    assert expected == [(line.role, line.at_ms, line.text) for line in found]
    logs.assert_no_pending_responses()


def test_without_a_run_all_lines_are_given(aws: Aws, logs: Stubber, stack: Stack) -> None:
    """Without a run all lines are returned, in the order of the services."""
    for role in ("splitter", "mapper", "reducer"):
        _script(logs, role, "", f"of {role}")
    found = [line.text for line in log_lines(stack, aws, None, None, 0.0)]
    assert ["of splitter", "of mapper", "of reducer"] == found


def test_logs_that_may_not_be_read_are_explained(aws: Aws, logs: Stubber, stack: Stack) -> None:
    """Denied access to logs raises a `FleetError`."""
    logs.add_client_error("filter_log_events", "AccessDeniedException")
    with pytest.raises(FleetError, match="may not do FilterLogEvents"):
        list(log_lines(stack, aws, "run-1", None, 0.0))
