"""Measurements are stored, and summarised by their medians."""

from __future__ import annotations

from pathlib import Path

from bench.results import Results, summarise
from tests.unit.bench.records import record


def test_the_median_is_not_the_mean() -> None:
    """The summary has the median, so that one disturbed repeat does not count."""
    walls = [1.0, 100.0, 2.0]
    summary = summarise(
        [record("ours", wall, repeat=n, map_wall=wall / 2) for n, wall in enumerate(walls)]
    )
    assert summary is not None
    assert (2.0, 1.0, 100.0) == (summary.wall_s, summary.least_wall_s, summary.most_wall_s)
    assert {"map_wall": 1.0} == summary.figures
    assert 500.0 == summary.bytes_per_s


def test_one_wrong_answer_is_a_wrong_answer() -> None:
    """One wrong answer among the repeats makes the summary wrong."""
    wrong = record("ours", repeat=1, status="wrong", why="its digest differs")
    summary = summarise([record("ours"), wrong, record("ours", repeat=2)])
    assert summary is not None
    assert ("wrong", "its digest differs") == (summary.status, summary.why)


def test_nothing_measured_is_no_summary() -> None:
    """Without measurements there is no summary."""
    assert summarise([]) is None


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """A stored measurement is done; one that failed, or is of other code, is not."""
    path = tmp_path / "results.jsonl"
    first = Results(path)
    done, failed = record("ours"), record("spark", status="failed", why="no memory")
    first.add(done)
    first.add(failed)
    second = Results(path)
    assert second.done(done.key)
    assert not second.done(failed.key)
    assert not second.done(record("ours", repeat=1).key)
    assert not second.done(record("ours", code="other").key)


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    """An incomplete last line of the file is ignored, and does not corrupt the next one."""
    path = tmp_path / "results.jsonl"
    Results(path).add(record("ours"))
    with path.open("a") as file:
        file.write('{"case": "word-co')
    resumed = Results(path)
    assert [record("ours")] == list(resumed.records)
    resumed.add(record("mawk"))
    assert [record("ours"), record("mawk")] == list(Results(path).records)


def test_a_later_measurement_replaces_an_earlier_one(tmp_path: Path) -> None:
    """A later measurement with the same key replaces an earlier one, a failure too."""
    path = tmp_path / "results.jsonl"
    results = Results(path)
    results.add(record("spark", status="failed", why="no memory"))
    results.add(record("spark", 3.0))
    assert [record("spark", 3.0)] == list(Results(path).records)


def test_fresh_forgets_a_case_and_no_other(tmp_path: Path) -> None:
    """`forget` removes one case's measurements and no others."""
    path = tmp_path / "results.jsonl"
    results = Results(path)
    results.add(record("ours"))
    results.add(record("ours", case="shuffle"))
    results.forget(["word-count"])
    assert ["shuffle"] == [each.case for each in Results(path).records]
