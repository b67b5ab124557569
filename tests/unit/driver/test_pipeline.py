"""How a run's stages hang together, without a service: what is reused, and what is done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from driver.attempts import Outcome
from driver.events import EventLog, OutputsRedone
from driver.fleet.base import Endpoint
from driver.pipeline import MOST_REDONE, FleetWorkplace, _map_and_reduce, _Stages
from driver.planning import AnyTask, RunPlan
from driver.policy import RetryPolicy
from driver.run_store import RunStore
from driver.scheduler import StageFailed
from mapreduce import keys
from mapreduce.errors import JobFailed
from mapreduce.messages import (
    AttemptId,
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
Harm = Callable[[Path], object]


class _Writing:
    """Carries tasks out by writing objects; a reduce fails while `unreadable` finds something in its sources.

    `harm` does something to a part when it has just been written.
    """

    def __init__(self, store: str, unreadable: Unreadable, harm: Harm) -> None:
        self._store = store
        self._unreadable = unreadable
        self._harm = harm
        self.maps: list[tuple[int, str]] = []
        self.reduces: list[str] = []

    async def run(self, endpoint: Endpoint, task: AnyTask) -> AsyncGenerator[Started | Progress | Done | Failed, None]:
        """One attempt."""
        if isinstance(task, MapTask):
            self.maps.append((task.index, task.attempt))
            info = open_storage().write(result_of(task).url, b"pairs")
            block = Block(offset=0, length=5, records=1, checksum=task.index, integers=False)
            found = {"url": info.url, "etag": info.etag, "size": info.size, "digest": PAIRS_DIGEST, "blocks": (block,)}
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
        blocks = [source.block for source in task.sources]
        yield Done(
            attempt=AttemptId.of(task),
            result=ReduceResult(
                url=info.url,
                etag=info.etag,
                size=info.size,
                digest=digest_of_bytes(b"result"),
                bytes_in=sum(block.length for block in blocks),
                records_in=sum(block.records for block in blocks),
                checksum_in=sum(block.checksum for block in blocks),
                records_out=0,
                top=(),
                counters={},
                cost=COST,
            ),
        )


def _piece(index: int) -> Piece:
    return Piece(url="file:///in", etag="e", size=MAPS, start=index, end=index + 1, source="file:///in")


def _carry_out(folder: Path, unreadable: Unreadable) -> tuple[list[tuple[int, str]], list[OutputsRedone]]:
    """Maps and one reduce: which map attempts there were, and what was redone."""
    transport, log = _Writing(f"file://{folder}", unreadable, lambda _: None), EventLog()
    _run(transport, log, folder)
    return transport.maps, [event for event in log.events if isinstance(event, OutputsRedone)]


def _run(transport: _Writing, log: EventLog, folder: Path) -> list[Outcome]:
    """Maps and one reduce; the outcomes of the reduce."""
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
    quick = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0)
    place = FleetWorkplace(RunStore(open_storage(), store), FakeFleet(Endpoint("a", "", 2)), transport, quick)
    return asyncio.run(_map_and_reduce(plan, split, _Stages(plan, place, log, fresh=False, started=0.0)))[1]


def _lost(task: ReduceTask) -> TaskError | None:
    """The first of the sources that is not there."""
    for source in task.sources:
        if not Path(source.url.removeprefix("file://")).exists():
            return TaskError(kind="OutputLost", message="gone", object=source.url)
    return None


def test_all_outputs_that_are_lost_are_written_again_at_once(tmp_path: Path) -> None:
    """A reduce stumbles over one of them; the others are looked for, or a run that has lost many would not end."""
    deleted = [tmp_path / "maps" / "run-1" / f"map-{index:05d}.attempt-0" for index in range(1, 7)]

    def unreadable(task: ReduceTask) -> TaskError | None:
        while deleted:
            deleted.pop().unlink()
        return _lost(task)

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted([(index, "0") for index in range(MAPS)] + [(index, "1-0") for index in range(1, 7)])
    assert len(redone) == 1


def test_a_damaged_output_whose_etag_is_as_it_was_is_written_again(tmp_path: Path) -> None:
    """It is still there, and yet must not be found again as finished; however many there are, one after another."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        rotten = [source.url for source in task.sources if source.url.endswith("attempt-0")]
        return TaskError(kind="CorruptBlock", message="rotten", object=rotten[0]) if rotten else None

    maps, redone = _carry_out(tmp_path, unreadable)
    assert sorted(maps) == sorted((index, attempt) for index in range(MAPS) for attempt in ("0", "1-0"))
    assert len(redone) == MAPS


def test_an_output_that_is_lost_again_and_again_fails_the_run(tmp_path: Path) -> None:
    """Something deletes it on purpose: that has an end."""

    def unreadable(task: ReduceTask) -> TaskError | None:
        Path(task.sources[3].url.removeprefix("file://")).unlink()
        return _lost(task)

    with pytest.raises(StageFailed, match="gone"):
        _carry_out(tmp_path, unreadable)
    assert not list((tmp_path / "maps").rglob(f"map-00003.attempt-{MOST_REDONE + 1}-*"))


def test_a_part_that_is_changed_before_the_commit_is_written_again(tmp_path: Path) -> None:
    """Under another name; the maps are not done again."""
    transport = _Writing(
        f"file://{tmp_path}",
        lambda _: None,
        lambda path: path.name == "part-00000.attempt-0.json" and path.write_text("x"),
    )
    (outcome,) = _run(transport, EventLog(), tmp_path)
    assert ["0", "1-0"] == transport.reduces
    assert MAPS == len(transport.maps)
    assert isinstance(outcome.result, ReduceResult)
    assert b"result" == open_storage().read(outcome.result.url)


@pytest.mark.parametrize("harm", [lambda path: path.write_text("resulx"), Path.unlink], ids=["changed", "deleted"])
def test_a_part_that_is_changed_for_ever_fails_the_run(tmp_path: Path, harm: Harm) -> None:
    """After the last repetition: what was written last is looked at too. The message names the object."""
    transport = _Writing(f"file://{tmp_path}", lambda _: None, harm)
    with pytest.raises(JobFailed, match=r"gone or changed, 3 times.*/part-00000\.attempt-3-0.*Does another program"):
        _run(transport, EventLog(), tmp_path)
    assert ["0", *(f"{again}-0" for again in range(1, MOST_REDONE + 1))] == transport.reduces
