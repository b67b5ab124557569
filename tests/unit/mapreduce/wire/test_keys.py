"""The layout of the store is pinned, because docs, lifecycle rules and task roles depend on it."""

from __future__ import annotations

import pytest

from mapreduce.wire import keys


@pytest.mark.parametrize("store", ["s3://bucket/a", "s3://bucket/a/"])
def test_layout(store: str) -> None:
    """Every object has its pinned key, with and without a slash at the end of the store's URL."""
    expected = [
        "input/ab12/book.txt",
        "chunks/run-1",
        "chunks/run-1/chunk-0.txt",
        "chunks/run-1/boundaries-ab",
        "maps/0/run-1",
        "maps/f/run-1",
        "maps/7/run-1/map-00007.attempt-0",
        "maps/1/run-1/map-00017.attempt-0",
        "maps/0/run-1/outputs-ab.jsonl",
        "reduce/run-1",
        "reduce/run-1/part-00003.attempt-1.jsonl",
        "reduce/run-1/part-00003.jsonl",
        "reduce/run-1/result.json",
        "reduce/run-1/_SUCCESS",
        "runs",
        "runs/run-1/plan.json",
        "runs/run-1/events/00012.jsonl",
        "runs/run-1/lease.json",
        "runs/run-1/cancel",
        "index",
        "index/run-1",
        "index/run-1/WzFd",
        "jobs/ab12/code.zip",
        "packages/sets/ab12.json",
        "packages/wheels/ab12.whl",
        "packages/locks/ab12.json",
        "tasks/ab12.json",
        "forecasts/ab12.json",
    ]
    assert [f"s3://bucket/a/{name}" for name in expected] == [
        keys.uploaded_input(store, "ab12", "book.txt"),
        keys.chunks(store, "run-1"),
        keys.chunk(store, "run-1", 0),
        keys.boundaries(store, "run-1", "ab"),
        keys.maps(store, "run-1")[0],
        keys.maps(store, "run-1")[15],
        keys.map_attempt(store, "run-1", 7, "0"),
        keys.map_attempt(store, "run-1", 17, "0"),
        keys.map_outputs(store, "run-1", "ab"),
        keys.results(store, "run-1"),
        keys.part_attempt(store, "run-1", 3, "1", "jsonl"),
        keys.result(store, "run-1", 3, whole=False),
        keys.result(store, "run-1", 0, whole=True),
        keys.success(store, "run-1"),
        keys.runs(store),
        keys.run_file(store, "run-1", "plan.json"),
        keys.segment(store, "run-1", 12),
        keys.run_lease(store, "run-1"),
        keys.cancel(store, "run-1"),
        keys.index(store),
        keys.indexed(store, "run-1", ""),
        keys.indexed(store, "run-1", "WzFd"),
        keys.code(store, "ab12"),
        keys.package_set(store, "ab12"),
        keys.wheel(store, "ab12"),
        keys.package_lock(store, "ab12"),
        keys.task(store, "ab12"),
        keys.forecasts(store, "ab12"),
    ]


def test_attempts_have_unique_names() -> None:
    """Two attempts at one task write different objects."""
    assert keys.map_attempt("file:///s", "r", 1, "0") != keys.map_attempt("file:///s", "r", 1, "1")
    assert keys.part_attempt("file:///s", "r", 1, "0", "json") != keys.part_attempt(
        "file:///s", "r", 1, "1", "json"
    )


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("02ef9d1704a443989739ce9df20f87a7", True),
        ("run-20261127-162102-deft-hare.02ef9d1704a443989739ce9df20f87a7", True),
        ("last", True),
        ("A", False),
        ("a/b", False),
    ],
)
def test_the_leases_of_drivers_are_keys_of_this_program(name: str, *, own: bool) -> None:
    """Those of drivers that carry out a plan begin with the run's id."""
    assert own == keys.is_own(keys.lease(name))
