"""`submit`: the plan goes to the stack's bucket, and a task in AWS carries it out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from driver.history.cancelling import ask_to_end
from driver.packages import resolve
from driver.packages.of_job import digest_of_packages
from driver.packages.platforms import of_images
from driver.targets.plan_records import Planned, prepared_by
from driver.targets.submitting import STARTS_S
from mapreduce.packages import platform_here, use_packages
from mapreduce.wire import keys
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.submitted import FakeDrivers, deploy
from tests.wheels import make_wheel

JOB = """
import provided_one

from mapreduce import Job


class Wants(Job):
    def map(self, offset, line):
        yield provided_one.VERSION, line
"""


@pytest.fixture
def drivers(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDrivers:
    """A stack, and an input in the current folder."""
    (home / "a.txt").write_text("one two\n")
    return deploy(monkeypatch)


def test_a_run_is_planned_and_its_driver_started(command: Command, drivers: FakeDrivers) -> None:
    """Standard output has the run's id alone; plan, code and input are in the bucket."""
    said = command("submit", "a.txt", "--retries", "2", "--keep", "2h")
    ((run, words, token),) = drivers.asked
    assert (0, f"{run}\n") == (said.code, said.out)
    assert ["keep", run, "--retries", "2"] == words
    assert f"{run}.0" == token
    assert f"attach {run}" in said.err
    assert f"cancel {run}" in said.err
    runs = drivers.runs
    plan = runs.plan(run)
    assert "planned" == runs.state(run)
    assert runs.storage.read(keys.code(runs.store, plan.job.code))
    (given,) = plan.inputs
    assert b"one two\n" == runs.storage.read(given.url)
    planned = Planned.model_validate_json(runs.record(run, "planned.json") or b"")
    assert ((given,), True, STARTS_S) == (planned.inputs, planned.stored, planned.starts_s)
    assert 7200.0 == planned.config.keep_s


def test_the_document_names_the_task(command: Command, drivers: FakeDrivers) -> None:
    """`--json` has the run's id and its driver's task."""
    document = command("submit", "a.txt", "--json").document
    run = drivers.asked[0][0]
    assert {"run_id": run, "task": f"task-of-{run}.0"} == document


def test_a_driver_that_aws_does_not_start_can_be_started_again(
    command: Command, drivers: FakeDrivers
) -> None:
    """The error names the cause and the command, which carries out the plan that is there."""
    drivers.fails = "RESOURCE:FARGATE"
    said = command("submit", "a.txt", "--retries", "1")
    run = drivers.asked[0][0]
    again = f"python -m driver submit --plan {run}"
    assert 3 == said.code
    assert f"AWS started no driver: RESOURCE:FARGATE; the plan is kept, try again: {again}" in (
        said.err
    )
    assert f"carry it out: {again}\n" in command("status", run).out
    drivers.fails, drivers.asked = "", []
    said = command("submit", "--plan", run)
    assert (0, f"{run}\n") == (said.code, said.out)
    assert [(run, ["keep", run, "--retries", "1"], f"{run}.0")] == drivers.asked
    assert [run] == drivers.runs.runs()


def test_a_run_never_has_two_drivers_that_live(command: Command, drivers: FakeDrivers) -> None:
    """A request that is repeated finds the task; once that one has stopped, another one starts."""
    command("submit", "a.txt")
    run = drivers.asked[0][0]
    assert {"run_id": run, "task": f"task-of-{run}.0"} == (
        command("submit", "--plan", run, "--json").document
    )
    assert len(drivers.asked) == 1
    drivers.stopped = 1
    assert 0 == command("submit", "--plan", run).code
    assert [f"{run}.0", f"{run}.1"] == [token for _, _, token in drivers.asked]


def test_a_lost_run_goes_on_in_aws(command: Command, drivers: FakeDrivers) -> None:
    """Its next driver may begin, although the run had no retries left."""
    command("submit", "a.txt")
    run, runs = drivers.asked[0][0], drivers.runs
    plan = runs.plan(run).model_copy(update={"created": 1.0})
    runs.write(run, "plan.json", plan)
    runs.storage.create(keys.run_file(runs.store, run, keys.BEGUN), b"")
    assert "lost" == runs.state(run)
    drivers.stopped = 1
    assert 0 == command("submit", "--plan", run).code
    assert ["keep", run, "--retries", "1"] == drivers.asked[-1][1]
    said = command("attach", run)
    assert (1, True) == (
        said.code,
        f"go on with it: python -m driver submit --plan {run}\n" in said.err,
    )


def test_what_is_over_or_not_of_submit_is_refused(
    command: Command, drivers: FakeDrivers, home: Path
) -> None:
    """A cancelled run ends with 130; others name the next command."""
    command("submit", "a.txt")
    run = drivers.asked[0][0]
    ask_to_end(drivers.runs, run)
    said = command("submit", "--plan", run)
    assert (130, True) == (said.code, "was cancelled before its driver began" in said.err)
    command("submit", "a.txt")
    done = drivers.asked[1][0]
    drivers.runs.commit(done, [], 0)
    said = command("submit", "--plan", done)
    assert (2, True) == (said.code, f"{done} is done" in said.err)
    command("plan", "a.txt", "--target", "inline", "--store", "here")
    (plan,) = [path.name for path in (home / "here" / "runs").iterdir()]
    said = command("submit", "--plan", plan, "--store", "here")
    assert (2, True) == (said.code, f"run --plan {plan} --store here" in said.err)
    assert 2 == len(drivers.asked)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("a.txt", "--output", "out.csv"), "result RUN --output out.csv"),
        (("--plan", "run-1", "--retries", "2"), "--retries: --plan carries out the plan as it is"),
        (("--plan", "run-1", "--max-usd", "1"), "give --store alone"),
        (("a.txt", "--plan", "run-1"), "give --store alone"),
        (("a.txt", "--at", "rate(1 day)"), "--at and --name belong together"),
        (("a.txt", "--retries", "101"), "must be from 0 to"),
        (("s3://stranger/a",), "add 'stranger' to extra_input_buckets"),
    ],
)
def test_what_a_driver_in_aws_cannot_do_is_refused(
    command: Command, drivers: FakeDrivers, options: tuple[str, ...], why: str
) -> None:
    """Before anything is sent or started."""
    drivers.runs.storage.write("s3://stranger/a", b"x")
    said = command("submit", *options)
    assert (2, True) == (said.code, why in said.err), said.err
    assert [] == drivers.asked
    assert [] == drivers.runs.runs()


def test_the_packages_of_a_requirements_file_travel_with_the_plan(
    command: Command, drivers: FakeDrivers, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver in AWS has neither the file nor pip: it imports what the bucket has."""
    if of_images("X86_64").name != platform_here():
        pytest.skip("this machine is not of the images' platform")
    (home / "wants_provided.py").write_text(JOB)
    (home / "wanted.txt").write_text("provided-one\n")
    files = {"provided_one.py": "VERSION = '1.0'\n"}
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(resolve, "downloaded", lambda *to: [_wheel(to[-1], files)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    said = command("submit", "a.txt", "--job", "wants_provided.py", "--requirements", "wanted.txt")
    assert said.code == 0, said.err
    for gone in ("wanted.txt", "wants_provided.py"):
        (home / gone).unlink()
    moved = home.with_name("elsewhere")
    home.rename(moved)
    monkeypatch.chdir(moved)
    monkeypatch.setattr(resolve, "downloaded", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "of-the-container"))
    run = drivers.asked[0][0]
    prepared, _ = prepared_by(run, None, None, "")
    use_packages(None)
    assert prepared.planned is not None
    assert prepared.planned.job.packages == digest_of_packages(prepared.packages) != ""


def _wheel(to: Path, files: dict[str, str]) -> Path:
    return make_wheel(to, "provided_one", "1.0", files)
