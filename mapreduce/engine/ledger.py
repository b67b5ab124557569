"""The ledger: the sums that must agree before a run's result is committed. Pure, without I/O.

Four laws:
1. of each input, every byte belongs to a record that exactly one map task has read, or each map
   task, where the input is broadcast;
2. each reduce task read the pairs and checksums of its partition's index entries, and all entries
   together are those that the map tasks wrote, each read once and for its own partition;
3. each input, and each part of an earlier step that is joined, still has the ETag that it was
   planned with;
4. each reduce task that joins a part of an earlier step read each of its pairs once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from pydantic import Field

from mapreduce.formats.frames import CHECKSUM_MODULO
from mapreduce.wire.messages import InputObject, JoinedPart, MapResult, Message, ReduceResult

Range: TypeAlias = tuple[int, int]
"""A byte range [start, end) of an input."""


class LedgerRow(Message):
    """One sum: the expected and the found value, in `unit`s."""

    what: str
    unit: str
    expected: int | str
    found: int | str

    @property
    def balances(self) -> bool:
        """True if both values agree."""
        return self.expected == self.found


class Ledger(Message):
    """All sums of a run."""

    rows: tuple[LedgerRow, ...]
    bytes_in: int = Field(description="bytes of all inputs")
    records_in: int = Field(description="records that the maps read")
    pairs_shuffled: int = Field(description="pairs from the maps to the reduces")
    records_out: int = Field(description="pairs in the result")

    @property
    def discrepancies(self) -> tuple[LedgerRow, ...]:
        """The rows that do not balance."""
        return tuple(row for row in self.rows if not row.balances)

    @property
    def balanced(self) -> bool:
        """True if nothing was lost and nothing was counted twice."""
        return not self.discrepancies


def balance(
    inputs: Sequence[InputObject],
    maps: Sequence[MapResult],
    reduces: Sequence[ReduceResult],
    etags: dict[str, str],
    partitions: int,
    unpacked: Mapping[str, int] | None = None,
    joined: Sequence[JoinedPart] = (),
    broadcast: str = "",
) -> Ledger:
    """Return the ledger of a run.

    Args:
        inputs: the inputs as planned.
        maps: the result of each map task.
        reduces: the result of each reduce task, in the order of the partitions.
        etags: the inputs' ETags now, by URL ("" for a missing one).
        partitions: the number of partitions; with none, the maps' pairs are the result.
        unpacked: by URL, the bytes in chunk files of the inputs that were decompressed.
        joined: the parts of an earlier step, one for each partition.
        broadcast: the name of the inputs that each map task reads whole; "" for none.
    """
    read = _input_rows(inputs, maps, unpacked or {}, broadcast)
    rows = [*read, *_shuffle_rows(maps, reduces, partitions)]
    rows += _joined_rows(joined, reduces)
    planned: list[InputObject | JoinedPart] = [*inputs, *joined]
    rows += [
        LedgerRow(
            what=f"ETag of {given.url}",
            unit="",
            expected=given.etag,
            found=etags.get(given.url, ""),
        )
        for given in planned
    ]
    return Ledger(
        rows=tuple(rows),
        bytes_in=sum(given.size for given in inputs),
        records_in=sum(result.records_in for result in maps),
        pairs_shuffled=sum(result.records_out for result in maps) if partitions else 0,
        records_out=sum(result.records_out for result in (reduces if partitions else maps)),
    )


def _input_rows(
    inputs: Sequence[InputObject],
    maps: Sequence[MapResult],
    unpacked: Mapping[str, int],
    broadcast: str,
) -> list[LedgerRow]:
    given: dict[str, list[int]] = {}
    for each in inputs:
        times = len(maps) if broadcast and each.name == broadcast else 1
        given.setdefault(each.url, []).extend([unpacked.get(each.url, each.size)] * times)
    read: dict[str, list[Range]] = {url: [] for url in given}
    for piece in (piece for result in maps for piece in (*result.pieces, *result.beside)):
        read.setdefault(piece.source, []).append((piece.start, piece.start + piece.bytes_owned))
    rows = []
    for url, ranges in read.items():
        sizes = given.get(url, [])
        found = sum(end - start for start, end in ranges)
        rows += [
            LedgerRow(what=f"bytes of {url}", unit="bytes", expected=sum(sizes), found=found),
            LedgerRow(
                what=f"bytes of {url}",
                unit="times each",
                expected=str(len(sizes)),
                found=_times_read(ranges, max(sizes, default=0), len(sizes)),
            ),
        ]
    return rows


def _times_read(ranges: Sequence[Range], size: int, times: int) -> str:
    """Return `times` if each byte of [0, size) lies in that many ranges; else the first range that
    fails.
    """
    # a sweep over the edges of all ranges: `depth` is how many ranges cover the bytes up to the
    # next edge
    edges = Counter({0: 0, size: 0})
    for start, end in ranges:
        edges[start] += 1
        edges[end] -= 1
    depth = 0
    for at, after in pairwise(sorted(edges)):
        depth += edges[at]
        if depth != (times if after <= size else 0):
            return f"{depth} in [{at}, {after})"
    return str(times)


def _shuffle_rows(
    maps: Sequence[MapResult], reduces: Sequence[ReduceResult], partitions: int
) -> list[LedgerRow]:
    rows = [
        LedgerRow(
            what="partitions reduced", unit="partitions", expected=partitions, found=len(reduces)
        )
    ]
    for number, reduced in enumerate(reduces[:partitions]):
        rows += [
            LedgerRow(
                what=f"partition {number}",
                unit="pairs",
                expected=reduced.records_indexed,
                found=reduced.records_in,
            ),
            LedgerRow(
                what=f"partition {number}",
                unit="checksum",
                expected=f"{reduced.checksum_indexed:016x}",
                found=f"{reduced.checksum_in:016x}",
            ),
        ]
    if partitions:
        rows += _whole_shuffle(maps, reduces)
    return rows


def _joined_rows(
    joined: Sequence[JoinedPart], reduces: Sequence[ReduceResult]
) -> Iterator[LedgerRow]:
    """Yield the sums of the parts that are joined."""
    for number, (part, reduced) in enumerate(zip(joined, reduces, strict=False)):
        what = f"joined part {number}"
        yield LedgerRow(what=what, unit="pairs", expected=part.records, found=reduced.joined_in)
        yield LedgerRow(
            what=what,
            unit="checksum",
            expected=f"{part.checksum:016x}",
            found=f"{reduced.joined_checksum:016x}",
        )


def _whole_shuffle(
    maps: Sequence[MapResult], reduces: Sequence[ReduceResult]
) -> Iterator[LedgerRow]:
    """Yield the sums over all partitions: what the maps report against what the reduces read."""
    written = sum(result.blocks.seal for result in maps if result.blocks) % CHECKSUM_MODULO
    read = sum(result.seal for result in reduces) % CHECKSUM_MODULO
    yield LedgerRow(
        what="all partitions",
        unit="pairs",
        expected=sum(result.records_out for result in maps),
        found=sum(result.records_in for result in reduces),
    )
    yield LedgerRow(
        what="all partitions",
        unit="seal of the blocks",
        expected=f"{written:016x}",
        found=f"{read:016x}",
    )
