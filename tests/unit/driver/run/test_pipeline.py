"""The stages of a run without services: which tasks are reused, and which are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_store import RunResults, RunStore
from driver.plan.events import EventLog, OutputsRedone, RunDone
from driver.plan.outcomes import Outcome
from driver.plan.tasks import AnyTask, RunPlan
from driver.run.pipeline import check_ledger
from driver.run.records import recorded, with_notes
from driver.run.stages import MOST_REDONE, FleetBackend, Stages, _map_and_reduce
from driver.scheduling.policy import RetryPolicy
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.engine.fetch import MapOutput, read_list
from mapreduce.errors import JobFailed, StageFailed, StorageError
from mapreduce.storage import Storage, open_storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    BlocksSum,
    ByteRange,
    Cost,
    Done,
    Failed,
    MapTask,
    ReduceResult,
    ReduceTask,
    Split,
    SplitResult,
    SplitRule,
    TaskError,
)
from tests.unit.driver.fakes import FakeFleet, result_of
from tests.unit.driver.samples import JOB, empty_report, run_plan

MAPS = 8
PAIRS_DIGEST = digest_of_bytes(b"pairs")
COST = Cost(seconds=0.1, peak_memory_bytes=1)
Unreadable = Callable[[ReduceTask], TaskError | None]
Harm = Callable[[Path], object]


class _Writing:
    """Carries tasks out by writing objects; a reduce fails while `unreadable` names a source.

    `harm` damages a part after it is written.
    """

    def __init__(self, store: str, unreadable: Unreadable, harm: Harm) -> None:
        self._store = store
        self._unreadable = unreadable
        self._harm = harm
        self.maps: list[tuple[int, str]] = []
        self.reduces: list[str] = []

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Carry out one attempt."""
        if isinstance(task, MapTask):
            self.maps.append((task.index, task.attempt))
            info = open_storage().write(result_of(task).url, b"pairs")
            blocks = BlocksSum(partitions=1, digest=str(task.index), seal=task.index)
            found = {
                "url": info.url,
                "etag": info.etag,
                "size": info.size,
                "digest": PAIRS_DIGEST,
                "blocks": blocks,
            }
            yield Done(attempt=AttemptId.of(task), result=result_of(task).model_copy(update=found))
            return
        assert isinstance(task, ReduceTask)
        if error := self._unreadable(task):
            yield Failed(attempt=AttemptId.of(task), error=error)
            return
        info = open_storage().write(
            keys.part_attempt(self._store, task.run, task.index, task.attempt, "json"), b"result"
        )
        self.reduces.append(task.attempt)
        self._harm(Path(info.url.removeprefix("file://")))
        outputs = outputs_of(task)
        yield Done(
            attempt=AttemptId.of(task),
            result=ReduceResult(
                url=info.url,
                etag=info.etag,
                size=info.size,
                digest=digest_of_bytes(b"result"),
                bytes_in=5 * len(outputs),
                records_in=len(outputs),
                checksum_in=1,
                records_indexed=len(outputs),
                checksum_indexed=1,
                seal=sum(output.index for output in outputs),
                records_out=0,
                top=(),
                counters={},
                cost=COST,
            ),
        )


def outputs_of(task: ReduceTask) -> list[MapOutput]:
    """The map outputs that a reduce task reads."""
    assert task.outputs is not None
    return read_list(task.outputs, open_storage())


def _piece(index: int) -> ByteRange:
    return ByteRange(
        url="file:///in", etag="e", size=MAPS, start=index, end=index + 1, source="file:///in"
    )


def _carry_out(
    folder: Path, unreadable: Unreadable
) -> tuple[list[tuple[int, str]], list[OutputsRedone]]:
    """Run maps and one reduce; return the map attempts, and the repeated tasks."""
    transport, log = _Writing(f"file://{folder}", unreadable, lambda _: None), EventLog()
    _run(transport, log, folder)
    return transport.maps, [event for event in log.events if isinstance(event, OutputsRedone)]


def _run(transport: _Writing, log: EventLog, folder: Path) -> list[Outcome]:
    """Run maps and one reduce; return the outcomes of the reduce."""
    store = f"file://{folder}"
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="local",
        store=store,
        job=JOB,
        inputs=(),
        cut=SplitRule(splits=MAPS),
        partitions=1,
        mode="range",
        top=0,
    )
    splits = tuple(Split(index=index, pieces=(_piece(index),)) for index in range(MAPS))
    split = SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)
    quick = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0)
    place = FleetBackend(
        RunStore(open_storage(), store), FakeFleet(Endpoint("a", "", 2)), transport, quick
    )
    return asyncio.run(
        _map_and_reduce(plan, split, Stages(plan, place, log, fresh=False, started=0.0))
    )[1]


def _lost(task: ReduceTask) -> TaskError | None:
    """Return the first missing source."""
    for source in outputs_of(task):
        if not Path(source.url.removeprefix("file://")).exists():
            return TaskError(kind="OutputLost", message="gone", object=source.url)
    return None


def test_all_outputs_that_are_lost_are_written_again_at_once(tmp_path: Path) -> None:
    """If a reduce misses one output, all lost outputs are written again at once."""
    urls = [keys.map_attempt(f"file://{tmp_path}", "run-1", index, "0") for index in range(1, 7)]
    deleted = [Path(url.removeprefix("file://")) for url in urls]

    def unreadable(task: ReduceTask) -> TaskError | None:
        while deleted:
            deleted.pop().unlink()
        return _lost(task)

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted(
        [(index, "0") for index in range(MAPS)] + [(index, "1") for index in range(1, 7)]
    )
    assert len(redone) == 1


def test_a_damaged_output_whose_etag_is_as_it_was_is_written_again(tmp_path: Path) -> None:
    """Damaged outputs with unchanged ETags are written again, one after another, and not reused."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        rotten = [source.url for source in outputs_of(task) if source.url.endswith("attempt-0")]
        return (
            TaskError(kind="CorruptBlock", message="rotten", object=rotten[0]) if rotten else None
        )

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted(
        (index, attempt) for index in range(MAPS) for attempt in ("0", "1")
    )
    assert len(redone) == MAPS


def _list_lost(task: ReduceTask) -> TaskError:
    """The error of a reduce task that cannot read the list of map outputs."""
    assert task.outputs is not None
    return TaskError(kind="OutputLost", message="no list", object=task.outputs.url)


def test_a_list_of_map_outputs_that_is_lost_is_written_again(tmp_path: Path) -> None:
    """If a reduce misses the list of map outputs, it is written again, and no map is repeated."""
    given: list[str] = []

    def unreadable(task: ReduceTask) -> TaskError | None:
        assert task.outputs is not None
        path = Path(task.outputs.url.removeprefix("file://"))
        given.append(path.read_text())
        if len(given) > 1:
            return None
        path.unlink()
        return _list_lost(task)

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == [(index, "0") for index in range(MAPS)]
    assert redone == []
    assert given == [given[0]] * 2


def test_a_list_that_is_lost_again_and_again_fails_the_run(tmp_path: Path) -> None:
    """A list that is never readable fails the run after a limit."""
    attempts: list[str] = []

    def unreadable(task: ReduceTask) -> TaskError | None:
        attempts.append(task.attempt)
        return _list_lost(task)

    with pytest.raises(StageFailed, match="no list"):
        _carry_out(tmp_path, unreadable)
    assert len(attempts) == 1 + MOST_REDONE


def test_a_run_that_reuses_all_reduces_writes_no_list(tmp_path: Path) -> None:
    """The list of map outputs is written only for tasks that read it."""
    _carry_out(tmp_path, _lost)
    lists = sorted(tmp_path.rglob("outputs-*.jsonl"))
    assert len(lists) == 1
    lists[0].unlink()
    _carry_out(tmp_path, _lost)
    assert sorted(tmp_path.rglob("outputs-*.jsonl")) == []


def test_an_output_that_is_lost_again_and_again_fails_the_run(tmp_path: Path) -> None:
    """An output that is lost again and again fails the run after a limit."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        Path(outputs_of(task)[3].url.removeprefix("file://")).unlink()
        return _lost(task)

    with pytest.raises(StageFailed, match="gone"):
        _carry_out(tmp_path, unreadable)
    assert not list((tmp_path / "maps").rglob(f"map-00003.attempt-{MOST_REDONE + 1}"))


def test_a_part_that_is_changed_before_the_commit_is_written_again(tmp_path: Path) -> None:
    """A part that changes before the commit is written again under another name."""
    transport = _Writing(
        f"file://{tmp_path}",
        lambda _: None,
        lambda path: path.name == "part-00000.attempt-0.json" and path.write_text("x"),
    )
    (outcome,) = _run(transport, EventLog(), tmp_path)
    assert ["0", "1"] == transport.reduces
    assert MAPS == len(transport.maps)
    assert isinstance(outcome.result, ReduceResult)
    assert b"result" == open_storage().read(outcome.result.url)


@pytest.mark.parametrize(
    "harm", [lambda path: path.write_text("resulx"), Path.unlink], ids=["changed", "deleted"]
)
def test_a_part_that_is_changed_for_ever_fails_the_run(tmp_path: Path, harm: Harm) -> None:
    """A part that changes after every repetition fails the run, and the message names it."""
    transport = _Writing(f"file://{tmp_path}", lambda _: None, harm)
    with pytest.raises(
        JobFailed, match=r"written again 3 times.*/part-00000\.attempt-3.*Does another program"
    ):
        _run(transport, EventLog(), tmp_path)
    assert [f"{again}" for again in range(MOST_REDONE + 1)] == transport.reduces


class _Full:
    """A store in which no object can be written below some names."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._storage = open_storage()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def write(self, url: str, data: bytes | Path, **options: Any) -> Any:
        """Write, except below these names."""
        if any(name in url for name in self._names):
            raise StorageError(f"the store failed at {url}: No space left on device")
        return self._storage.write(url, data, **options)


def _place(folder: Path, storage: Storage, transport: Any = None) -> FleetBackend:
    runs = RunStore(storage, f"file://{folder}")
    return FleetBackend(
        runs, FakeFleet(Endpoint("a", "", 2)), transport, log_text=lambda: b"a log\n"
    )


def _plan(folder: Path, maps: int = 0) -> RunPlan:
    return run_plan(
        store=f"file://{folder}", inputs=(), cut=SplitRule(splits=max(1, maps)), partitions=1
    )


def _records(folder: Path) -> Collection[str]:
    return {path.name for path in (folder / "runs" / "run-1").iterdir()}


def _end(place: FleetBackend, log: EventLog, exc: Exception | None) -> None:
    async def run() -> None:
        async with recorded(_plan(Path("/none")), place, log):
            if exc is not None:
                raise exc

    asyncio.run(run())


@pytest.mark.parametrize("name", ["failure.json", "events.jsonl", "services.log"])
def test_a_record_that_cannot_be_written_does_not_hide_the_failure(
    tmp_path: Path, name: str
) -> None:
    """A record that cannot be written is noted; the job's error and the other records stay."""
    log = EventLog()
    with pytest.raises(JobFailed, match="map-3 could not be done"):
        _end(_place(tmp_path, _Full(name)), log, JobFailed("map-3 could not be done"))
    assert _records(tmp_path) == {"failure.json", "events.jsonl", "services.log"} - {name}
    (note,) = log.notes
    assert note.startswith(f"the run's {name} could not be written: StorageError: ")


def test_a_run_ends_well_without_its_records(tmp_path: Path) -> None:
    """A run succeeds although its events, log and report cannot be written."""
    storage: Any = _Full("/runs/")

    def unreadable() -> bytes:
        raise OSError("the log is gone")

    place, log = replace(_place(tmp_path, storage), log_text=unreadable), EventLog()
    log(RunDone(at=0.0, run="run-1", seconds=1.0))
    _end(place, log, None)
    report = empty_report()
    told = asyncio.run(with_notes(report, _plan(tmp_path), place, log))
    assert [note.partition(" could")[0] for note in told.notes] == [
        "the run's events.jsonl",
        "the run's services.log",
        "the run's report.json",
    ]


def test_results_that_cannot_be_kept_for_later_end_nothing(tmp_path: Path) -> None:
    """If results cannot be kept in `tasks/`, all tasks succeed, and a note has the number."""
    storage: Any = _Full("/tasks/")
    transport, log = _Writing(f"file://{tmp_path}", lambda _: None, lambda _: None), EventLog()
    place = _place(tmp_path, storage, transport)
    splits = tuple(Split(index=index, pieces=(_piece(index),)) for index in range(MAPS))
    split = SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)
    plan = _plan(tmp_path, MAPS)
    stages = Stages(plan, place, log, fresh=False, started=0.0)
    maps, reduces = asyncio.run(_map_and_reduce(plan, split, stages))
    assert (len(maps), len(reduces)) == (MAPS, 1)
    (note,) = log.notes
    assert note.startswith(
        f"the results of tasks could not be kept for later runs, {MAPS + 1} times: "
    )


def test_the_error_of_the_stage_is_raised(tmp_path: Path) -> None:
    """A reduce's error is raised even if the cache cannot be written too."""
    storage: Any = _Full("/tasks/")
    poison = TaskError(kind="UserCodeError", message="reduce raised ValueError: poison")
    transport = _Writing(f"file://{tmp_path}", lambda _: poison, lambda _: None)
    place = _place(tmp_path, storage, transport)
    split = SplitResult(
        splits=(Split(index=0, pieces=(_piece(0),)),), bytes_read=0, bytes_written=0, cost=COST
    )
    plan = _plan(tmp_path, 1)
    with pytest.raises(StageFailed, match="poison"):
        asyncio.run(
            _map_and_reduce(plan, split, Stages(plan, place, EventLog(), fresh=False, started=0.0))
        )


@pytest.mark.parametrize("name", ["results.json", "ledger.json"])
def test_results_and_ledger_must_be_written(tmp_path: Path, name: str) -> None:
    """A run whose results or ledger cannot be written fails, and has no `_SUCCESS`."""
    storage: Any = _Full(name)
    with pytest.raises(StorageError, match="No space left"):
        check_ledger(_plan(tmp_path), RunResults(), RunStore(storage, f"file://{tmp_path}"))
