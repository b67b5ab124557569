"""Audits of a run of the engine in this process, before and after its objects change."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driver.history.audit import GONE, audit_run
from driver.history.run_store import RunStore
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.targets import prepare as targets
from driver.targets.start import carry_out
from mapreduce.storage import open_storage
from mapreduce.wire import keys


@pytest.fixture
def run(tmp_path: Path) -> tuple[str, RunStore]:
    """A finished run with two partitions."""
    (tmp_path / "text.txt").write_text("one two three\n" * 9)
    config = RunConfig(
        inputs=(str(tmp_path / "text.txt"),), job="mapreduce_jobs.word_count", reducers=2, chunks=2
    )
    prepared = targets.prepare(config, "inline", str(tmp_path / "store"))
    report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, time.monotonic()))
    return report.run_id, RunStore(open_storage(), f"file://{tmp_path}/store")


def _path(run: tuple[str, RunStore], kind: str) -> Path:
    """Return one of the run's objects with pairs."""
    name, runs = run
    folders = {
        "map output": (keys.join(runs.store, keys.MAPS), f"*/{name}/map-*"),
        "part": (keys.results(runs.store, name), "part-*.attempt-*"),
        "result": (keys.results(runs.store, name), "part-?????.jsonl"),
    }
    folder, pattern = folders[kind]
    found = Path(folder.removeprefix("file://")).glob(pattern)
    return next(path for path in sorted(found) if path.stat().st_size)


def _rot(path: Path) -> None:
    """Change the last byte and restore the times."""
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_an_unchanged_run_balances(run: tuple[str, RunStore]) -> None:
    """An unchanged run balances, in full and with `quick`; the full audit has a digest for each
    object.
    """
    name, runs = run
    full, quick = audit_run(name, runs), audit_run(name, runs, quick=True)
    assert full.balanced
    assert quick.balanced
    objects = 2 + 2 + 2  # maps, parts, committed parts
    assert objects == sum(row.what.startswith("size and digest of ") for row in full.rows)
    assert objects == sum(row.what.startswith("size and ETag of ") for row in quick.rows)


@pytest.mark.parametrize("kind", ["map output", "part", "result"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_byte_that_has_changed_is_found(
    run: tuple[str, RunStore], kind: str, quick: bool
) -> None:
    """A changed byte in any object of the run is found, and the row names the object."""
    path = _path(run, kind)
    _rot(path)
    (row,) = audit_run(*run, quick=quick).discrepancies
    assert row.what.endswith(str(path))


@pytest.mark.parametrize("kind", ["map output", "part", "result"])
def test_a_rotten_byte_is_found_only_by_reading(
    run: tuple[str, RunStore], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed byte behind an unchanged ETag is found by the full audit, and not by `quick`."""
    name, runs = run
    path = _path(run, kind)
    before = runs.storage.head(f"file://{path}")
    _rot(path)
    monkeypatch.setattr("mapreduce.storage.local._info", _with_etag(before.url, before.etag))
    assert audit_run(name, runs, quick=True).balanced
    (row,) = audit_run(name, runs).discrepancies
    assert row.what == f"size and digest of {before.url}"
    assert str(row.found).startswith(f"{before.size} ")


def _with_etag(url: str, etag: str) -> Callable[..., object]:
    from mapreduce.storage.base import ObjectInfo
    from mapreduce.storage.local import _info

    def info(asked: str, stat: os.stat_result) -> ObjectInfo:
        return ObjectInfo(asked, stat.st_size, etag) if asked == url else _info(asked, stat)

    return info


def test_map_outputs_that_clean_deleted_are_not_missed(run: tuple[str, RunStore]) -> None:
    """After `clean` a missing map output is accepted, but a missing part of the result is not."""
    _path(run, "map output").unlink()
    assert audit_run(*run).balanced
    result = _path(run, "result")
    result.unlink()
    (row,) = audit_run(*run).discrepancies
    assert (str(result), GONE) == (row.what.rpartition("file://")[2], row.found)


def test_a_result_that_an_older_version_has_committed_is_known_by_its_etag(
    run: tuple[str, RunStore],
) -> None:
    """A result of an older version has no digests, and is audited by its ETags."""
    name, runs = run
    success = runs.success(name)
    assert success is not None
    runs.storage.write(
        keys.success(runs.store, name),
        success.model_copy(update={"digests": ()}).model_dump_json().encode(),
    )
    ledger = audit_run(name, runs)
    assert ledger.balanced
    assert {f"size and ETag of {info.url}" for info in success.objects} <= {
        row.what for row in ledger.rows
    }
    _rot(_path(run, "result"))
    assert not audit_run(name, runs).balanced


def test_a_run_without_a_success_does_not_balance(run: tuple[str, RunStore]) -> None:
    """A run without `_SUCCESS` does not balance."""
    name, runs = run
    runs.storage.delete([keys.success(runs.store, name)])
    (row,) = audit_run(name, runs).discrepancies
    assert ("_SUCCESS", "not written") == (row.what, row.found)
