"""How many requests to S3 a run makes, by formula. Pure: sizes and counts in, counts out.

With M map tasks and R partitions: each map task writes one object, each reduce task reads one index
entry and one block of it, and the driver looks up and records each task. While the run goes, the
driver shows signs of life every few seconds. A test holds the formula against the requests that a
run makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driver.forecast.pricing import requests_price
from mapreduce.storage import Requests
from mapreduce.storage.base import BLOCK_BYTES, write_requests

SAMPLED_PLACES = 100
"""How many places of the input a total order samples (`mapreduce.engine.sample.PLACES`)."""
RUN_RECORDS = (
    *("code", "plan", "outputs", "results", "ledger", "events", "log", "report", "index"),
    *("page", "epoch", "success", "receipt", "history"),
)
"""What the driver writes once for each run."""
RHYTHM_S = 5.0
"""Seconds between two signs of life in S3 (`driver.history.lease.S3_RHYTHM_S`)."""


@dataclass(frozen=True, slots=True)
class RunShape:
    """The sizes of a run on which its requests depend.

    Attributes:
        inputs: the number of inputs.
        splits: the length of each split in bytes.
        partitions: the number of partitions.
        map_output_bytes: the bytes that each map task writes.
        part_bytes: the bytes of each part.
        seconds: how long the run takes, from its plan on; in each rhythm something happens.
        total_order: the partitions are ranges of keys, chosen from a sample.
    """

    inputs: int
    splits: Sequence[int]
    partitions: int
    map_output_bytes: int
    part_bytes: int
    seconds: float = 0.0
    total_order: bool = False


@dataclass(frozen=True, slots=True)
class StageRequests:
    """The requests of a run by who makes them; no block is empty, and nothing is reused."""

    split: Requests
    maps: Requests
    reduces: Requests
    driver: Requests

    @property
    def total(self) -> Requests:
        """All requests."""
        return self.split + self.maps + self.reduces + self.driver

    @property
    def dollars(self) -> float:
        """Their list price."""
        return requests_price(self.total)


def run_requests(shape: RunShape) -> StageRequests:
    """Return the requests of a run over plain text that reads and writes S3."""
    maps, partitions = len(shape.splits), shape.partitions
    block = shape.map_output_bytes // max(1, partitions)
    tasks = 1 + maps + partitions
    return StageRequests(
        # with a total order also the sampled places, and the boundaries that are written
        split=Requests(
            get=shape.inputs + SAMPLED_PLACES * shape.total_order, put=int(shape.total_order)
        ),
        maps=Requests(
            # a range, and the end of its last line
            get=sum(_blocks(length) + 1 for length in shape.splits),
            put=maps * write_requests(shape.map_output_bytes),
        ),
        reduces=Requests(
            # the list, and of each map output an index entry and a block
            get=partitions * (1 + maps * (1 + _blocks(block))),
            put=partitions * write_requests(shape.part_bytes),
        ),
        driver=Requests(
            # each task is looked up, and the history of the job is read twice
            get=tasks + 2,
            # each input for the plan and for the ledger; each part before, in and after its copy
            head=2 * shape.inputs + 3 * partitions,
            put=tasks + len(RUN_RECORDS),
            copy=partitions,
        )
        + signs_of_life(shape.seconds),
    )


def signs_of_life(seconds: float) -> Requests:
    """Return the requests of the driver while a run goes: in each rhythm it renews its lease,
    writes a segment of events, and looks whether the run is cancelled. At the end it deletes lease
    and segments; S3 charges nothing for that.
    """
    beats = int(seconds // RHYTHM_S)
    return Requests(head=beats, put=2 * beats, delete=beats + 1 if beats else 0)


def _blocks(length: int) -> int:
    return max(1, -(-length // BLOCK_BYTES))
