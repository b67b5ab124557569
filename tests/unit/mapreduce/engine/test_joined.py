"""A reduce task that joins the part of an earlier step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce import Job
from mapreduce.engine import TaskContext
from mapreduce.engine.fetch import write_list
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.errors import CorruptBlock, MapReduceError, OutputLost
from mapreduce.wire.messages import JoinedPart, ReduceResult, ReduceTask
from tests.unit.mapreduce.engine_run import RUN, Engine, engine

TEXT = b"".join(b"w%d both w%d\n" % (number, number % 7) for number in range(300))


class Values(Job):
    """All values of a key, in their order."""

    def map(self, key: int, value: str) -> Iterator[tuple[str, Any]]:
        """Yield each word with the line's offset."""
        for word in value.split():
            yield word, key

    def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, list[Any]]]:
        """Yield the values as a list."""
        yield key, list(values)


def task_of(stages: Engine, joined: JoinedPart | None = None, attempt: str = "0") -> ReduceTask:
    """Return the second of three reduce tasks over one map output."""
    return ReduceTask(
        run=RUN,
        attempt=attempt,
        store=stages.store,
        index=1,
        job=stages.spec,
        outputs=write_list([stages.map_whole(TEXT, 3)], stages.store, RUN, stages.storage),
        partitions=3,
        keep_pairs=True,
        joined=joined,
    )


def part_of(result: ReduceResult) -> JoinedPart:
    """Return the part for a step that joins it."""
    assert result.as_joined is not None
    return result.as_joined


@pytest.mark.parametrize("memory_bytes", [64 << 20, 60_000, 2_000, 100])
def test_the_values_of_the_part_come_first(memory_bytes: int) -> None:
    """With any memory; and its pairs are in no count of the shuffle."""
    with engine(Values) as stages:
        first = run_reduce(task_of(stages), stages.context())
        own = dict(stages.pairs(first))
        context = TaskContext(
            stages.storage, stages.folder / "s", memory_bytes, stages.context().load_job
        )
        joined = run_reduce(task_of(stages, part_of(first), "1"), context)
        assert {key: [values, *values] for key, values in own.items()} == dict(stages.pairs(joined))
        assert (len(own), part_of(first).checksum) == (joined.joined_in, joined.joined_checksum)
        assert (first.records_in, first.checksum_in, first.seal, first.bytes_in) == (
            joined.records_in,
            joined.checksum_in,
            joined.seal,
            joined.bytes_in,
        )
        assert not list(Path(context.scratch).rglob("*"))


def test_an_empty_part() -> None:
    """Is joined too: it is not read."""
    with engine(Values) as stages:
        alone = run_reduce(task_of(stages), stages.context())
        empty = JoinedPart(url="file:///no", size=0, etag="", digest="", records=0, checksum=0)
        joined = run_reduce(task_of(stages, empty, "1"), stages.context())
        assert stages.pairs(alone) == stages.pairs(joined)


def gone(path: Path) -> None:
    """Delete the part."""
    path.unlink()


def torn(path: Path) -> None:
    """Change one byte, and no time."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("harm", "error"), [(gone, OutputLost), (torn, MapReduceError)])
def test_a_part_that_is_not_as_it_was_written(
    harm: Callable[[Path], None], error: type[MapReduceError]
) -> None:
    """Is named, so that the run that goes on makes it again."""
    with engine(Values) as stages:
        part = part_of(run_reduce(task_of(stages), stages.context()))
        harm(Path(part.url.removeprefix("file://")))
        with pytest.raises(error) as caught:
            run_reduce(task_of(stages, part, "1"), stages.context())
        assert part.url == caught.value.url  # type: ignore[attr-defined]


def test_a_part_of_other_content_under_a_known_etag() -> None:
    """The count and the checksum of the part are compared with those of the step that wrote it."""
    with engine(Values) as stages:
        part = part_of(run_reduce(task_of(stages), stages.context()))
        for change in ({"records": part.records - 1}, {"checksum": part.checksum ^ 1}):
            with pytest.raises(CorruptBlock):
                run_reduce(task_of(stages, part.model_copy(update=change), "1"), stages.context())
