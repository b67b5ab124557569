"""What forecasts go by, as an object for each job and target."""

from __future__ import annotations

from pathlib import Path

from driver.forecast.past import JobHistory
from driver.history.forecasts import add_run, history_url, read_history
from mapreduce.code import JobSource
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.forecast.test_past import _past

JOB = JobSource(root=Path("/jobs"), module="words", name="Words")


def test_a_job_has_a_history_for_each_target() -> None:
    """The folder of the code does not count: the same job in two checkouts is one."""
    store = "file:///store"
    url = history_url(store, JOB, "local")
    assert url == history_url(store, JobSource(Path("/other"), "words", "Words"), "local")
    others = (
        history_url(store, JOB, "aws"),
        history_url(store, JobSource(Path("/jobs"), "words", "Other"), "local"),
    )
    assert url not in others
    assert keys.is_own(url.removeprefix(f"{store}/"))


def test_runs_are_added_to_what_is_there(tmp_path: Path) -> None:
    """An empty, a damaged and a good history."""
    storage, url = open_storage(), f"file://{tmp_path}/history.json"
    assert JobHistory() == read_history(storage, url)
    add_run(storage, url, _past("a"))
    add_run(storage, url, _past("b"))
    assert ["a", "b"] == [run.run for run in read_history(storage, url).runs]
    storage.write(url, b'{"runs": [{"of": "another version"}]}')
    assert JobHistory() == read_history(storage, url)
