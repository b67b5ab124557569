"""The messages of a run's tasks, built from the run and from what its earlier stages gave.

The driver and the trial in one process build them here, so that both give the engine the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from mapreduce.wire.messages import (
    InputObject,
    JobSpec,
    JoinedPart,
    MapTask,
    ReduceTask,
    Split,
    SplitMode,
    SplitRule,
    SplitTask,
    StoredObject,
)

FIRST_ATTEMPT = "0"


@dataclass(frozen=True, slots=True)
class TaskMessages:
    """Builds the messages of one run's tasks.

    Attributes:
        run: the run's id.
        store: the root URL of everything that the run writes.
        job: the job.
        partitions: how many; 0 where the maps' pairs are the result.
        total_order: the parts are ranges of keys.
        top: how many top pairs a part reports.
        keep_pairs: a part's pairs are kept for the next step of a chain.
        broadcast: the name of the inputs that each map task reads whole; "" for none.
        states: the identity under which reduce tasks keep merged states; "" for none.
        joined: the parts of an earlier step that the reduce tasks merge, one for each.
    """

    run: str
    store: str
    job: JobSpec
    partitions: int
    total_order: bool = False
    top: int = 0
    keep_pairs: bool = False
    states: str = ""
    joined: tuple[JoinedPart, ...] = ()
    broadcast: str = ""

    @property
    def key_ranges(self) -> int | None:
        """How many ranges of keys the split stage samples; None where partitions need none."""
        return self.partitions if self.total_order and self.partitions > 1 else None

    @property
    def map_top(self) -> int:
        """How many top pairs a map task reports: those of its part, if it writes one."""
        return 0 if self.partitions else self.top

    @property
    def keep_map_pairs(self) -> bool:
        """Whether a map task keeps its pairs for the next step of a chain."""
        return self.keep_pairs and not self.partitions

    def split(
        self,
        inputs: tuple[InputObject, ...],
        cut: SplitRule,
        *,
        mode: SplitMode = "range",
        attempt: str = FIRST_ATTEMPT,
    ) -> SplitTask:
        """Return the split task.

        Args:
            inputs: the inputs, in the order of their records.
            cut: the number or the length of the splits.
            mode: "range" plans byte ranges, "copy" writes chunk files.
            attempt: the attempt's name.
        """
        return SplitTask(
            run=self.run,
            attempt=attempt,
            store=self.store,
            inputs=inputs,
            cut=cut,
            mode=mode,
            key_ranges=self.key_ranges,
            job=self.job if self.key_ranges else None,
            broadcast=self.broadcast,
        )

    def map(
        self, split: Split, boundaries: StoredObject | None, *, attempt: str = FIRST_ATTEMPT
    ) -> MapTask:
        """Return the map task of a split; with no partition, it writes a part of the result."""
        return MapTask(
            run=self.run,
            attempt=attempt,
            store=self.store,
            index=split.index,
            job=self.job,
            split=split,
            partitions=self.partitions,
            boundaries=boundaries,
            top=self.map_top,
            keep_pairs=self.keep_map_pairs,
        )

    def reduce(
        self, partition: int, outputs: StoredObject | None, *, attempt: str = FIRST_ATTEMPT
    ) -> ReduceTask:
        """Return the reduce task of a partition, which reads a block of each map output."""
        return ReduceTask(
            run=self.run,
            attempt=attempt,
            store=self.store,
            index=partition,
            job=self.job,
            outputs=outputs,
            states=self.states,
            partitions=self.partitions,
            top=self.top,
            keep_pairs=self.keep_pairs,
            joined=self.joined[partition] if self.joined else None,
        )
