"""The sizes of a benchmark: tiny, for tests; quick, default, or full."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

from bench.corpus import Corpus

MB = 1_000_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of the inputs, in bytes; of pairs, lines, rows and records, their
    number.

    `slice_bytes` is the input of contenders that would take hours for the whole, `sort_bytes` of
    those that would take minutes; their throughput is compared. `joins` are the rows of the left
    and the right table, of a small and a large join; `table_rows` those of a group-by over columns,
    `row_rows` of one by a Python function for each row. `files` is how many files the incremental
    case begins with, `slow_maps` how many map outputs the reduce over a slow S3 reads. `books` is a
    folder of texts, the source of the text.
    """

    name: str
    repeats: int
    text_bytes: int
    python_bytes: int
    slice_bytes: int
    sort_bytes: int
    pairs: int
    keys: int
    growth_bytes: tuple[int, ...]
    mapper_counts: tuple[int, ...]
    mappers_bytes: int
    memory_bytes: int
    split_bytes: tuple[int, ...]
    lines: int
    rows: int
    records: int
    task_memory_bytes: int
    s3_bytes: int
    job_bytes: int
    job_lines: int
    points: int
    edges: int
    joins: tuple[tuple[int, int], ...]
    table_rows: int
    row_rows: int
    files: int
    slow_maps: int
    books: Path | None = None

    def text(self, size_bytes: int) -> Corpus:
        """Return a text of this size."""
        return Corpus("text", size_bytes, books=self.books)

    def drawn_pairs(self) -> Corpus:
        """Return the pairs; of n keys drawn 4 n times, about 98 % occur."""
        return Corpus("pairs", self.pairs, self.keys)

    def h2o_rows(self) -> Corpus:
        """Return rows of H2O.ai's generator; 10 million have 0.5 GB, and its hundred groups.

        Fewer rows have fewer groups, so that each of two keys has the rows of a correlation.
        """
        return Corpus("h2o", self.rows, min(100, isqrt(self.rows) // 5))

    def sort_records(self) -> Corpus:
        """Return records of 100 bytes; 20 million have 2 GB."""
        return Corpus("records", self.records)

    def distinct_lines(self) -> Corpus:
        """Return distinct lines of 64 characters."""
        return Corpus("lines", self.lines)


DEFAULT = Scale(
    name="default",
    repeats=3,
    text_bytes=1000 * MB,
    python_bytes=200 * MB,
    slice_bytes=20 * MB,
    sort_bytes=100 * MB,
    pairs=20_000_000,
    keys=5_000_000,
    growth_bytes=(MB, 10 * MB, 100 * MB, 1000 * MB),
    mapper_counts=(1, 2, 3, 5, 10),
    mappers_bytes=300 * MB,
    memory_bytes=1024 * MIB,
    split_bytes=(64 * MIB, 256 * MIB, 1024 * MIB),
    lines=4_000_000,
    rows=10_000_000,
    records=20_000_000,
    task_memory_bytes=256 * MIB,
    s3_bytes=100 * MB,
    job_bytes=200 * MB,
    job_lines=4_000_000,
    points=500_000,
    edges=1_000_000,
    joins=((3_600_000, 100_000), (10_000_000, 1_000_000)),
    table_rows=17_000_000,
    row_rows=2_000_000,
    files=100,
    slow_maps=1000,
)
QUICK = replace(
    DEFAULT,
    name="quick",
    repeats=1,
    text_bytes=20 * MB,
    python_bytes=10 * MB,
    slice_bytes=2 * MB,
    sort_bytes=10 * MB,
    pairs=400_000,
    keys=100_000,
    growth_bytes=(MB, 10 * MB, 20 * MB),
    mapper_counts=(1, 2, 3),
    mappers_bytes=20 * MB,
    memory_bytes=32 * MIB,
    split_bytes=(2 * MIB, 8 * MIB, 32 * MIB),
    lines=400_000,
    rows=200_000,
    records=200_000,
    s3_bytes=10 * MB,
    job_bytes=10 * MB,
    job_lines=200_000,
    points=50_000,
    edges=50_000,
    joins=((200_000, 5_000), (400_000, 40_000)),
    table_rows=500_000,
    row_rows=200_000,
    slow_maps=100,
)
TINY = replace(
    QUICK,
    name="tiny",
    text_bytes=MB // 2,
    python_bytes=MB // 4,
    slice_bytes=MB // 10,
    sort_bytes=MB // 4,
    pairs=10_000,
    keys=2_500,
    growth_bytes=(MB // 4,),
    mapper_counts=(2,),
    mappers_bytes=MB // 2,
    memory_bytes=2 * MIB,
    split_bytes=(MIB, 2 * MIB),
    lines=20_000,
    rows=3_000,
    records=3_000,
    s3_bytes=MB // 2,
    job_bytes=MB // 4,
    job_lines=5_000,
    points=2_000,
    edges=2_000,
    joins=((4_000, 100), (5_000, 500)),
    table_rows=10_000,
    row_rows=5_000,
    files=5,
    slow_maps=10,
)
FULL = replace(
    DEFAULT,
    name="full",
    growth_bytes=(*DEFAULT.growth_bytes, 4000 * MB),
    memory_bytes=4096 * MIB,
    split_bytes=(*DEFAULT.split_bytes, 4096 * MIB),
    lines=4_000_000_000 // 65,
    task_memory_bytes=512 * MIB,
)


def size_text(size_bytes: int) -> str:
    """Return `64 MiB` for a whole number of MiB, else `100 MB`."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (1000 * MB, "GB"), (MB, "MB")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit} {name}"
    return f"{size_bytes / MB:.1f} MB"
