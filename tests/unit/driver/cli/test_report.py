"""`report`: the page of a run, its data, its trace, and two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver.cli.run import page_lines
from driver.history.run_store import RunStore
from mapreduce.storage.local import LocalStorage
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.report.page.made import report


@pytest.fixture
def run(command: Command, home: Path) -> str:
    """The id of a finished run."""
    (home / "in.txt").write_text("one two\nthree two\n")
    said = command("run", "--input", "in.txt", "--target", "inline", "--json")
    return str(said.document["run_id"])


def _page(home: Path, run: str) -> str:
    return (home / ".mapreduce" / "runs" / run / "report.html").read_text()


def test_a_run_writes_its_page(home: Path, run: str) -> None:
    """Beside its other records; the command is part of it."""
    page = _page(home, run)
    assert run in page
    assert "balances" in page


def test_a_failed_run_writes_its_page(command: Command, home: Path) -> None:
    """With the author's line."""
    (home / "in.txt").write_text("one\n")
    (home / "bad.py").write_text(
        "from mapreduce import Job\n\n\nclass Bad(Job):\n    def map(self, key, value):\n"
        "        raise ValueError('here')\n\n"
        "    def reduce(self, key, values):\n        yield 1, 1\n"
    )
    said = command("run", "--input", "in.txt", "--target", "inline", "--job", "bad.py")
    assert 0 != said.code
    (page,) = (home / ".mapreduce").glob("runs/*/report.html")
    assert "raise ValueError(&#39;here&#39;)" in page.read_text()
    assert f"page: {page}" == said.err.splitlines()[-1]


def test_the_place_of_the_page_is_printed_last(command: Command, home: Path) -> None:
    """A path on this machine; a browser opens it."""
    (home / "in.txt").write_text("one two\n")
    last = command("run", "in.txt", "--target", "inline").out.splitlines()[-1]
    assert last.startswith("page      /")
    assert Path(last.removeprefix("page      ")).is_file()


def test_a_page_in_s3_comes_with_a_command() -> None:
    """A browser cannot open the URL, so the command that gets the page is printed too."""
    runs = RunStore(LocalStorage(), "s3://bucket/store")
    first, second = page_lines(runs, report(run_id="run-1"))
    assert first == "page      s3://bucket/store/runs/run-1/report.html"
    assert "get it: python -m driver report run-1 --output report.html" == second.strip()


def test_the_page_is_made_again(command: Command, home: Path, run: str) -> None:
    """Its path is the answer, on standard output; it says what the run's own page says."""
    said = command("report", "--output", "again.html")
    assert (0, "again.html\n") == (said.code, said.out)
    again = (home / "again.html").read_text()
    assert _page(home, run).count("<tr>") == again.count("<tr>")


def test_without_output_it_is_written_here(command: Command, home: Path, run: str) -> None:
    """As report.html in the current folder."""
    assert "report.html\n" == command("report", run).out
    assert (home / "report.html").is_file()


def test_the_data_are_a_document(command: Command, home: Path, run: str) -> None:
    """On standard output; no page is written, unless one is asked for too."""
    document = command("report", "--json").document
    assert (run, "done", True) == (document["run"], document["state"], document["balanced"])
    assert not (home / "report.html").exists()
    assert {"state": "done"} == command("report", "--fields", "state").document
    said = command("report", "--fields", "run", "--output", "p.html")
    assert {"run": run} == said.document
    assert (home / "p.html").is_file()


def test_a_page_gives_its_data_back(command: Command, home: Path, run: str) -> None:
    """From the file alone, without the store."""
    (home / "p.html").write_text(_page(home, run))
    (home / ".mapreduce").rename(home / "gone")
    assert run == command("report", "p.html", "--json").document["run"]


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("x", "not the page"), (b"\xff", "not UTF-8")]
)
def test_a_file_that_is_no_page_is_refused(
    command: Command, home: Path, content: str | bytes | None, why: str
) -> None:
    """The cause and what to do, in a line."""
    if content is not None:
        (home / "p.html").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = command("report", "p.html", "--json")
    assert 0 != said.code
    assert why in said.err


def test_a_trace_is_written(command: Command, home: Path, run: str) -> None:
    """A JSON document with an event for each attempt."""
    said = command("report", run, "--trace", "t.json")
    assert (0, "") == (said.code, said.out)
    trace = json.loads((home / "t.json").read_text())
    assert run == trace["otherData"]["run"]
    assert {"M", "X"} <= {each["ph"] for each in trace["traceEvents"]}


def test_two_runs_are_compared(command: Command, home: Path, run: str) -> None:
    """One page for both, or one document."""
    (home / "in.txt").write_text("other words\n")
    other = command("run", "--input", "in.txt", "--target", "inline", "--json").document["run_id"]
    assert "comparison.html\n" == command("report", run, other).out
    page = (home / "comparison.html").read_text()
    assert run in page
    assert other in page
    document = command("report", run, other, "--json").document
    assert ["changed"] == [each["what"] for each in document["inputs"]]
    said = command("report", run, other, "--trace", "t.json")
    assert 2 == said.code
    assert "--trace" in said.err


def test_a_place_that_cannot_be_written_is_said(command: Command, home: Path, run: str) -> None:
    """With the system's reason."""
    said = command("report", run, "--output", "no/folder/p.html")
    assert 0 != said.code
    assert "no/folder/p.html cannot be written: No such file or directory" in said.err


def test_a_run_that_is_not_there_is_refused(command: Command, run: str) -> None:
    """As by every command."""
    assert "no run" in command("report", "nothing").err
