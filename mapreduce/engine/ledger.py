"""What went in is what came out: the sums that must agree before a run's result counts. Decides, and does no I/O.

Three laws:
1. of each input, the bytes that the maps' records came to are the bytes that it has;
2. for each partition, the pairs and checksums that the maps wrote are those that its reduce read;
3. each input still has the ETag that it was planned with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from mapreduce.engine.frames import CHECKSUM_MODULO
from mapreduce.messages import InputObject, MapResult, Message, ReduceResult


class LedgerRow(Message):
    """One sum: what was expected and what was found, in `unit`s."""

    what: str
    unit: str
    expected: int | str
    found: int | str

    @property
    def balances(self) -> bool:
        """True when both sides agree."""
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
        """True when nothing was lost and nothing came twice."""
        return not self.discrepancies


def balance(
    inputs: Sequence[InputObject],
    maps: Sequence[MapResult],
    reduces: Sequence[ReduceResult],
    etags: dict[str, str],
    partitions: int,
) -> Ledger:
    """The ledger of a run.

    Args:
        inputs: as planned.
        maps: the winning attempts, one a map task.
        reduces: the winning attempts, one a partition, in order.
        etags: the inputs' ETags now, by URL ("" for one that is gone).
        partitions: how many there should be.
    """
    rows = [*_input_rows(inputs, maps), *_shuffle_rows(maps, reduces, partitions)]
    rows += [
        LedgerRow(what=f"ETag of {given.url}", unit="", expected=given.etag, found=etags.get(given.url, ""))
        for given in inputs
    ]
    return Ledger(
        rows=tuple(rows),
        bytes_in=sum(given.size for given in inputs),
        records_in=sum(result.records_in for result in maps),
        pairs_shuffled=sum(result.records_out for result in maps),
        records_out=sum(result.records_out for result in reduces),
    )


def _input_rows(inputs: Sequence[InputObject], maps: Sequence[MapResult]) -> list[LedgerRow]:
    given_bytes: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for given in inputs:
        given_bytes[given.url] += given.size
    for result in maps:
        for piece in result.pieces:
            read[piece.source] += piece.bytes_owned
    return [
        LedgerRow(what=f"bytes of {url}", unit="bytes", expected=given_bytes[url], found=read[url])
        for url in dict.fromkeys([*given_bytes, *read])
    ]


def _shuffle_rows(maps: Sequence[MapResult], reduces: Sequence[ReduceResult], partitions: int) -> list[LedgerRow]:
    rows = [LedgerRow(what="partitions reduced", unit="partitions", expected=partitions, found=len(reduces))]
    for number, reduced in enumerate(reduces):
        blocks = [result.blocks[number] for result in maps]
        written = sum(block.checksum for block in blocks) % CHECKSUM_MODULO
        records = sum(block.records for block in blocks)
        rows += [
            LedgerRow(what=f"partition {number}", unit="pairs", expected=records, found=reduced.records_in),
            LedgerRow(
                what=f"partition {number}",
                unit="checksum",
                expected=f"{written:016x}",
                found=f"{reduced.checksum_in:016x}",
            ),
        ]
    return rows
