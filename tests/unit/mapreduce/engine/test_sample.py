"""A sample of the keys passes over records that fail: their map task says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mapreduce import Csv, Job, Sum
from mapreduce.encoding import encode_key
from mapreduce.engine.sample import key_boundaries
from mapreduce.engine.split import run_split
from mapreduce.errors import UserCodeError
from mapreduce.wire.messages import SplitTask
from tests.unit.mapreduce.engine_run import engine


class Rows(Job):
    """Rows of CSV."""

    input_format = Csv()
    reduce = Sum()

    def map(self, key: int, row: dict[str, str]) -> Iterator[tuple[str, int]]:
        yield row["k"], int(row["v"])


class BySql(Job):
    """The same rows by SQL."""

    input_format = Csv()
    reduce = Sum()
    map_sql = "SELECT k AS key, CAST(v AS BIGINT) AS value FROM records"


class ByArrow(Job):
    """The same rows by Arrow."""

    input_format = Csv()
    reduce = Sum()

    def map_arrow(self, table: Any) -> Any:
        return table.column("k"), [int(value) for value in table.column("v")]


class NumbersBySql(Job):
    """Rows of CSV by a number, which may be none that a key supports."""

    input_format = Csv()
    reduce = Sum()
    map_sql = "SELECT CAST(k AS DOUBLE) AS key, 1 AS value FROM records"


class Wrong(BySql):
    """SQL that fails for any record."""

    map_sql = "SELECT k AS key, w AS value FROM records"


def middle(job: type[Job], content: bytes) -> bytes:
    """Return the key between two ranges."""
    with engine(job) as stages:
        inputs = stages.put([content], Csv())
        context = stages.context()
        options = {"run": "run-1", "store": stages.store, "inputs": inputs, "cut": {"splits": 1}}
        split = run_split(SplitTask.model_validate(options), context).splits[0]
        (boundary,) = key_boundaries(stages.spec, split.pieces, 2, context)
        return boundary


@pytest.mark.parametrize("job", [Rows, BySql, ByArrow])
@pytest.mark.parametrize("bad", [b"z,none\n", b"z,1,2\n", b"z\n"])
def test_records_that_fail_have_no_keys(job: type[Job], bad: bytes) -> None:
    """The ranges are those of the other records."""
    rows = [b"%c,%d\n" % (97 + number % 5, number) for number in range(100)]
    content = b"k,v\n" + b"".join(rows[:50]) + bad + b"".join(rows[50:])
    assert encode_key("b") <= middle(job, content) <= encode_key("d")


def test_sql_that_fails_for_any_record_ends_the_sample() -> None:
    """Its error is raised at once."""
    with pytest.raises(UserCodeError, match='"w" not found'):
        middle(Wrong, b"k,v\na,1\n")


def test_keys_that_no_record_supports_are_passed_over() -> None:
    """The ranges are those of the other keys."""
    rows = [b"%d\n" % (number % 5) for number in range(50)]
    assert encode_key(2.0) == middle(NumbersBySql, b"k\nnan\n" + b"".join(rows) + b"inf\n")
