"""`runs`, `status` and `clean`, over a prepared store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mapreduce.storage import ObjectInfo
from mapreduce.storage.local import LocalStorage
from tests.unit.driver.cli.conftest import Command

TEXT = "one two\nthree two\n"


@pytest.fixture
def run(command: Command, home: Path) -> str:
    """The id of a finished run."""
    (home / "in.txt").write_text(TEXT)
    said = command("run", "--input", "in.txt", "--target", "inline", "--json")
    return str(said.document["run_id"])


def _files(home: Path) -> set[str]:
    """Return the names of a store's files; what forecasts go by belongs to no run, and stays."""
    found = (path for path in (home / ".mapreduce").rglob("*") if path.is_file())
    return {path.name for path in found if path.parent.name != "forecasts"}


def _index(home: Path) -> list[Path]:
    return [path for path in (home / ".mapreduce" / "index").rglob("*") if path.is_file()]


def test_an_empty_store_has_no_runs(command: Command) -> None:
    """An empty store gives a message, or an empty list in JSON."""
    assert (0, True) == ((said := command("runs")).code, "no run" in said.err)
    assert [] == command("runs", "--json").document["runs"]


def test_a_run_is_listed_with_its_state(command: Command, run: str) -> None:
    """A run is listed with its state, job, target and input, in a table and in JSON."""
    (line,) = command("runs", "--json").document["runs"]
    assert (run, "done", "inline", "WordCount", 1, len(TEXT)) == tuple(
        line[name] for name in ("run_id", "state", "target", "job", "inputs", "size_bytes")
    )
    table = command("runs").out
    assert all(text in table for text in (run, "done", "WordCount", f"{len(TEXT)} B", "inline"))


def test_unreadable_runs_are_listed(command: Command, home: Path, run: str) -> None:
    """A plan of another version, and a foreign folder, are listed as unreadable."""
    folder = home / ".mapreduce" / "runs"
    for name, content in (("run-20200101-000000-old-one", "{}"), ("my notes", "{}")):
        (folder / name).mkdir()
        (folder / name / "plan.json").write_text(content)
    lines = {line["run_id"]: line for line in command("runs", "--json").document["runs"]}
    assert {"done", "unreadable"} == {line["state"] for line in lines.values()}
    assert "another program" in lines["my notes"]["why"]
    assert "unreadable: my notes" in command("runs").err


def test_the_state_of_a_run_that_is_done(command: Command, run: str) -> None:
    """`status` shows the last run's tasks and result URLs."""
    document = command("status", "--json").document
    assert (run, "done", "") == tuple(document[name] for name in ("run_id", "state", "failure"))
    assert document["splits"] == document["maps_done"]
    assert document["partitions"] == document["reduces_done"] == len(document["result_urls"])
    said = command("status", run.rpartition("-")[2]).out
    assert f"maps     {document['splits']} of {document['splits']} done" in said
    assert all(url in said for url in document["result_urls"])


def test_the_state_of_a_run_that_was_killed(command: Command, home: Path, run: str) -> None:
    """A run of an older version that was killed, without events, is lost, and its status counts
    the finished tasks in the store.
    """
    for path in [*(home / ".mapreduce").rglob("_SUCCESS"), *_index(home)]:
        path.unlink()
    records = home / ".mapreduce" / "runs" / run
    (records / "results.json").unlink()
    (records / "events.jsonl").unlink()
    plan = records / "plan.json"
    plan.write_text(re.sub(r'"created":[0-9.]+', '"created":1700000000.0', plan.read_text()))
    document = command("status", "--json").document
    assert ("lost", document["splits"], 0) == tuple(
        document[name] for name in ("state", "maps_done", "reduces_done")
    )
    assert "lost" in command("runs").out
    assert "\ngo on: " in command("status").out


def test_the_state_of_a_run_that_failed(command: Command, home: Path) -> None:
    """The status of a failed run shows the cause."""
    (home / "never.py").write_text(
        "from mapreduce import Job\n\n\nclass Never(Job):\n"
        "    def map(self, offset, line):\n        raise ValueError('not today')\n"
    )
    (home / "in.txt").write_text(TEXT)
    assert 1 == command("run", "--input", "in.txt", "--target", "inline", "--job", "never.py").code
    document = command("status", "--json").document
    assert ("failed", True) == (document["state"], "not today" in document["failure"])
    assert "not today" in command("status").out


def test_status_of_a_run_that_is_not_there(command: Command) -> None:
    """`status` without a run exits with code 2."""
    assert 2 == command("status").code


def test_the_steps_of_a_chain_are_runs_below_it(command: Command, home: Path) -> None:
    """`status` of a chain lists each step with its state."""
    (home / "in.txt").write_text("1\t2\n2\t3\n3\t1\n")
    options = ["--input", "in.txt", "--target", "inline", "--job", "page_rank", "--json"]
    ran = command("run", *options)
    assert 0 == ran.code
    document = command("status", "--json", ran.document["run_id"]).document
    assert len(document["steps"]) > 1
    assert all(step.endswith(": done") for step in document["steps"])
    said = command("status", ran.document["run_id"]).out
    assert document["steps"][0] in said
    assert "maps" not in said


def test_clean_lists_objects_before_it_deletes(command: Command, home: Path, run: str) -> None:
    """`clean` deletes nothing without --yes, and then no result."""
    before = _files(home)
    assert "would delete" in command("clean", run).err
    assert before == _files(home)
    assert 0 == command("clean", run, "--yes").code
    gone = before - _files(home)
    assert gone
    assert {name.partition("-")[0] for name in gone} == {"map", "outputs"}
    assert "done" == command("status", "--json").document["state"]


def test_clean_deletes_results_and_records_on_request(
    command: Command, home: Path, run: str
) -> None:
    """`clean --all-runs --results` deletes all runs, and `--everything` finished tasks too."""
    assert 0 == command("clean", "--all-runs", "--results", "--yes").code
    assert [] == command("runs", "--json").document["runs"]
    assert _files(home)
    assert 0 == command("clean", "--everything", "--yes").code
    assert set() == _files(home)


def test_an_old_run_stays_whole_until_its_result_is_asked_for(
    command: Command, home: Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`clean --older-than` shows each folder with --dry-run, and leaves of an old run what `audit`
    and `verify` need; with --results the run goes.
    """
    in_a_while = SimpleNamespace(time=lambda: time.time() + 40 * 86_400)
    monkeypatch.setattr("driver.cli.records.time", in_a_while)
    before = _files(home)
    said = command("clean", "--older-than", "30d", "--dry-run", "--yes")
    assert (0, before) == (said.code, _files(home))
    assert re.search(r"maps/ +\d+ objects?, ", said.err)
    assert re.search(r"tasks/ +\d+ objects?, ", said.err)
    assert "would delete" in said.err
    assert 0 == command("clean", "--older-than", "30d", "--yes").code
    assert _files(home) < before
    for check in ("audit", "verify", "status"):
        assert 0 == command(check, run).code
    assert 0 == command("clean", "--older-than", "30d", "--results", "--yes").code
    assert set() == _files(home)


@pytest.mark.parametrize(
    "options",
    [
        ("--older-than", "30"),
        ("--older-than", "23h"),
        ("--older-than", "30d", "--all-runs"),
        ("--older-than", "30d", "some-run"),
    ],
)
def test_an_age_is_for_the_whole_store_and_at_least_a_day(
    command: Command, options: tuple[str, ...]
) -> None:
    """An age without a unit, of less than a day, or beside named runs is refused."""
    said = command("clean", *options)
    assert (2, True) == (said.code, "--older-than" in said.err)


def test_clean_lists_the_runs_once_for_all_names(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may be an id, or how one begins or ends; more names take no more lists of all runs."""
    folder = home / ".mapreduce" / "runs"
    for noun in ("ant", "bee", "fox", "owl", "yak"):
        path = folder / f"run-20261126-100000-calm-{noun}" / "plan.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}")
    listed: list[str] = []
    plain = LocalStorage.list

    def counted(storage: LocalStorage, url: str) -> Iterator[ObjectInfo]:
        listed.append(url)
        return plain(storage, url)

    monkeypatch.setattr(LocalStorage, "list", counted)
    lists = []
    for names in (["ant"], ["ant", "calm-bee", "run-20261126-100000-calm-fox", "owl"]):
        listed.clear()
        said = command("clean", *names, "--results")
        assert (0, True) == (said.code, f"would delete {len(names)} object" in said.err)
        lists.append(listed.count(folder.as_uri()))
    assert lists[0] == lists[1]
    assert 2 == command("clean", "ant", "gnu").code


def test_clean_needs_a_target(command: Command) -> None:
    """`clean` without a target exits with code 2."""
    assert 2 == command("clean").code


def test_clean_leaves_a_name_alone_that_no_url_can_hold(
    command: Command, home: Path, run: str
) -> None:
    """A name that no URL can hold is kept, and shown with visible escapes."""
    (home / ".mapreduce" / "maps" / "0" / run / "od\x1bd").write_bytes(b"x")
    said = command("clean", run, "--yes")
    assert (0, True) == (said.code, "od\\x1bd" in said.err)
    assert "od\x1bd" in _files(home)
