"""`run` from the command line to its result, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from driver.output import export
from mapreduce.errors import FleetError, NotWritten
from tests.unit.driver.cli.conftest import Command

ROSES = "a rose is a rose\nis a rose\n"
FAILS_ON_BOOM = """
from mapreduce import Job, Sum


class Fails(Job):
    reduce = Sum()

    def map(self, offset, line):
        if "boom" in line:
            raise ValueError("no boom wanted")
        yield line, 1
"""


@pytest.fixture
def roses(home: Path) -> Path:
    """A text that can be counted by hand."""
    path = home / "roses.txt"
    path.write_text(ROSES)
    return path


def _failing_job(home: Path, name: str) -> Path:
    """Write a job's file under a name that no other test imports."""
    path = home / f"{name}.py"
    path.write_text(FAILS_ON_BOOM)
    return path


def test_a_run_writes_its_result_to_the_output(command: Command, roses: Path) -> None:
    """`run` prints one JSON document, and writes the whole result to --output."""
    said = command(
        "run", "--input", str(roses), "--target", "inline", "--json", "--output", "o.csv"
    )
    assert 0 == said.code
    assert [["a", 3], ["rose", 3], ["is", 2]] == said.document["top"]
    assert "a,3\nis,2\nrose,3\n" == Path("o.csv").read_text().replace("\r", "").partition("\n")[2]


def test_the_same_run_again_reuses_the_tasks(command: Command, roses: Path) -> None:
    """The same run reuses its tasks, unless --fresh is given."""
    command("run", "--input", str(roses), "--target", "inline")
    again = command("run", "--input", str(roses), "--target", "inline")
    fresh = command("run", "--input", str(roses), "--target", "inline", "--fresh")
    assert [True, False] == ["reused  " in said.out for said in (again, fresh)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--top", "-1"], "--top"),
        (["--chunks", "2", "--chunk-size", "1KiB"], "--chunk-size"),
        (["--skip-bad-records", "-1"], "--skip-bad-records"),
        (["--skip-bad-records", "999999999"], "--skip-bad-records"),
        (["--chaos", "kill=0.5"], "--chaos"),
        (["--mappers", "0"], "--mappers"),
        (["--reducers", "0"], "--reducers"),
        (["--chunks", "0"], "--chunks"),
        (["--chunk-size", "much"], "--chunk-size"),
        (["--task-memory", "-3"], "--task-memory"),
        (["--param", "nothing"], "--param"),
        (["--param", "none=1"], "none"),
        (["--output", "result.doc"], "--output"),
        (["--output-format", "csv"], "--output-format"),
        (["--job", "no_such_job"], "no_such_job"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_written(
    command: Command, roses: Path, options: list[str], named: str
) -> None:
    """A wrong option exits with code 2 and its name, before a store exists."""
    said = command("run", "--input", str(roses), "--target", "inline", *options)
    assert 2 == said.code
    assert named in said.err
    assert not Path(".mapreduce").exists()


def test_an_input_that_is_missing_is_named(command: Command) -> None:
    """A missing input exits with code 2 and its name."""
    said = command("run", "--input", "none.txt", "--target", "inline")
    assert (2, True) == (said.code, "none.txt" in said.err)


def test_aws_without_a_stack_is_no_fleet(command: Command, roses: Path) -> None:
    """`--target aws` without a stack exits with code 3 and names deploy.sh."""
    said = command("run", "--input", str(roses), "--target", "aws")
    assert (3, True) == (said.code, "deploy.sh" in said.err)


def test_a_job_that_raises_shows_its_own_line_and_record(command: Command, home: Path) -> None:
    """A job that raises exits with code 1, the author's file and line, and the record's place."""
    job = _failing_job(home, "fails_in_run")
    (home / "in.txt").write_text("fine\nboom\n")
    said = command("run", "--input", "in.txt", "--target", "inline", "--job", str(job))
    assert 1 == said.code
    assert f'File "{job}", line 10' in said.err
    assert "ValueError: no boom wanted" in said.err
    assert "in.txt" in said.err
    assert "5" in said.err.partition("in.txt")[2]


def test_bad_records_may_be_set_aside(command: Command, home: Path) -> None:
    """--skip-bad-records sets that many records aside, and the answer is that of the others."""
    job = _failing_job(home, "fails_and_skips")
    (home / "in.txt").write_text("fine\nboom\nfine\n")
    options = ["--input", "in.txt", "--target", "inline", "--job", str(job), "--json"]
    said = command("run", *options, "--skip-bad-records", "1")
    assert (0, [["fine", 2]]) == (said.code, said.document["top"])
    assert 1 == command("run", *options).code


def test_a_result_that_cannot_be_copied_is_committed_all_the_same(
    command: Command, roses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that cannot be copied exits with 1 and names the command that finds it."""

    def full(*_: object) -> NoReturn:
        raise NotWritten("the disk is full")

    monkeypatch.setattr(export, "write_output", full)
    said = command("run", "--input", str(roses), "--target", "inline", "--output", "o.json")
    assert 1 == said.code
    assert "the disk is full" in said.err
    run = json.loads(command("runs", "--json").out)["runs"][0]
    assert f"driver status {run['run_id']}" in said.err
    assert "done" == run["state"]


def test_a_summary_that_cannot_be_shown_is_no_failure(
    command: Command, roses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A summary that cannot be made does not fail the run, and its id is printed."""

    def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("no such colour")

    monkeypatch.setattr("driver.report.summary.summary", broken)
    said = command("run", "--input", str(roses), "--target", "inline")
    assert (0, True) == (said.code, "no such colour" in said.err)


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (FleetError("the fleet is gone"), 3)],
)
def test_a_run_that_ends_early_has_the_exit_code_of_its_cause(
    command: Command,
    roses: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
) -> None:
    """Ctrl-C exits with 130, and a lost fleet with 3."""

    async def ends(*_: object) -> NoReturn:
        raise raised

    monkeypatch.setattr("driver.targets.watched.carry_out", ends)
    assert code == command("run", "--input", str(roses), "--target", "inline").code


def test_inputs_need_no_option(command: Command, roses: Path) -> None:
    """Inputs without `--input` come first, and may stand beside it."""
    Path("more.txt").write_text("rose thorn\n")
    said = command("run", "roses.txt", "--input", "more.txt", "--target", "inline", "--json")
    assert [["rose", 4], ["a", 3], ["is", 2], ["thorn", 1]] == said.document["top"]
    positions = [said.err.index(name) if name in said.err else -1 for name in ("2 inputs",)]
    assert [-1] != positions


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "there is no input; name a file, folder, glob or URL"),
        (("*.none",), "no file matches *.none"),
        (("top_k", "roses.txt"), "run INPUT --job top_k"),
        (("--over", "roses.txt"), "name a job whose `map(number, value)` takes the values"),
        (("roses.txt", "--over", "x"), "--over x: takes the place of the input roses.txt"),
    ],
)
def test_a_run_without_an_input_says_what_to_type(
    command: Command, roses: Path, arguments: tuple[str, ...], told: str
) -> None:
    """Without an input, for a glob that matches nothing, and for a job's name, it exits with 2."""
    said = command("run", *arguments, "--target", "inline")
    assert (2, "", True) == (said.code, said.out, told in said.err)


def test_the_answer_comes_first_and_is_short(command: Command, roses: Path) -> None:
    """The answer is on standard output, top keys first; URLs are listed on request only."""
    said = command("run", "roses.txt", "--target", "inline", "--chunks", "3")
    lines = said.out.splitlines()
    assert ["key", "a", "rose"] == [line.split()[0] for line in lines[:3]]
    assert len(lines) <= 12
    labels = [line.split()[0] for line in lines[5:]]
    assert ["run", "time", "ledger", "result", "next", "page"] == labels
    assert "speed-up" not in said.out
    urls = command("run", "roses.txt", "--target", "inline", "--chunks", "3", "--urls").out
    assert urls.count("roses.txt#bytes=") >= 2
    assert 0 == said.out.count("roses.txt#bytes=")


def test_a_new_folder_of_the_output_is_said(command: Command, roses: Path) -> None:
    """A folder that is made for --output is named."""
    first = command("run", "roses.txt", "--target", "inline", "--output", "new/o.csv")
    again = command("run", "roses.txt", "--target", "inline", "--output", "new/o.csv")
    assert "written   new/o.csv, in the new folder new" in first.out
    assert ("written   new/o.csv\n" in again.out, "new folder" in again.out) == (True, False)


def test_a_failed_run_prints_a_document(command: Command, home: Path) -> None:
    """With --json a failed run prints one document with its causes and the replay command."""
    job = _failing_job(home, "fails_in_json")
    (home / "in.txt").write_text("fine\nboom\n")
    said = command("run", "in.txt", "--target", "inline", "--job", str(job), "--fields", "run_id")
    error = said.document["error"]
    assert (1, 1, "UserCodeError") == (said.code, error["exit_code"], error["causes"][0]["kind"])
    assert 5 == error["causes"][0]["offset"]
    assert error["message"] in said.err
    assert f"replay {error['run']} map-" in error["replay"]


def test_an_unknown_field_is_refused_before_anything_runs(command: Command, roses: Path) -> None:
    """An unknown field exits with 2 and the known fields, before a store exists."""
    said = command("run", "roses.txt", "--target", "inline", "--fields", "top,nonsense")
    assert (2, False) == (said.code, Path(".mapreduce").exists())
    assert "--fields nonsense" in said.document["error"]["message"]
    assert "run_id, target, job" in said.err
    chosen = command("run", "roses.txt", "--target", "inline", "--fields", "records, job")
    assert {"records": 3, "job": "WordCount"} == chosen.document
