"""Commands that get the id of a run that another driver has gone on with."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from driver.forecast.sampling import sample
from driver.forecast.sampling.task import measured
from driver.history.run_store import RunStore
from driver.plan.events import RunStarted, encoded
from driver.web.store import KeptRuns
from mapreduce.errors import InputError
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.cli.conftest import Command

TEXT = "one two\nthree two\n"


@pytest.fixture
def kept(home: Path) -> RunStore:
    """The store in the current folder."""
    return RunStore(open_storage(), f"file://{home}/.mapreduce")


@pytest.fixture
def lost(command: Command, home: Path, kept: RunStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a planned run whose first driver was lost."""
    monkeypatch.setattr(sample, "_asked", measured)
    (home / "in.txt").write_text(TEXT)
    run = str(command("plan", "in.txt", "--target", "inline", "--json").document["run"])
    kept.write(run, keys.BEGUN, b"")
    begun = home / ".mapreduce" / "runs" / run / keys.BEGUN
    os.utime(begun, (time.time() - 60,) * 2)
    started = RunStarted(at=1.0, run=run, job="Old", target="local", inputs=1, size_bytes=1)
    kept.storage.write(keys.segment(kept.store, run, 0), encoded([started]))
    assert "lost" == kept.state(run)
    return run


@pytest.fixture
def gone_on(command: Command, lost: str) -> str:
    """The id of a run that a second driver has carried out."""
    said = command("run", "--plan", lost, "--json")
    assert f"{lost}-epoch-2" == said.document["run_id"]
    return lost


@pytest.mark.parametrize("name", ["status", "result", "receipt", "verify"])
def test_a_command_reads_the_newest_epoch(command: Command, gone_on: str, name: str) -> None:
    """The id that was printed means the run; `-epoch-1` means its first driver."""
    said = command(name, gone_on, "--json")
    assert 0 == said.code, said.err
    found = said.document.get("run_id") or said.document["run"]
    assert f"{gone_on}-epoch-2" == found
    first = command(name, f"{gone_on}-epoch-1", "--json")
    assert f"{gone_on}-epoch-2" not in first.out


def test_runs_lists_a_run_once(command: Command, gone_on: str) -> None:
    """In the state of its newest epoch."""
    (line,) = command("runs", "--json").document["runs"]
    assert (f"{gone_on}-epoch-2", "done") == (line["run_id"], line["state"])


def test_report_and_attach_show_the_newest_epoch(
    command: Command, home: Path, gone_on: str
) -> None:
    """The page is that of the driver that committed, and so is the end."""
    assert 0 == command("report", gone_on, "--output", "page.html").code
    page = (home / "page.html").read_text()
    assert f"{gone_on}-epoch-2" in page
    watched = command("attach", gone_on)
    assert 0 == watched.code
    assert f"{gone_on}-epoch-2 is done" in watched.out + watched.err


def test_logs_are_those_of_the_newest_epoch(command: Command, kept: RunStore, gone_on: str) -> None:
    """Lines of the driver that was lost are not shown."""
    for name in (gone_on, f"{gone_on}-epoch-2"):
        line = json.dumps({"event": "task", "run": name, "timestamp": "2026"})
        kept.write(name, "services.log", line.encode())
    (line,) = command("logs", gone_on).out.splitlines()
    assert f"{gone_on}-epoch-2" == json.loads(line)["run"]


def _title(page: str) -> str:
    return page.partition("<title>")[2].partition("</title>")[0]


def test_the_pages_show_the_newest_epoch(kept: RunStore, gone_on: str) -> None:
    """A bookmark of a run shows how it went on; only its newest driver can be asked to end."""
    pages = KeptRuns(kept)
    second = f"{gone_on}-epoch-2"
    assert [second] == [row.run for row in pages.rows()]
    assert second in _title(pages.page(gone_on, "token"))
    assert second not in _title(pages.page(f"{gone_on}-epoch-1", "token"))
    with pytest.raises(InputError, match="epoch-2 is done, so there is nothing to cancel"):
        pages.cancel(gone_on)


@pytest.mark.parametrize("yes", [True, False])
def test_attach_of_a_lost_run_goes_on_if_the_user_wants(
    command: Command, kept: RunStore, lost: str, yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A yes carries the run out here, as its next epoch; a no changes nothing."""
    asked: list[str] = []

    def answers(question: str) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr("driver.cli.attach.can_answer", lambda: True)
    monkeypatch.setattr("driver.cli.attach.answers_yes", answers)
    said = command("attach", lost)
    assert ["go on with it here? [y/N] "] == asked
    assert (0 if yes else 1) == said.code
    assert (f"{lost}-epoch-2" if yes else lost) == kept.resolve(lost)
    if yes:
        assert "two" in said.out
        assert "done" == kept.state(kept.resolve(lost))
