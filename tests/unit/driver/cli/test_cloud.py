"""`doctor` and `logs`, without a stack and with a scripted one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from driver import doctor as doctor_module
from driver.cloud.logs import LogLine
from driver.cloud.stack import Stack
from driver.doctor import Finding
from driver.history.run_store import RunStore
from driver.plan.events import Said, encoded
from mapreduce.storage import open_storage
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import STACK_VALUES, run_plan


def test_the_doctor_shows_each_finding(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding that is not well shows its remedy, and gives exit code 3."""
    findings = [
        Finding(step="python", ok=True, seen="3.11"),
        Finding(step="disk", ok=False, seen="full", remedy="free some"),
    ]
    monkeypatch.setattr(doctor_module, "examine", lambda: iter(findings))
    said = command("doctor")
    assert 3 == said.code
    assert ["✓ python: 3.11", "✗ disk: full", "    free some"] == said.out.splitlines()
    document = command("doctor", "--json").document
    assert (False, [asdict(each) for each in findings]) == (
        document["well"],
        document["findings"],
    )
    monkeypatch.setattr(doctor_module, "examine", lambda: iter(findings[:1]))
    assert 0 == command("doctor").code


@pytest.mark.parametrize("admit", ["198.51.100.9", ""])
def test_fix_admits_a_changed_address_and_nothing_else(
    command: Command, monkeypatch: pytest.MonkeyPatch, admit: str
) -> None:
    """`doctor --fix` admits an address that has changed, and checks again; it repairs nothing
    else.
    """
    silent = Finding("address", ok=False, seen="not in allowed_cidrs", admit=admit)
    looks = [[silent], [Finding("address", ok=True, seen="all answer")]]
    admitted: list[tuple[str, ...]] = []

    def admit_range(*cidr: str) -> list[str]:
        admitted.append(cidr)
        return ["callable by all"]

    monkeypatch.setattr(doctor_module, "examine", lambda: iter(looks.pop(0)))
    monkeypatch.setattr("driver.cli.stack_checks.admitted_ranges", admit_range)

    said = command("doctor", "--fix")
    assert (0 if admit else 3, [()] if admit else []) == (said.code, admitted)
    assert bool(admit) == ("all answer" in said.out)
    assert bool(admit) != ("nothing here can be repaired by --fix" in said.err)
    assert bool(admit) == ("callable by all" in said.err)


@pytest.fixture
def runs(home: Path) -> RunStore:
    """The store in the current folder."""
    return RunStore(open_storage(), f"file://{home}/.mapreduce")


def test_the_logs_of_a_run_are_its_own_lines(command: Command, runs: RunStore) -> None:
    """`logs` shows only lines of the run or task; a line that is no JSON belongs to none."""
    plan = runs.begin(run_plan(target="local"))
    lines = [
        {"run": plan.run, "task": "map-0", "event": "task"},
        {"run": plan.run, "task": "map-1", "event": "task"},
        {"run": "another", "task": "map-0"},
        ["no object"],
    ]
    text = "\n".join([*map(json.dumps, lines), "a traceback, say", "[" * 100_000, ""])
    runs.write(plan.run, "services.log", text.encode())
    assert lines[:2] == [json.loads(line) for line in command("logs").out.splitlines()]
    assert lines[1] == json.loads(command("logs", "--task", "map-1").out)


def test_no_logs_are_no_error(command: Command, runs: RunStore) -> None:
    """A run without log lines exits with 0 and a message."""
    plan = runs.begin(run_plan(target="local"))
    said = command("logs", "--task", "map-7")
    assert (0, "") == (said.code, said.out)
    assert f"{plan.run}, task map-7" in said.err


def test_the_logs_of_a_run_in_aws_come_from_its_stack(
    command: Command, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logs of a run in AWS come from its stack in the order of time, and are lost with it."""
    plan = runs.begin(run_plan(target="aws", created=1000.0))
    said = command("logs", "--store", runs.store)
    assert (2, True) == (said.code, "destroyed" in said.err)
    asked: list[object] = []

    def found(stack: Stack, aws: object, *args: object) -> Iterator[LogLine]:
        asked.extend(args)
        yield LogLine(at_ms=2, role="mapper", text='{"second": 1}')
        yield LogLine(at_ms=1, role="reducer", text='{"first": 1}')

    monkeypatch.setattr(
        "driver.cloud.stack.read_stack", lambda _: Stack.model_validate(STACK_VALUES)
    )
    monkeypatch.setattr("driver.cloud.logs.log_lines", found)
    said = command("logs", "--store", runs.store)
    assert ['{"first": 1}', '{"second": 1}'] == said.out.splitlines()
    assert [plan.run, None, 940.0] == asked


def test_what_a_job_prints_is_in_the_logs(command: Command, runs: RunStore) -> None:
    """`logs` has the prints among the services' lines by time, and `--prints` them alone, with
    their task and without escape codes; `--task` chooses among both.
    """
    plan = runs.begin(run_plan(target="local"))
    service = {"run": plan.run, "task": "map-0", "timestamp": "2026-01-01T00:00:01.000000Z"}
    runs.write(plan.run, "services.log", json.dumps(service).encode())
    said = [
        Said(at=1767225602.0, task="map-1", attempt=2, lines=("late \x1b[2J",), left_out=5),
        Said(at=1767225600.5, task="map-0", attempt=1, lines=("early", "two")),
    ]
    runs.write(plan.run, "events.jsonl", encoded(said))
    lines = [json.loads(line) for line in command("logs").out.splitlines()]
    assert ["early", "two", None, "late \x1b[2J"] == [line.get("line") for line in lines]
    assert {
        "event": "print",
        "run": plan.run,
        "task": "map-0",
        "attempt": 1,
        "line": "early",
        "timestamp": "2026-01-01T00:00:00.500000Z",
    } == lines[0]
    assert 3 == len(command("logs", "--task", "map-0").out.splitlines())
    shown = command("logs", "--prints").out
    assert "map-1 | late \\x1b[2J\nmap-1 | (5 bytes more)\n" in shown
    assert "map-0 | early\nmap-0 | two\n" in shown
    nothing = command("logs", "--prints", "--task", "map-9")
    assert (0, "") == (nothing.code, nothing.out)
    assert "printed nothing" in nothing.err


def test_what_a_job_prints_in_this_process_is_kept_too(command: Command, home: Path) -> None:
    """The prints of an inline run are shown while it goes, and kept with their task."""
    (home / "in.txt").write_text("one\n")
    (home / "loud.py").write_text(
        "from mapreduce import Job, Sum\n\n\nclass Loud(Job):\n    reduce = Sum()\n\n"
        "    def map(self, key, value):\n        print('seen', value)\n        yield value, 1\n"
    )
    ran = command("run", "--input", "in.txt", "--target", "inline", "--job", "loud.py")
    assert (0, True) == (ran.code, "seen one" in ran.err)
    assert "map-0 | seen one\n" == command("logs", "--prints").out
