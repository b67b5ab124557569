"""The questions that the jobs answer, and their right answers by plain Python loops over the input.

An answer is lines of bytes. Those in order are compared as they are, others in any order; those of
floats with a tolerance, as contenders add in different orders.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from xxhash import xxh3_64, xxh3_64_intdigest

from bench.answer import word_counts
from bench.generated import Table

CLOSE = 1e-9
"""How far floats may differ, relatively."""
DAMPING = 0.85
Compare = Literal["any order", "in order", "close"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an input.

    Attributes:
        name: the name of its cached right answer, with all that the answer depends on.
        right: yields the right answer's lines, given the input.
        line: returns the line of a key and value of ours.
        compare: how answers are compared; lines that are `close` are `name<TAB>number...`.
        source: returns the file that `right` reads, given that of the contender.
    """

    name: str
    right: Callable[[Path], Iterable[bytes]]
    line: Callable[[Any, Any], bytes]
    compare: Compare = "any order"
    source: Callable[[Path], Path] = Path

    def wrong(self, found: Iterable[bytes], path: Path) -> str:
        """Return why an answer is wrong, or ""; the right one is cached beside the input."""
        source = self.source(path)
        kept = source.with_name(f"{source.name}.{self.name}.right")
        if not kept.exists():
            kept.write_text(self.summed(self.right(source)))
        right, answer = kept.read_text(), self.summed(found)
        if self.compare == "close":
            return different(json.loads(answer), json.loads(right))
        return "" if answer == right else f"its answer is {answer}, the right one {right}"

    def summed(self, lines: Iterable[bytes]) -> str:
        """Return what is compared: the number of lines with a sum of their hashes, or a hash of
        all in order, or the numbers themselves.
        """
        if self.compare == "close":
            pairs = (line.decode().split() for line in lines)
            return json.dumps({name: [float(each) for each in given] for name, *given in pairs})
        return ordered(lines) if self.compare == "in order" else unordered(lines)


def ordered(lines: Iterable[bytes]) -> str:
    """Return the number of lines and a hash that depends on their order."""
    hashed, count = xxh3_64(), 0
    for line in lines:
        hashed.update(line)
        count += 1
    return f"{count} lines, {hashed.hexdigest()}"


def unordered(lines: Iterable[bytes]) -> str:
    """Return the number of lines and a sum of hashes, whatever their order."""
    total, count, several = 0, 0, iter(lines)
    while batch := list(islice(several, 100_000)):
        total += sum(map(xxh3_64_intdigest, batch))
        count += len(batch)
    return f"{count} lines, {total % (1 << 64):016x}"


def different(found: dict[str, list[float]], right: dict[str, list[float]]) -> str:
    """Return why numbers are not close to the right ones, or ""."""
    if found.keys() != right.keys():
        return f"it has {len(found)} names, and not the right {len(right)}"
    for name, numbers in right.items():
        mine = found[name]
        if len(mine) != len(numbers) or not all(
            math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE * 1e-6)
            for one, other in zip(mine, numbers, strict=True)
        ):
            return f"{name} has {mine}, and not {numbers}"
    return ""


def word_count() -> Question:
    """How often does each word occur, in a file or in those of a folder?"""

    def right(path: Path) -> Iterator[bytes]:
        total: Counter[str] = Counter()
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            total.update(word_counts(file))
        return (_counted(*pair) for pair in total.items())

    return Question("word-count", right, _counted)


def top_words(k: int) -> Question:
    """Which are the k most frequent words?"""

    def right(path: Path) -> Iterator[bytes]:
        best = sorted(word_counts(path).items(), key=lambda pair: (-pair[1], pair[0]))
        return (_counted(*pair) for pair in best[:k])

    return Question(
        f"top-{k}", right, lambda rank, pair: _counted(pair[0], pair[1]), compare="in order"
    )


def matching(pattern: str) -> Question:
    """Which lines match?"""
    search = re.compile(pattern.encode()).search

    def right(path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from (line for line in file if search(line))

    name = "grep-" + re.sub(r"\W", "_", pattern)
    return Question(name, right, lambda place, line: f"{line}\n".encode())


def sorted_lines() -> Question:
    """What are the lines in order?"""
    return Question("sorted", lambda path: sorted(_lines(path)), _key_line, compare="in order")


def distinct_lines() -> Question:
    """What lines are there?"""
    return Question("distinct", lambda path: set(_lines(path)), _key_line)


def sums(column: Literal["country", "user"], rows: int) -> Question:
    """What is the sum of the cents of each key of so many visits? Read from CSV for all formats."""

    def right(path: Path) -> Iterator[bytes]:
        totals: Counter[str] = Counter()
        place = {"country": 1, "user": 2}[column]
        with path.open(encoding="ascii") as file:
            next(file)
            for line in file:
                fields = line.split(",", 4)
                totals[fields[place]] += int(fields[3])
        return (_counted(*pair) for pair in totals.items())

    return Question(
        f"sums-{column}",
        right,
        _counted,
        source=lambda path: Table("csv", rows).made_in(path.parent),
    )


def joined() -> Question:
    """Which order is of which customer?"""

    def right(path: Path) -> Iterator[bytes]:
        with (path / "customers.csv").open("rb") as file:
            next(file)
            split = (line.rstrip(b"\n").partition(b",") for line in file)
            customers = {key: rest.replace(b",", b"\t") for key, _, rest in split}
        with (path / "orders.csv").open("rb") as file:
            next(file)
            for line in file:
                order, customer, cents = line.rstrip(b"\n").split(b",")
                if customer in customers:
                    yield b"%s\t%s\t%s\t%s\n" % (customer, order, cents, customers[customer])

    def line(key: str, rows: tuple[dict[str, str], dict[str, str]]) -> bytes:
        order, customer = rows
        return (
            f"{key}\t{order['order']}\t{order['cents']}\t{customer['name']}\t{customer['country']}\n"
        ).encode()

    return Question("joined", right, line)


def ranks(iterations: int) -> Question:
    """What is each node's PageRank after so many iterations?"""

    def right(path: Path) -> Iterator[bytes]:
        links: dict[str, list[str]] = {}
        with path.open(encoding="ascii") as file:
            for line in file:
                node, _, names = line.rstrip("\n").partition("\t")
                links[node] = names.split(",") if names else []
        found = page_ranks(links, iterations)
        return (f"{node}\t{rank!r}\n".encode() for node, rank in found.items())

    return Question(f"ranks-{iterations}", right, _number, compare="close")


def page_ranks(links: dict[str, list[str]], iterations: int) -> dict[str, float]:
    """Return the rank of each node; from a node without links the walk continues anywhere."""
    count = len(links)
    found = dict.fromkeys(links, 1 / count)
    for _ in range(iterations):
        lost = math.fsum(found[node] for node, targets in links.items() if not targets)
        rest = (1 - DAMPING + DAMPING * lost) / count
        new = dict.fromkeys(links, rest)
        for node, targets in links.items():
            for target in targets:
                new[target] += DAMPING * found[node] / len(targets)
        found = new
    return found


def clusters(centres: tuple[tuple[float, ...], ...], iterations: int) -> Question:
    """What are the centres and sizes of the clusters after so many iterations?"""

    def right(path: Path) -> Iterator[bytes]:
        with path.open(encoding="ascii") as file:
            points = [tuple(map(float, line.split(","))) for line in file]
        now: list[tuple[float, ...]] = list(centres)
        for _ in range(iterations):
            groups: list[list[tuple[float, ...]]] = [[] for _ in now]
            for point in points:
                distances = [math.dist(point, centre) for centre in now]
                groups[distances.index(min(distances))].append(point)
            now = [
                tuple(math.fsum(axis) / len(group) for axis in zip(*group, strict=True))
                if group
                else centre
                for group, centre in zip(groups, now, strict=True)
            ]
        for number, (group, centre) in enumerate(zip(groups, now, strict=True)):
            if group:
                yield f"{number}\t{len(group)}\t{' '.join(map(repr, centre))}\n".encode()

    def line(key: int, found: dict[str, Any]) -> bytes:
        return f"{key}\t{found['points']}\t{' '.join(map(repr, found['centre']))}\n".encode()

    return Question(f"clusters-{len(centres)}-{iterations}", right, line, compare="close")


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _counted(key: str, count: int) -> bytes:
    return f"{key}\t{count}\n".encode()


def _number(key: str, number: float) -> bytes:
    return f"{key}\t{number!r}\n".encode()


def _key_line(key: str, value: None) -> bytes:
    return f"{key}\n".encode()
