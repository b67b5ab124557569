"""Whatever is lost, comes twice or changes, the ledger says which sum does not balance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapreduce.engine.ledger import balance
from mapreduce.wire.messages import Block, Cost, InputObject, MapResult, RangeRead, ReduceResult

A, B = "s3://books/a", "s3://books/b"
COST = Cost(seconds=0.0, peak_memory_bytes=0)
INPUTS = (InputObject(url=A, size=100, etag="1"), InputObject(url=B, size=50, etag="2"))
ETAGS = {A: "1", B: "2"}


def block(records: int, checksum: int) -> Block:
    """A block of which only count and checksum matter."""
    return Block(offset=0, length=0, records=records, checksum=checksum, integers=True)


def mapped(pieces: list[tuple[str, int, int]], blocks: list[tuple[int, int]]) -> MapResult:
    """A map's result: (source, start, bytes) of its pieces, (records, checksum) of its blocks."""
    return MapResult(
        url="m",
        etag="",
        size=0,
        pieces=tuple(
            RangeRead(source=url, start=start, bytes_owned=size) for url, start, size in pieces
        ),
        records_in=10,
        records_out=sum(records for records, _ in blocks),
        blocks=tuple(block(*sums) for sums in blocks),
        counters={},
        cost=COST,
    )


def reduced(records: int, checksum: int) -> ReduceResult:
    """A reduce's result of which only what it read matters."""
    return ReduceResult(
        url="r",
        etag="",
        size=0,
        bytes_in=0,
        records_in=records,
        checksum_in=checksum,
        records_out=1,
        top=(),
        counters={},
        cost=COST,
    )


def maps() -> list[MapResult]:
    """Two maps, which split input A at 50 and share the pairs of two partitions."""
    return [
        mapped([(A, 0, 50)], [(3, (1 << 64) - 1), (1, 10)]),
        mapped([(A, 50, 50), (B, 0, 50)], [(4, 5), (0, 0)]),
    ]


def reduces() -> list[ReduceResult]:
    """The two reduces that belong to `maps`; the checksums add up modulo 2**64."""
    return [reduced(7, 4), reduced(1, 10)]


def test_whole_run() -> None:
    """A run in which nothing is lost balances, and its totals are sums."""
    ledger = balance(INPUTS, maps(), reduces(), ETAGS, 2)
    assert ledger.balanced
    assert (150, 20, 8, 2) == (
        ledger.bytes_in,
        ledger.records_in,
        ledger.pairs_shuffled,
        ledger.records_out,
    )


def drop_map(facts: dict[str, Any]) -> None:
    """A map's result is lost."""
    facts["maps"].pop()


def double_map(facts: dict[str, Any]) -> None:
    """A map's result counts twice."""
    facts["maps"].append(facts["maps"][0])


def short_map(facts: dict[str, Any]) -> None:
    """A map read a byte less."""
    facts["maps"][0] = mapped([(A, 0, 49)], [(3, (1 << 64) - 1), (1, 10)])


def one_map_in_place_of_another(facts: dict[str, Any]) -> None:
    """One map's range was read twice, and the other's never."""
    facts["maps"] = [
        mapped([(A, 0, 50)], [(7, 4), (1, 10)]),
        mapped([(A, 0, 50), (B, 0, 50)], [(0, 0), (0, 0)]),
    ]


def strange_input(facts: dict[str, Any]) -> None:
    """A map read what is no input."""
    facts["maps"].append(mapped([("s3://books/c", 0, 1)], [(0, 0), (0, 0)]))


def lost_pair(facts: dict[str, Any]) -> None:
    """A reduce read a pair less."""
    facts["reduces"][0] = reduced(6, 4)


def other_pairs(facts: dict[str, Any]) -> None:
    """A reduce read other pairs, as many."""
    facts["reduces"][1] = reduced(1, 11)


def swapped_partitions(facts: dict[str, Any]) -> None:
    """Two parts are mixed up."""
    facts["reduces"].reverse()


def lost_partition(facts: dict[str, Any]) -> None:
    """A part is lost."""
    facts["reduces"].pop()


def changed_input(facts: dict[str, Any]) -> None:
    """An input is another now."""
    facts["etags"][B] = "3"


def lost_input(facts: dict[str, Any]) -> None:
    """An input is gone."""
    del facts["etags"][A]


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (drop_map, {"bytes of s3://books/a", "bytes of s3://books/b", "partition 0"}),
        (double_map, {"bytes of s3://books/a", "partition 0", "partition 1"}),
        (short_map, {"bytes of s3://books/a"}),
        (strange_input, {"bytes of s3://books/c"}),
        (lost_pair, {"partition 0"}),
        (other_pairs, {"partition 1"}),
        (swapped_partitions, {"partition 0", "partition 1"}),
        (lost_partition, {"partitions reduced"}),
        (changed_input, {"ETag of s3://books/b"}),
        (lost_input, {"ETag of s3://books/a"}),
    ],
)
def test_discrepancies(harm: Callable[[dict[str, Any]], None], expected: set[str]) -> None:
    """Each kind of loss, doubling or change is named by its sum, and by no other."""
    facts: dict[str, Any] = {"maps": maps(), "reduces": reduces(), "etags": dict(ETAGS)}
    harm(facts)
    ledger = balance(INPUTS, facts["maps"], facts["reduces"], facts["etags"], 2)
    assert not ledger.balanced
    assert expected == {row.what for row in ledger.discrepancies}


def test_range_read_twice_in_place_of_another() -> None:
    """A range that is read twice does not make up for one of the same length that is lost."""
    facts: dict[str, Any] = {}
    one_map_in_place_of_another(facts)
    ledger = balance(INPUTS, facts["maps"], reduces(), ETAGS, 2)
    assert not ledger.balanced


def test_too_many_reduces() -> None:
    """More reduces than partitions are a discrepancy too, not a crash."""
    ledger = balance(INPUTS, maps(), [*reduces(), reduced(0, 0)], ETAGS, 2)
    assert "partitions reduced" in {row.what for row in ledger.discrepancies}


def test_input_given_twice() -> None:
    """An input that was given twice must be read twice."""
    twice = (*INPUTS, INPUTS[1])
    assert not balance(twice, maps(), reduces(), ETAGS, 2).balanced
    more = [*maps(), mapped([(B, 0, 50)], [(0, 0), (0, 0)])]
    assert balance(twice, more, reduces(), ETAGS, 2).balanced
