"""The ledger finds everything that is lost, repeated or changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapreduce.engine.block_index import index_of, sealed, sum_of
from mapreduce.engine.ledger import LedgerRow, balance
from mapreduce.wire.messages import (
    Block,
    BlocksSum,
    Cost,
    InputObject,
    JoinedPart,
    MapResult,
    RangeRead,
    ReduceResult,
)

A, B = "s3://books/a", "s3://books/b"
COST = Cost(seconds=0.0, peak_memory_bytes=0)
INPUTS = (InputObject(url=A, size=100, etag="1"), InputObject(url=B, size=50, etag="2"))
ETAGS = {A: "1", B: "2"}


def block(records: int, checksum: int) -> Block:
    """Return a block with this count and checksum."""
    return Block(offset=0, length=0, records=records, checksum=checksum, integers=True)


def together(blocks: list[tuple[int, int]]) -> BlocksSum | None:
    """What a map reports of its blocks, one for each partition."""
    made = [block(*sums) for sums in blocks]
    return sum_of(made, index_of(made)) if made else None


def mapped(pieces: list[tuple[str, int, int]], blocks: list[tuple[int, int]]) -> MapResult:
    """Return a map's result: (source, start, bytes) of its pieces, (records, checksum) of its
    blocks.
    """
    return MapResult(
        url="m",
        etag="",
        size=0,
        pieces=tuple(
            RangeRead(source=url, start=start, bytes_owned=size) for url, start, size in pieces
        ),
        records_in=10,
        records_out=sum(records for records, _ in blocks),
        blocks=together(blocks),
        counters={},
        cost=COST,
    )


def reduced(
    partition: int,
    blocks: list[tuple[int, int]],
    records: int | None = None,
    checksum: int | None = None,
) -> ReduceResult:
    """A reduce's result: (records, checksum) of the index entries that it found, and what it read
    if that is something else.
    """
    indexed = sum(count for count, _ in blocks), sum(each for _, each in blocks) % (1 << 64)
    return ReduceResult(
        url="r",
        etag="",
        size=0,
        bytes_in=0,
        records_in=indexed[0] if records is None else records,
        checksum_in=indexed[1] if checksum is None else checksum,
        records_indexed=indexed[0],
        checksum_indexed=indexed[1],
        seal=sealed((partition, block(*sums)) for sums in blocks),
        records_out=1,
        top=(),
        counters={},
        cost=COST,
    )


def maps() -> list[MapResult]:
    """Return two maps, which split input A at 50 and share the pairs of two partitions."""
    return [
        mapped([(A, 0, 50)], [(3, (1 << 64) - 1), (1, 10)]),
        mapped([(A, 50, 50), (B, 0, 50)], [(4, 5), (0, 0)]),
    ]


def reduces() -> list[ReduceResult]:
    """Return the reduces that belong to `maps`; the checksums add up modulo 2**64."""
    return [reduced(0, [(3, (1 << 64) - 1), (4, 5)]), reduced(1, [(1, 10), (0, 0)])]


def test_whole_run() -> None:
    """A complete run balances, and its totals are sums."""
    ledger = balance(INPUTS, maps(), reduces(), ETAGS, 2)
    assert ledger.balanced
    assert (150, 20, 8, 2) == (
        ledger.bytes_in,
        ledger.records_in,
        ledger.pairs_shuffled,
        ledger.records_out,
    )


def drop_map(facts: dict[str, Any]) -> None:
    """Lose a map's result."""
    facts["maps"].pop()


def double_map(facts: dict[str, Any]) -> None:
    """Count a map's result twice."""
    facts["maps"].append(facts["maps"][0])


def short_map(facts: dict[str, Any]) -> None:
    """Let a map read a byte less."""
    facts["maps"][0] = mapped([(A, 0, 49)], [(3, (1 << 64) - 1), (1, 10)])


def one_map_in_place_of_another(facts: dict[str, Any]) -> None:
    """Read one map's range twice, and the other's never."""
    facts["maps"] = [
        mapped([(A, 0, 50)], [(7, 4), (1, 10)]),
        mapped([(A, 0, 50), (B, 0, 50)], [(0, 0), (0, 0)]),
    ]


def strange_input(facts: dict[str, Any]) -> None:
    """Let a map read an object that is no input."""
    facts["maps"].append(mapped([("s3://books/c", 0, 1)], []))


def lost_pair(facts: dict[str, Any]) -> None:
    """A reduce read a pair less."""
    facts["reduces"][0] = reduced(0, [(3, (1 << 64) - 1), (4, 5)], records=6)


def other_pairs(facts: dict[str, Any]) -> None:
    """A reduce read other pairs, as many."""
    facts["reduces"][1] = reduced(1, [(1, 10), (0, 0)], checksum=11)


def swapped_partitions(facts: dict[str, Any]) -> None:
    """Each of two reduces read the blocks of the other's partition."""
    facts["reduces"] = [
        reduced(0, [(1, 10), (0, 0)]),
        reduced(1, [(3, (1 << 64) - 1), (4, 5)]),
    ]


def lost_block(facts: dict[str, Any]) -> None:
    """A reduce did not look at one map's output."""
    facts["reduces"][0] = reduced(0, [(4, 5)])


def double_block(facts: dict[str, Any]) -> None:
    """A reduce read one map's block in place of another's, which is as long."""
    facts["maps"] = [
        mapped([(A, 0, 100)], [(3, 7), (1, 10)]),
        mapped([(B, 0, 50)], [(3, 8), (0, 0)]),
    ]
    facts["reduces"] = [reduced(0, [(3, 7), (3, 7)]), reduced(1, [(1, 10), (0, 0)])]


def lost_partition(facts: dict[str, Any]) -> None:
    """Lose a part."""
    facts["reduces"].pop()


def changed_input(facts: dict[str, Any]) -> None:
    """Change an input."""
    facts["etags"][B] = "3"


def lost_input(facts: dict[str, Any]) -> None:
    """Delete an input."""
    del facts["etags"][A]


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (drop_map, {"bytes of s3://books/a", "bytes of s3://books/b", "all partitions"}),
        (double_map, {"bytes of s3://books/a", "all partitions"}),
        (short_map, {"bytes of s3://books/a"}),
        (strange_input, {"bytes of s3://books/c"}),
        (lost_pair, {"partition 0", "all partitions"}),
        (other_pairs, {"partition 1"}),
        (swapped_partitions, {"all partitions"}),
        (lost_block, {"all partitions"}),
        (double_block, {"all partitions"}),
        (lost_partition, {"partitions reduced", "all partitions"}),
        (changed_input, {"ETag of s3://books/b"}),
        (lost_input, {"ETag of s3://books/a"}),
    ],
)
def test_discrepancies(harm: Callable[[dict[str, Any]], None], expected: set[str]) -> None:
    """Each loss, repetition or change is named by its sum, and by no other."""
    facts: dict[str, Any] = {"maps": maps(), "reduces": reduces(), "etags": dict(ETAGS)}
    harm(facts)
    ledger = balance(INPUTS, facts["maps"], facts["reduces"], facts["etags"], 2)
    assert not ledger.balanced
    assert expected == {row.what for row in ledger.discrepancies}


def test_range_read_twice_in_place_of_another() -> None:
    """A range that is read twice does not balance a lost one of the same length."""
    facts: dict[str, Any] = {}
    one_map_in_place_of_another(facts)
    ledger = balance(INPUTS, facts["maps"], reduces(), ETAGS, 2)
    assert not ledger.balanced


def test_too_many_reduces() -> None:
    """More reduces than partitions are a discrepancy, and do not raise."""
    ledger = balance(INPUTS, maps(), [*reduces(), reduced(2, [])], ETAGS, 2)
    assert "partitions reduced" in {row.what for row in ledger.discrepancies}


def test_input_given_twice() -> None:
    """An input that is given twice must be read twice."""
    twice = (*INPUTS, INPUTS[1])
    assert not balance(twice, maps(), reduces(), ETAGS, 2).balanced
    more = [*maps(), mapped([(B, 0, 50)], [(0, 0), (0, 0)])]
    read = [
        reduced(0, [(3, (1 << 64) - 1), (4, 5), (0, 0)]),
        reduced(1, [(1, 10), (0, 0), (0, 0)]),
    ]
    assert balance(twice, more, read, ETAGS, 2).balanced


def _row(what: str, unit: str, expected: int | str, found: int | str) -> LedgerRow:
    return LedgerRow(what=what, unit=unit, expected=expected, found=found)


def test_every_sum_of_a_run_is_a_row() -> None:
    """The rows have each input's bytes, number of reads and ETag, and each partition's pairs and
    checksum.
    """
    checksums = f"{4:016x}", f"{10:016x}"
    first = sealed(enumerate([block(3, (1 << 64) - 1), block(1, 10)]))
    second = sealed(enumerate([block(4, 5), block(0, 0)]))
    seal = f"{(first + second) % (1 << 64):016x}"
    assert (
        _row(f"bytes of {A}", "bytes", 100, 100),
        _row(f"bytes of {A}", "times each", "1", "1"),
        _row(f"bytes of {B}", "bytes", 50, 50),
        _row(f"bytes of {B}", "times each", "1", "1"),
        _row("partitions reduced", "partitions", 2, 2),
        _row("partition 0", "pairs", 7, 7),
        _row("partition 0", "checksum", checksums[0], checksums[0]),
        _row("partition 1", "pairs", 1, 1),
        _row("partition 1", "checksum", checksums[1], checksums[1]),
        _row("all partitions", "pairs", 8, 8),
        _row("all partitions", "seal of the blocks", seal, seal),
        _row(f"ETag of {A}", "", "1", "1"),
        _row(f"ETag of {B}", "", "2", "2"),
    ) == balance(INPUTS, maps(), reduces(), ETAGS, 2).rows


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([(0, 60), (40, 60)], "2 in [40, 60)"),
        ([(0, 40), (60, 40)], "0 in [40, 60)"),
        ([(10, 90)], "0 in [0, 10)"),
        ([(0, 90)], "0 in [90, 100)"),
        ([(0, 101)], "1 in [100, 101)"),
        ([(0, 100), (120, 0)], "1"),
        ([], "0 in [0, 100)"),
        ([(0, 100), (0, 100)], "2 in [0, 100)"),
    ],
)
def test_the_first_range_that_was_not_read_once_is_named(
    pieces: list[tuple[int, int]], found: str
) -> None:
    """The first range that was not read exactly once is named, with its number of reads."""
    read = [mapped([(A, start, size)], []) for start, size in pieces]
    rows = balance(INPUTS[:1], read, [], ETAGS, 0).rows
    assert ("times each", "1", found) == (rows[1].unit, rows[1].expected, rows[1].found)


def test_an_object_that_is_no_input_is_expected_nowhere() -> None:
    """An object that is no input is expected 0 times, and an unread input is missing."""
    ledger = balance(INPUTS[1:], [mapped([(A, 5, 5)], [])], [], {B: "2"}, 0)
    assert (
        _row(f"bytes of {B}", "bytes", 50, 0),
        _row(f"bytes of {B}", "times each", "1", "0 in [0, 50)"),
        _row(f"bytes of {A}", "bytes", 0, 5),
        _row(f"bytes of {A}", "times each", "0", "1 in [5, 10)"),
    ) == ledger.rows[:4]


def test_an_input_that_was_unpacked_is_read_in_its_unpacked_length() -> None:
    """An unpacked input is compared by its unpacked length, and the run's bytes are the inputs'
    own.
    """
    unpacked = {A: 300}
    read = [mapped([(A, 0, 300), (B, 0, 50)], [])]
    ledger = balance(INPUTS, read, [], ETAGS, 0, unpacked)
    assert ledger.balanced
    assert 150 == ledger.bytes_in
    assert not balance(INPUTS, read, [], ETAGS, 0).balanced


def test_without_partitions_the_maps_write_the_result() -> None:
    """Without partitions nothing is shuffled, and the maps' records are the result."""
    ledger = balance(INPUTS, maps(), [], ETAGS, 0)
    assert (0, 8, 20) == (ledger.pairs_shuffled, ledger.records_out, ledger.records_in)
    assert ledger.balanced


def test_an_input_that_is_gone_has_no_etag() -> None:
    """A missing input has the ETag "", and is expected with its planned one."""
    *_, row = balance(INPUTS[:1], [mapped([(A, 0, 100)], [])], [], {}, 0).rows
    assert _row(f"ETag of {A}", "", "1", "") == row


@pytest.mark.parametrize(
    ("change", "etag", "what"),
    [
        ({}, "3", ""),
        ({"joined_in": 5}, "3", "joined part 1"),
        ({"joined_checksum": 9}, "3", "joined part 1"),
        ({}, "4", "ETag of s3://pairs/1"),
    ],
)
def test_joined_parts(change: dict[str, int], etag: str, what: str) -> None:
    """Each pair of an earlier step's part is read once, and the part is still there; its pairs are
    none of those that were shuffled.
    """
    joined = [
        JoinedPart(url=f"s3://pairs/{n}", size=1, etag="3", digest="d", records=n, checksum=7 + n)
        for n in range(2)
    ]
    read = [
        each.model_copy(update={"joined_in": n, "joined_checksum": 7 + n})
        for n, each in enumerate(reduces())
    ]
    read[1] = read[1].model_copy(update=change)
    etags = ETAGS | {"s3://pairs/0": "3", "s3://pairs/1": etag}
    ledger = balance(INPUTS, maps(), read, etags, 2, joined=joined)
    assert ([what] if what else []) == [row.what for row in ledger.discrepancies]
    assert 8 == ledger.pairs_shuffled
