"""A key in another partition than its job's `partition` returns fails the reduce task, on every
path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from mapreduce import CollectList, Job, Mean, Sum
from mapreduce.engine import reduce_task
from mapreduce.engine.fetch import write_list
from mapreduce.errors import UserCodeError
from mapreduce.wire.messages import ReduceTask
from tests.unit.mapreduce.engine_run import RUN, Engine, engine

LINES = b"".join(b"k%d\n" % number for number in range(50))


class Shifted(Job):
    """Partitions by the key and a number that differs between processes, like `hash()`."""

    shift: ClassVar[int] = 0

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, int]]:
        yield value, 1

    def partition(self, key: Any, partitions: int) -> int:
        return (int(str(key).strip("k(',)").split(",")[0].strip("'k")) + self.shift) % partitions


class Own(Shifted):
    def reduce(self, key: Any, values: Iterator[int]) -> Any:
        yield key, sum(values)


class Grouped(Own):
    group_by = 1

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, int]]:
        yield (value, key), 1


class Sums(Shifted):
    reduce = Sum()


class Floats(Shifted):
    reduce = Mean()


class Lists(Shifted):
    reduce = CollectList()


def reduced(stages: Engine, maps: Any, *, keep_pairs: bool) -> Any:
    """Reduce one partition of three."""
    task = ReduceTask(
        run=RUN,
        store=stages.store,
        index=1,
        job=stages.spec,
        outputs=write_list(maps, stages.store, RUN, stages.storage),
        partitions=3,
        keep_pairs=keep_pairs,
    )
    return reduce_task.run_reduce(task, stages.context())


@pytest.mark.parametrize("job", [Own, Grouped, Sums, Floats, Lists])
@pytest.mark.parametrize("keep_pairs", [False, True])
def test_a_partition_that_has_changed(
    job: type[Shifted], keep_pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed partition raises with the key and both partitions; an unchanged one does not."""
    with engine(job) as stages:
        maps = [
            stages.map(split, 3)
            for split in stages.split(stages.put([LINES, LINES[:18]]), 2).splits
        ]
        assert reduced(stages, maps, keep_pairs=keep_pairs).records_out == 17
        monkeypatch.setattr(job, "shift", 1)
        with pytest.raises(
            UserCodeError, match=r"the key .*k\d+.* to partition 1, but `partition` now returns 2"
        ):
            reduced(stages, maps, keep_pairs=keep_pairs)


def test_a_group_in_two_places() -> None:
    """With `group_by`, a partition that divides a group is refused."""

    class Torn(Grouped):
        def partition(self, key: Any, partitions: int) -> int:
            return int(key[1]) % partitions

    with (
        engine(Torn) as stages,
        pytest.raises(UserCodeError, match=r"two keys of the group \('k1',\)"),
    ):
        stages.map_whole(b"k1\nk1\n", 2)


def test_one_key_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every distinct key is compared with `partition`, however many are remembered."""
    monkeypatch.setattr(reduce_task, "PROVEN_KEYS", 3)

    class OneMoves(Own):
        moved: ClassVar[str] = ""

        def partition(self, key: Any, partitions: int) -> int:
            return 0 if key == self.moved else 1

    for moved in ("k0", "k7", "k49"):
        with engine(OneMoves) as stages:
            monkeypatch.setattr(OneMoves, "moved", "")
            maps = [stages.map_whole(LINES, 3)]
            assert reduced(stages, maps, keep_pairs=False).records_out == 50
            monkeypatch.setattr(OneMoves, "moved", moved)
            with pytest.raises(
                UserCodeError,
                match=f"the key '{moved}' was sent to partition 1.* now returns 0.*hash",
            ):
                reduced(stages, maps, keep_pairs=False)
