"""The order of the steps, and where an examination ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import doctor
from driver.cloud.deploy.deployment import merged_settings
from driver.cloud.stack import Stack
from driver.doctor import account, examination, machine
from driver.doctor.finding import Finding
from mapreduce.errors import FleetError
from tests.unit.driver.doctor.conftest import IDENTITY, Answers, aws_with
from tests.unit.driver.samples import STACK_VALUES, mapreduce

STACK = Stack.model_validate(STACK_VALUES)
SYSTEM = mapreduce()
SETTINGS = merged_settings(SYSTEM, {}, "eu-central-1", "t", None)


def _steps(findings: Iterator[Finding]) -> list[tuple[str, bool]]:
    return [(finding.step, finding.ok) for finding in findings]


def test_without_a_stack_the_examination_ends_with_this_machine() -> None:
    """Without a stack the examination covers only this machine, and that is well."""
    steps = _steps(doctor.examine())
    assert ["python", "native extension", "scratch disk", "stack"] == [name for name, _ in steps]
    assert steps[-1][1]


def test_a_stack_that_cannot_be_read_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that cannot be read ends the examination, with the alternative."""

    def broken(_: Path) -> None:
        raise FleetError("no terraform")

    monkeypatch.setattr(examination, "read_stack", broken)
    last = list(doctor.examine())[-1]
    assert ("stack", False, "no terraform") == (last.step, last.ok, last.seen)
    assert "--target local" in last.remedy


def test_a_stack_is_examined_after_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployed stack is examined after this machine."""
    monkeypatch.setattr(examination, "read_stack", lambda _: STACK)
    monkeypatch.setattr(
        examination, "examine_stack", lambda _: iter([Finding(step="bucket", ok=True, seen="")])
    )
    *_, stack, last = doctor.examine()
    assert "mapreduce in eu-central-1, images abc" == stack.seen
    assert "bucket" == last.step


@pytest.mark.parametrize(
    ("sts", "expected"),
    [
        (IDENTITY, [("region", True), ("credentials", True), ("quota of books", True)]),
        (Answers(FleetError("expired")), [("region", True), ("credentials", False)]),
    ],
)
def test_a_deployment_stops_at_the_first_step_that_others_stand_on(
    monkeypatch: pytest.MonkeyPatch, sts: Any, expected: list[tuple[str, bool]]
) -> None:
    """A deployment's examination ends at the first step on which others depend; the account is
    examined for what the settings make.
    """
    monkeypatch.setattr(machine, "_output_of", lambda *_: "v1.12.0")
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws_with(sts=sts))
    monkeypatch.setattr(
        account,
        "examine_account",
        lambda _, needs, caller: iter([Finding(f"quota of {needs.name}", ok=True, seen=caller)]),
    )
    named = SETTINGS.model_copy(update={"name": "books"})
    steps = _steps(doctor.examine_before_deploy(named, SYSTEM))
    assert ["python", "terraform", "docker"] == [name for name, _ in steps[:3]]
    assert expected == steps[3:]


def test_a_session_that_cannot_be_made_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be created is a finding, not an error."""
    monkeypatch.setattr(machine, "_output_of", lambda *_: None)

    def broken(_: str | None) -> None:
        raise FleetError("no such profile")

    monkeypatch.setattr("driver.cloud.aws.Aws", broken)
    for findings in (doctor.examine_before_deploy(SETTINGS, SYSTEM), doctor.examine_stack(STACK)):
        assert ("credentials", False) == _steps(findings)[-1]
