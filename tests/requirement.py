"""Whether a check may be skipped: on a developer's machine yes; with MAPREDUCE_REQUIRE_ALL=1 a skip
is a failure.

CI sets the variable. A check that CI's machine cannot run begins its reason with `CANNOT` and may
still be skipped: it needs the internet, for example, or another operating system.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

import pytest

VARIABLE = "MAPREDUCE_REQUIRE_ALL"
CANNOT = "cannot be run on this machine: "


def everything_is_required(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a skip is a failure."""
    return environment.get(VARIABLE, "") not in ("", "0")


def fault_of_a_skip(reason: str, *, required: bool) -> str:
    """Return why a skip for this reason is a failure, or "" when it is allowed."""
    if not required or reason.startswith(CANNOT):
        return ""
    return f"skipped, and with {VARIABLE}=1 nothing may be: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test's skip into a failure."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure."""
    report = yield
    _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return
    path, line, said = report.longrepr
    fault = fault_of_a_skip(said.removeprefix("Skipped: "), required=everything_is_required())
    if fault:
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {fault}"
