"""Verification of runs of the engine in this process, before and after their objects change."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from driver.history.run_store import RunStore, Success
from driver.history.verify import Verdict, in_key_order, verdict_on, verify_run
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.targets.prepare import prepare
from driver.targets.start import carry_out
from mapreduce.code import find_job
from mapreduce.errors import DataError, InputChanged, InputError
from mapreduce.storage import open_storage
from tests.unit.driver.samples import run_plan

STORE = "file:///store"


def _verified(folder: Path, job: str, text: str, **options: object) -> Verdict:
    """Run a job over a text, and verify the run's result."""
    (folder / "in.txt").write_text(text)
    config = RunConfig(inputs=(str(folder / "in.txt"),), job=job, **options)  # type: ignore[arg-type]
    prepared = prepare(config, "inline", str(folder / "store"))
    report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, time.monotonic()))
    return _verified_again(prepared.runs, report.run_id, job)


def _verified_again(
    runs: RunStore, run: str, job: str, watch: Callable[[str, int], None] | None = None
) -> Verdict:
    success = runs.success(run)
    assert success is not None
    _, cls = find_job(job, "mapreduce_jobs")
    return verify_run(runs.plan(run), cls(), runs, success, watch)


@pytest.mark.parametrize(
    ("job", "text", "pairs"),
    [
        ("word_count", "one two\nthree two\n", 3),
        ("distinct", "b\na\nb\n", 2),
        ("sort", "b\na\nb\n", 3),
        ("page_rank", "1\t2\n2\t3\n3\t1\n", 3),
    ],
)
def test_a_run_of_the_engine_is_a_plain_count(
    tmp_path: Path, job: str, text: str, pairs: int
) -> None:
    """A run's result equals the reference run's: with a reduce, without one, and of a chain."""
    verdict = _verified(tmp_path, job, text)
    assert (True, 0, 0, ()) == (verdict.equal, verdict.missing, verdict.extra, verdict.examples)
    assert pairs == verdict.pairs


def test_records_that_were_set_aside_are_left_out(tmp_path: Path) -> None:
    """Records that the run set aside are left out of the reference run."""
    path = tmp_path / "set_aside_job.py"
    path.write_text(
        "from mapreduce import Job, Sum\n\n\nclass Digits(Job):\n    reduce = Sum()\n\n"
        "    def map(self, offset, line):\n        yield int(line), 1\n"
    )
    verdict = _verified(tmp_path, str(path), "1\nx\n1\ny\n2\n", skip_bad_records=2)
    assert (True, 2) == (verdict.equal, verdict.pairs)


def test_an_input_that_has_changed_since_cannot_be_counted(tmp_path: Path) -> None:
    """If an input has changed, verification raises."""
    _verified(tmp_path, "word_count", "one\n")
    (tmp_path / "in.txt").write_text("two two\n")
    runs = RunStore(open_storage(), f"file://{tmp_path}/store")
    with pytest.raises(InputChanged):
        _verified_again(runs, runs.resolve(None), "word_count")


def _judged(
    folder: Path,
    parts: Sequence[Sequence[tuple[object, object]]],
    expected: list[tuple[object, object]],
) -> Verdict:
    """Return the verdict on parts that the test has written."""
    storage, rows = open_storage(), []
    for number, pairs in enumerate(parts):
        lines = "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in pairs)
        info = storage.write(f"file://{folder}/part-{number}", lines.encode())
        rows.append((info.url, info.size, info.etag))
    success = Success(run="run-1", parts=tuple(rows), records=0)
    runs = RunStore(storage, f"file://{folder}/store")
    return verdict_on(run_plan(), runs, success, expected, "plain")


def test_pairs_of_one_side_alone_are_counted_and_shown(tmp_path: Path) -> None:
    """Pairs of one side alone are counted and shown, also repeated ones."""
    verdict = _judged(tmp_path, [[("a", 1)], [("b", 2)]], [("a", 1), ("a", 1), ("b", 3)])
    assert (False, 2, 1, 2) == (verdict.equal, verdict.missing, verdict.extra, verdict.pairs)
    shown = {(each.side, each.key, each.value) for each in verdict.examples}
    assert {("plain", "a", 1), ("plain", "b", 3), ("run", "b", 2)} == shown


def test_of_many_differences_five_a_side_are_shown(tmp_path: Path) -> None:
    """Of many differences five a side are shown, and all are counted."""
    expected: list[tuple[object, object]] = [(number, 0) for number in range(9)]
    verdict = _judged(tmp_path, [[(number, 1) for number in range(7)]], expected)
    assert (9, 7, 10) == (verdict.missing, verdict.extra, len(verdict.examples))


def test_types_are_compared_too(tmp_path: Path) -> None:
    """Values of different types differ: 1 is neither 1.0 nor True."""
    assert not _judged(tmp_path, [[("a", 1)]], [("a", 1.0)]).equal
    assert not _judged(tmp_path, [[("a", 1)]], [("a", True)]).equal


def test_one_part_out_of_order_is_an_error(tmp_path: Path) -> None:
    """A single part out of order is refused; several parts have no order among them."""
    pairs: list[tuple[object, object]] = [("b", 1), ("a", 1)]
    with pytest.raises(InputError, match="not in key order"):
        _judged(tmp_path, [pairs], pairs)
    assert _judged(tmp_path, [pairs[:1], pairs[1:]], pairs).equal


def test_keys_ascend_as_the_engine_orders_them() -> None:
    """Keys ascend in the engine's order, and equal keys may repeat."""
    assert in_key_order([])
    assert in_key_order([(1, "x"), (1, "a"), (2, "b")])
    assert not in_key_order([(2, "x"), (1, "a")])


def test_each_step_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records read, keys reduced and pairs compared are told with their numbers, in this order."""
    monkeypatch.setattr("mapreduce.check.reference.WATCH_EVERY", 2)
    monkeypatch.setattr("driver.history.verify.WATCH_EVERY", 2)
    _verified(tmp_path, "word_count", "a\nb\na\nc\nd\n")
    told: list[tuple[str, int]] = []
    runs = RunStore(open_storage(), f"file://{tmp_path}/store")
    _verified_again(runs, runs.resolve(None), "word_count", lambda *each: told.append(each))
    assert [
        ("record read", 2),
        ("record read", 4),
        ("key reduced", 2),
        ("key reduced", 4),
        ("pair compared", 2),
        ("pair compared", 4),
    ] == told


ORDERED = """
from mapreduce import Job


class Lines(Job):
    keep_order = True

    def map(self, offset, line):
        yield line, 1

    def reduce(self, key, values):
        for number, _ in enumerate(values):
            yield -number, key
"""


@pytest.mark.parametrize("sort", [True, False])
def test_the_order_of_emission_is_verified(tmp_path: Path, sort: bool) -> None:
    """Each part is in the order of the plain loop; a part that was turned round is an error."""
    path = tmp_path / "ordered_job.py"
    path.write_text(ORDERED)
    assert _verified(tmp_path, str(path), "b\na\nb\nc\nb\n", sort=sort).equal
    runs = RunStore(open_storage(), f"file://{tmp_path}/store")
    run = runs.resolve(None)
    success = runs.success(run)
    assert success is not None
    assert success.keep_order
    url, etag, lines = max(
        ((url, etag, runs.storage.read(url).splitlines()) for url, _, etag in success.parts),
        key=lambda part: len(part[2]),
    )
    runs.storage.write(url, b"\n".join(lines[::-1]) + b"\n")
    info = runs.storage.head(url)
    turned = success.model_copy(
        update={
            "parts": tuple(
                (each, info.size, info.etag) if each == url else (each, size, tag)
                for each, size, tag in success.parts
            )
        }
    )
    assert etag != info.etag
    _, cls = find_job(str(path), "mapreduce_jobs")
    with pytest.raises(DataError, match="in another order than `reduce` or `map` yields them"):
        verify_run(runs.plan(run), cls(), runs, turned)
