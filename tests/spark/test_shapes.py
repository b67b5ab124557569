"""The ready-made jobs, and a job over each kind of input, on Spark: their pairs are those of a run
in one process without the engine.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from bench.social_graph import write_graph
from driver.plan.events import EngineOnSpark
from mapreduce.check.reference import plain_answer
from mapreduce.errors import StageFailed
from tests.spark.runs import Place, Run, counted
from tests.unit.mapreduce.engine_run import as_json
from tests.unit.mapreduce_jobs.test_log_statistics import HEAD

SHAPES = '''
from mapreduce import *


class Rows(Job):
    """A table of rows with quoted line ends."""

    input_format = Csv()
    reduce = Sum()
    columns = ("country", "cents")

    def map(self, offset, row):
        yield row["country"], int(row["cents"])


class Objects(Rows):
    """JSON objects."""

    input_format = JsonLines()


class Columns(Rows):
    """Rows of Parquet."""

    input_format = Parquet()


class Packed(Job):
    """Compressed text, which is one split."""

    reduce = Count()

    def map(self, offset, line):
        yield line[:2], None


class Whole(Job):
    """A file as one record."""

    input_format = WholeFile()

    def map(self, name, content):
        yield self.source.rpartition("/")[2], len(content)


class Fixed(Job):
    """Records of a fixed length."""

    input_format = FixedLength(length=8)
    reduce = CollectList()

    def map(self, offset, record):
        yield record[:1].decode("latin-1"), offset


class Two(Job):
    """Inputs with names, each of its own format."""

    input_format = {"rows": Csv(), "objects": JsonLines()}
    reduce = Mean()

    def map(self, offset, row):
        yield (self.input, row["country"]), float(row["cents"])


class Ordered(Job):
    """A total order that keeps the order of the pairs, downwards."""

    input_format = Csv()
    total_order = True
    keep_order = True

    def map(self, offset, row):
        yield Descending(int(row["cents"])), row["country"]

    def reduce(self, cents, countries):
        yield from ((cents.value, country) for country in countries)

    def reduce_cleanup(self):
        self.count("reduce tasks")


class Bad(Job):
    """A malformed record."""

    input_format = JsonLines()
    reduce = Sum()

    def map(self, offset, row):
        yield row["country"], 1
'''


def _inputs(folder: Path) -> None:
    """Write an input of each kind."""
    chance = random.Random(7)
    rows = [(chance.choice("DE FR NP".split()), number * 37 % 101) for number in range(400)]
    quoted = "".join(f'{country},{cents},"one\n""two"""\n' for country, cents in rows)
    (folder / "rows.csv").write_text(f"country,cents,note\n{quoted}")
    lines = [json.dumps({"country": country, "cents": cents}) + "\n" for country, cents in rows]
    (folder / "objects.jsonl").write_text("".join(lines))
    (folder / "broken.jsonl").write_text("".join([*lines[:50], '{"country": \n', *lines[50:]]))
    (folder / "packed.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    (folder / "fixed.bin").write_bytes(chance.randbytes(8 * 300))
    write_graph(folder / "graph.txt", users=60, friends=4, seed=2)
    (folder / "links.txt").write_text("".join(f"n{n}\tn{n * 7 % 11},e{n}\n" for n in range(20)))
    points = [f"{chance.gauss(n % 3 * 4, 1)!r},{chance.gauss(n % 2 * 5, 1)!r}\n" for n in range(90)]
    (folder / "points.csv").write_text("".join(points))
    (folder / "access.log").write_text(
        "".join(f'{HEAD} "GET /{n % 5} HTTP/1.0" 200 {n * 31 % 57}\n' for n in range(300))
    )
    import duckdb

    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('{folder}/rows.csv')) TO '{folder}/rows.parquet' "
        "(FORMAT parquet, ROW_GROUP_SIZE 2048)"
    )


JOBS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "rows of CSV": ("Rows", ("rows.csv",), {}),
    "objects of JSON": ("Objects", ("objects.jsonl",), {}),
    "columns of Parquet": ("Columns", ("rows.parquet",), {}),
    "compressed": ("Packed", ("packed.txt.gz", "objects.jsonl"), {}),
    "whole files": ("Whole", ("rows.csv", "fixed.bin"), {}),
    "fixed length": ("Fixed", ("fixed.bin",), {}),
    "two inputs": ("Two", ("rows=rows.csv", "objects=objects.jsonl"), {}),
    "in order": ("Ordered", ("rows.csv",), {}),
    "join": ("mapreduce_jobs.join", ("left=rows.csv", "right=rows.csv"), {"on": "cents"}),
    "outer join": (
        "mapreduce_jobs.join",
        ("left=rows.csv", "right=few.csv"),
        {"on": "country", "how": "left"},
    ),
    "distinct": ("mapreduce_jobs.distinct", ("one.txt", "two.txt"), {}),
    "grep": ("mapreduce_jobs.grep", ("one.txt", "two.txt"), {"pattern": "(?i)the (end|best)"}),
    "sort": ("mapreduce_jobs.sort", ("one.txt", "two.txt"), {}),
    "n-grams": ("mapreduce_jobs.n_grams", ("one.txt", "two.txt"), {"n": "3"}),
    "top": ("mapreduce_jobs.top_k", ("one.txt", "two.txt"), {"k": "3"}),
    "words by batches": ("mapreduce_jobs.word_count_batch", ("one.txt", "two.txt"), {}),
    "index": ("mapreduce_jobs.inverted_index", ("one.txt", "two.txt"), {}),
    "statistics": ("mapreduce_jobs.log_statistics", ("access.log",), {}),
    "friends": ("mapreduce_jobs.friend_recommendation", ("graph.txt",), {}),
    "streaming": (
        "mapreduce_jobs.streaming",
        ("one.txt", "two.txt"),
        {"mapper": "tr -s ' ' '\\n' | sed 's/$/\\t1/'", "reducer": "uniq -c"},
    ),
    "page rank": ("mapreduce_jobs.page_rank", ("links.txt",), {"max_iterations": "2"}),
    "k-means": ("mapreduce_jobs.k_means", ("points.csv",), {"k": "2", "max_iterations": "2"}),
}


@pytest.fixture
def folder(home: Path) -> Path:
    """The folder of the shared inputs, with one of each kind."""
    _inputs(home)
    (home / "few.csv").write_text("country,capital\nDE,Berlin\nFR,Paris\n")
    (home / "some_jobs.py").write_text(SHAPES)
    return home


@pytest.mark.parametrize("place", ["cluster", "cluster and S3"], indirect=True)
@pytest.mark.parametrize("shape", JOBS)
def test_the_pairs_of_a_shape(place: Place, folder: Path, shape: str) -> None:
    """The pairs are those of the plain run, and the ledger balances."""
    name, inputs, parameters = JOBS[shape]
    run = Run(place, folder, name, 2, inputs, **parameters)
    report = run.report()
    parts = run.parts(report)
    expected = as_json(plain_answer(run.job(), run.contents()))
    found = [pair for part in parts for pair in part]
    assert expected
    assert counted(expected) == counted(found)
    assert report.ledger.balanced
    engine = [event for event in run.log.events if isinstance(event, EngineOnSpark)]
    assert engine
    assert not any(event.missing for event in engine)
    if shape == "in order":
        assert [int(pair[0]) for pair in found] == sorted((int(p[0]) for p in found), reverse=True)
        assert report.counters == {"reduce tasks": 2}


@pytest.mark.parametrize("place", ["cluster", "cluster and S3"], indirect=True)
def test_a_malformed_record(place: Place, folder: Path) -> None:
    """A malformed record ends the run with its place."""
    run = Run(place, folder, "Bad", 2, ("broken.jsonl",))
    with pytest.raises(StageFailed, match="JSON") as caught:
        run.report()
    (error,) = {error for errors in caught.value.failures.values() for error in errors}
    assert "broken.jsonl at byte" in f"{error.message} {error.place}"
