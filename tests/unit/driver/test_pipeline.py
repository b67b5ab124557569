"""How a run's stages hang together, without a service: what is reused, and what is done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from driver.events import EventLog, OutputsRedone
from driver.fleet.base import Endpoint
from driver.pipeline import MOST_REDONE, FleetWorkplace, _map_and_reduce, _Stages
from driver.planning import AnyTask, RunPlan
from driver.policy import RetryPolicy
from driver.run_store import RunStore
from driver.scheduler import StageFailed
from driver.transport import Heard, nobody
from mapreduce.messages import (
    Block,
    Cost,
    Done,
    Failed,
    MapTask,
    Piece,
    Progress,
    ReduceResult,
    ReduceTask,
    Split,
    SplitResult,
    Started,
    TaskError,
)
from mapreduce.storage import open_storage
from mapreduce.storage.digest import digest_of_bytes
from tests.unit.driver.fakes import FakeFleet, result_of
from tests.unit.driver.samples import JOB

MAPS = 8
PAIRS_DIGEST = digest_of_bytes(b"pairs")
COST = Cost(seconds=0.1, peak_memory_bytes=1)
Unreadable = Callable[[ReduceTask], TaskError | None]


class _Writing:
    """Carries tasks out by writing objects; a reduce fails while `unreadable` finds something in its sources."""

    def __init__(self, store: str, unreadable: Unreadable) -> None:
        self._store = store
        self._unreadable = unreadable
        self.maps: list[tuple[int, str]] = []

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = nobody
    ) -> AsyncGenerator[Started | Progress | Done | Failed, None]:
        """One attempt."""
        if isinstance(task, MapTask):
            self.maps.append((task.index, task.attempt))
            info = open_storage().write(f"{self._store}/maps/{task.index}.{task.attempt}", b"pairs")
            block = Block(offset=0, length=5, records=1, checksum=task.index, integers=False)
            found = {"url": info.url, "etag": info.etag, "size": info.size, "digest": PAIRS_DIGEST, "blocks": (block,)}
            yield Done(result=result_of(task).model_copy(update=found))
            return
        assert isinstance(task, ReduceTask)
        if error := self._unreadable(task):
            yield Failed(error=error)
            return
        info = open_storage().write(f"{self._store}/reduce/{task.index}.{task.attempt}", b"result")
        yield Done(
            result=ReduceResult(
                url=info.url,
                etag=info.etag,
                size=info.size,
                digest=digest_of_bytes(b"result"),
                bytes_in=0,
                records_in=0,
                checksum_in=0,
                records_out=0,
                top=(),
                counters={},
                cost=COST,
            )
        )


def _piece(index: int) -> Piece:
    return Piece(url="file:///in", etag="e", size=MAPS, start=index, end=index + 1, source="file:///in")


def _carry_out(folder: Path, unreadable: Unreadable) -> tuple[list[tuple[int, str]], list[OutputsRedone]]:
    """Maps and one reduce: which map attempts there were, and what was redone."""
    store = f"file://{folder}"
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="local",
        store=store,
        job=JOB,
        inputs=(),
        splits=MAPS,
        partitions=1,
        mode="range",
        top=0,
    )
    splits = tuple(Split(index=index, pieces=(_piece(index),)) for index in range(MAPS))
    split = SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)
    transport, log = _Writing(store, unreadable), EventLog()
    quick = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0)
    place = FleetWorkplace(RunStore(open_storage(), store), FakeFleet(Endpoint("a", "", 2)), transport, quick)
    asyncio.run(_map_and_reduce(plan, split, _Stages(plan, place, log, fresh=False, started=0.0)))
    return transport.maps, [event for event in log.events if isinstance(event, OutputsRedone)]


def _lost(task: ReduceTask) -> TaskError | None:
    """The first of the sources that is not there."""
    for source in task.sources:
        if not Path(source.url.removeprefix("file://")).exists():
            return TaskError(kind="OutputLost", message="gone", object=source.url)
    return None


def test_all_outputs_that_are_lost_are_written_again_at_once(tmp_path: Path) -> None:
    """A reduce stumbles over one of them; the others are looked for, or a run that has lost many would not end."""
    deleted = [tmp_path / "maps" / f"{index}.0" for index in range(1, 7)]

    def unreadable(task: ReduceTask) -> TaskError | None:
        while deleted:
            deleted.pop().unlink()
        return _lost(task)

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted([(index, "0") for index in range(MAPS)] + [(index, "1") for index in range(1, 7)])
    assert len(redone) == 1


def test_a_damaged_output_whose_etag_is_as_it_was_is_written_again(tmp_path: Path) -> None:
    """It is still there, and yet must not be found again as finished; however many there are, one after another."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        rotten = [source.url for source in task.sources if source.url.endswith(".0")]
        return TaskError(kind="CorruptBlock", message="rotten", object=rotten[0]) if rotten else None

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted((index, attempt) for index in range(MAPS) for attempt in ("0", "1"))
    assert len(redone) == MAPS


def test_an_output_that_is_lost_again_and_again_fails_the_run(tmp_path: Path) -> None:
    """Something deletes it on purpose: that has an end."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        Path(task.sources[3].url.removeprefix("file://")).unlink()
        return _lost(task)

    with pytest.raises(StageFailed, match="gone"):
        _carry_out(tmp_path, unreadable)
    assert not list((tmp_path / "maps").glob(f"3.{MOST_REDONE + 1}-*"))
