"""`plan`, `run --plan`, `--ask` and `--max-usd`, in this process."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driver.cli import plan as plan_command
from driver.cli.options import PriceOptions
from driver.cli.plan import command_line, may_begin
from driver.forecast.document import Forecast, Money
from driver.forecast.limit import check_limit
from driver.forecast.receipt import Range
from driver.forecast.sampling import sample
from driver.forecast.sampling.task import measured
from driver.plan.config import RunConfig
from driver.targets import written_plan
from driver.targets.prepare import Prepared, prepare
from mapreduce.errors import PriceRefused, UsageError
from tests.unit.driver.cli.conftest import Command

HERE = ("--target", "inline")
JOB = """
from mapreduce import Job, Sum


class Counts(Job):
    reduce = Sum()

    def map(self, offset, line):
        {body}
"""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample runs here, so that no test starts a process."""
    monkeypatch.setattr(sample, "_asked", measured)


@pytest.fixture
def text(home: Path) -> Path:
    """A text of some hundred lines."""
    path = home / "in.txt"
    path.write_text("".join(f"word{number % 50} and more\n" for number in range(500)))
    return path


def _job(home: Path, name: str, body: str = "yield line.split()[0], 1") -> str:
    path = home / f"{name}.py"
    path.write_text(JOB.format(body=body))
    return str(path)


def test_a_plan_says_what_a_run_will_do(command: Command, text: Path) -> None:
    """Answer on standard output: stages, time, what it goes by, and the command that goes on."""
    said = command("plan", "--input", str(text), *HERE)
    assert 0 == said.code
    for words in (
        "WordCount over 1 file",
        "0 of 2 maps",
        "stage",
        "from the command",
        "run --plan",
    ):
        assert words in said.out
    (run,) = [path.name for path in Path(".mapreduce/runs").iterdir()]
    names = {path.name for path in Path(f".mapreduce/runs/{run}").iterdir()}
    assert {"plan.json", "planned.json", "forecast.json"} == names
    assert not Path(".mapreduce/reduce").exists()


def test_the_document_of_a_plan(command: Command, text: Path) -> None:
    """`--json` prints what forecast.json holds."""
    document = command("plan", "--input", str(text), "--json", *HERE).document
    kept = Path(f".mapreduce/runs/{document['run']}/forecast.json").read_text()
    assert json.loads(kept) == document
    assert "sample" == document["basis"]
    assert [2.0, 2.0] == [
        line["expected"]["low"] for line in document["lines"] if line["unit"] == "tasks"
    ]


def test_a_plan_is_carried_out_under_its_id(command: Command, text: Path) -> None:
    """The run has the plan's id, its command and its ranges; a second time it gets a new id."""
    planned = command("plan", "--input", str(text), "--json", "--reducers", "3", *HERE).document
    run = command("run", "--plan", planned["run"], "--json").document
    assert planned["run"] == run["run_id"]
    assert 3 == sum(row["stage"] == "reduce" for row in run["tasks"])
    (time,) = [line for line in run["receipt"]["lines"] if line["name"] == "end_to_end"]
    assert time["expected"] is not None
    assert (
        json.loads(Path(f".mapreduce/runs/{run['run_id']}/receipt.json").read_text())
        == (run["receipt"])
    )
    again = command("run", "--plan", planned["run"], "--json")
    assert planned["run"] != again.document["run_id"]
    assert "has been carried out" in again.err
    assert run["tasks"][1]["bytes_in"] == again.document["tasks"][1]["bytes_in"]


def test_a_plan_is_refused_when_an_input_has_changed(command: Command, text: Path) -> None:
    """The message names the input; nothing is started."""
    planned = command("plan", "--input", str(text), "--json", *HERE).document
    text.write_text("other\n")
    said = command("run", "--plan", planned["run"])
    assert 2 == said.code
    assert "in.txt has changed" in said.err
    assert not Path(".mapreduce/reduce").exists()


def test_a_plan_is_refused_when_the_code_has_changed(
    command: Command, home: Path, text: Path
) -> None:
    """The message names the job."""
    job = _job(home, "counts_of_plan")
    planned = command("plan", "--input", str(text), "--job", job, "--json", *HERE).document
    Path(job).write_text(JOB.format(body="yield line, 1"))
    said = command("run", "--plan", planned["run"])
    assert 2 == said.code
    assert "the code of Counts" in said.err


def test_a_plan_is_planned_until_it_is_carried_out(command: Command, text: Path) -> None:
    """`runs` and `status` say so; the last run is the one that was carried out."""
    run = command("run", str(text), "--json", *HERE).document["run_id"]
    planned = command("plan", str(text), "--json", *HERE).document["run"]
    states = {each["run_id"]: each["state"] for each in command("runs", "--json").document["runs"]}
    assert {run: "done", planned: "planned"} == states
    assert "planned" in command("status", planned).out
    assert run in command("status").out
    command("run", "--plan", planned)
    assert planned in command("status").out


def test_only_plans_are_the_last_run_too(command: Command, text: Path) -> None:
    """Without any run the last plan is meant."""
    planned = command("plan", str(text), "--json", *HERE).document["run"]
    assert planned in command("status").out


def test_a_run_is_no_plan(command: Command, text: Path) -> None:
    """`--plan` with the id of a run, with an input beside it, or an unknown id."""
    run = command("run", "--input", str(text), "--json", *HERE).document["run_id"]
    assert "is a run and not a plan" in command("run", "--plan", run).err
    assert 2 == command("run", "--plan", run, "--input", str(text)).code
    assert 2 == command("run", "--plan", "no-such-plan").code
    assert 2 == command("plan", "--input", str(text), "--ask").code


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--output", "o.csv"), "--output"),
        (("--reducers", "8"), "--reducers"),
        (("--job", "grep"), "--job"),
        (("--target", "inline"), "--target"),
        (("--fresh",), "--fresh"),
        (("--top", "3"), "--top"),
    ],
)
def test_a_plan_is_carried_out_as_it_is(
    command: Command, text: Path, options: tuple[str, ...], named: str
) -> None:
    """An option that the plan would not obey is refused by its name; how to print is free."""
    planned = command("plan", str(text), "--target", "inline", "--json").document["run"]
    said = command("run", "--plan", planned, *options)
    assert (2, True) == (said.code, f"{named}: --plan carries out the plan as it is" in said.err)
    assert 0 == command("run", "--plan", planned, "--fields", "records").code


def test_two_drivers_do_not_carry_out_one_plan(
    command: Command, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that looked at the plan before another one began is refused, and writes nothing."""
    planned = command("plan", str(text), "--target", "inline", "--json").document["run"]
    folder = Path(".mapreduce/runs", planned)
    before = sorted(folder.iterdir())
    packed = written_plan.packed_code

    def begun_meanwhile(prepared: Any) -> Any:
        (folder / "begun").write_bytes(b"")
        return packed(prepared)

    monkeypatch.setattr(written_plan, "packed_code", begun_meanwhile)
    said = command("run", "--plan", planned)
    assert (2, True) == (said.code, "another driver has just begun" in said.err)
    assert sorted([*before, folder / "begun"]) == sorted(folder.iterdir())


def test_a_plan_says_what_is_reused_and_why_the_rest_is_not(command: Command, text: Path) -> None:
    """The same run reuses all; another number of reducers nothing, and says so."""
    command("run", "--input", str(text), *HERE)
    same = command("plan", "--input", str(text), "--json", *HERE).document["reuse"]
    assert (2, 2, 2) == (same["maps"], same["maps_reused"], same["reduces_reused"])
    said = command("plan", "--input", str(text), "--reducers", "5", *HERE)
    assert "0 of 2 maps; new: 2 (partitions: --reducers 5, and 2 before)" in said.out
    assert "compared with run-" in said.out


def test_code_that_raises_does_not_stop_the_plan(command: Command, home: Path, text: Path) -> None:
    """The author's traceback is in the plan, and the exit code is 0."""
    job = _job(home, "raises_in_plan", "raise ValueError('not today')")
    said = command("plan", "--input", str(text), "--job", job, *HERE)
    assert 0 == said.code
    assert "not today" in said.out
    assert "raises_in_plan.py" in said.out
    assert "run --plan" in said.out


def test_a_chain_is_forecast_from_its_earlier_runs(command: Command, home: Path) -> None:
    """Its steps are not sampled; the time is that of the last run."""
    graph = home / "graph.txt"
    graph.write_text("1\t2\n2\t3\n3\t1\n")
    asked = ("--input", str(graph), "--job", "page_rank", *HERE)
    assert "its tasks are not forecast" in command("plan", *asked).out
    run = command("run", *asked, "--json").document
    assert len(run["steps"]) > 1
    assert run["receipt"]["lines"][0]["actual"] > 0
    assert "from the command to the result" in command("plan", *asked).out


def test_a_plain_run_is_forecast_from_earlier_runs(command: Command, home: Path) -> None:
    """Without a plan and a sample: the second run, over other input, has a range for its time."""
    for name, words in (("one.txt", "a b\n"), ("two.txt", "c d\n")):
        (home / name).write_text(words * 300)
    first, second = (
        command("run", "--input", str(home / name), "--json", *HERE).document["receipt"]
        for name in ("one.txt", "two.txt")
    )
    assert [None, True] == [each["lines"][0]["expected"] and True for each in (first, second)]


def test_a_failed_run_has_a_receipt(command: Command, home: Path, text: Path) -> None:
    """It says what came until then."""
    job = _job(home, "fails_with_receipt", "raise ValueError('no')")
    assert 1 == command("run", "--input", str(text), "--job", job, *HERE).code
    (receipt,) = Path(".mapreduce/runs").glob("*/receipt.json")
    lines = {each["name"]: each for each in json.loads(receipt.read_text())["lines"]}
    assert lines["end_to_end"]["actual"] > 0
    assert 0 == lines["map_tasks"]["actual"]


def test_a_receipt_is_shown_beside_its_forecast(command: Command, text: Path) -> None:
    """As a table and as a document; a plan has none yet."""
    planned = command("plan", str(text), "--json", *HERE).document["run"]
    assert "has no receipt" in command("receipt", planned).err
    command("run", "--plan", planned)
    said = command("receipt")
    assert planned == said.out.splitlines()[0]
    assert "end to end" in said.out
    assert planned == command("receipt", "--fields", "run").document["run"]


def test_a_run_here_has_no_price_to_limit(command: Command, text: Path) -> None:
    """`--max-usd` is refused on this machine, and so is a sum that is none."""
    said = command("run", "--input", str(text), "--max-usd", "1", *HERE)
    assert 2 == said.code
    assert "no price" in said.err
    assert 2 == command("run", "--input", str(text), "--max-usd", "-1", *HERE).code


def test_to_ask_needs_a_terminal(command: Command, text: Path) -> None:
    """`run --ask` without one is refused, with the command to use."""
    said = command("run", "--input", str(text), "--ask", *HERE)
    assert 2 == said.code
    assert "python -m driver plan" in said.err


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_ask_shows_the_plan_and_waits(
    command: Command, text: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    """The run begins after a yes alone."""
    answers = io.StringIO(typed)
    terminal = SimpleNamespace(isatty=lambda: True, readline=answers.readline)
    monkeypatch.setattr("sys.stdin", terminal)
    said = command("run", "--input", str(text), "--ask", *HERE)
    assert code == said.code
    assert "go? [y/N]" in said.err
    assert "a task takes" in said.err
    assert Path(".mapreduce/reduce").exists() == (code == 0)


def _prepared(text: Path, low: float, high: float) -> Prepared:
    money = Money(
        tasks=Range(low=low, high=high),
        requests=Range(low=0, high=0),
        together=Range(low=low, high=high),
        standing_usd_hour=1.0,
        not_priced=(),
    )
    forecast = Forecast(
        job="J", target="aws", place="", inputs=1, size_bytes=1, cut="", partitions=1, money=money
    )
    return replace(prepare(RunConfig(inputs=(str(text),)), "inline", None), forecast=forecast)


def _limited(prepared: Prepared, usd: float) -> Prepared:
    return replace(prepared, config=replace(prepared.config, max_usd=usd))


def test_the_limit_is_held_against_the_range(
    home: Path, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Low end above: refused. High end above: asked on a terminal, else begun. Below: begun."""
    monkeypatch.setattr(plan_command, "answers_yes", lambda _: False)
    prepared = _prepared(text, 0.10, 0.30)
    with pytest.raises(PriceRefused, match="at least \\$0.1000"):
        may_begin(_limited(prepared, 0.05), PriceOptions(), asks=True)
    assert not may_begin(_limited(prepared, 0.20), PriceOptions(), asks=True)
    assert "it then pauses" in capsys.readouterr().err
    assert may_begin(_limited(prepared, 0.20), PriceOptions(), asks=False)
    assert may_begin(_limited(prepared, 0.40), PriceOptions(), asks=True)
    unknown = replace(_limited(prepared, 0.40), forecast=None)
    assert may_begin(unknown, PriceOptions(), asks=True)
    assert "not known before" in capsys.readouterr().err
    with pytest.raises(UsageError, match="not a terminal"):
        may_begin(prepared, PriceOptions(ask=True), asks=False)
    check_limit(Range(low=1.0, high=2.0), 1.0)


def test_the_command_is_kept_as_it_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its quotes; of another program, nothing."""
    monkeypatch.setattr("sys.argv", ["/x/driver/__main__.py", "run", "--input", "a b.txt"])
    assert "python -m driver run --input 'a b.txt'" == command_line()
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert "" == command_line()
