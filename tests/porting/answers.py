"""The answers of the ports by plain Python: one pass over the whole input, with no engine code.

Each function takes the folder of the made data and returns the pairs that a job must yield.
"""

from __future__ import annotations

import csv
import json
import math
import re
import struct
import subprocess
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

Pairs = list[tuple[Any, Any]]
WORD = re.compile(r"[\w']+")
PAUSE_S = 1_800
CENTRES = ((0.0, 1.0), (20.0, 20.0), (-20.0, -20.0), (20.0, -20.0))
ROUNDS = 5


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((folder / "texts").iterdir()):
        yield path.name, path.read_bytes().decode()


def _lines(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield name, byte offset and text of each line."""
    for name, text in _texts(folder):
        offset = 0
        for line in text.split("\n"):
            if line or offset < len(text.encode()):
                yield name, offset, line
            offset += len(line.encode()) + 1


def max_temperature(folder: Path) -> Pairs:
    """The greatest temperature of each year, and the first of its stations by name."""
    best: dict[int, tuple[int, str]] = {}
    for line in (folder / "weather.txt").read_text().splitlines():
        year, station, temperature = line.split()
        best[int(year)] = min(best.get(int(year), (9999, "")), (-int(temperature), station))
    return [(year, (-negative, station)) for year, (negative, station) in sorted(best.items())]


def tera_sort(folder: Path) -> Pairs:
    """All records, sorted by their keys; equal keys in the order of the input."""
    lines = (folder / "records.txt").read_text().splitlines()
    return [(line[:10], line[10:]) for line in sorted(lines, key=lambda line: line[:10])]


def shell_words(folder: Path) -> Pairs:
    """What a pipeline of commands counts."""
    command = "cat texts/* | tr '[:upper:]' '[:lower:]' | tr -cs '[:alpha:]' '\\n' | sort | uniq -c"
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    out = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    rows = (line.split() for line in out.splitlines())
    return [(row[1], int(row[0])) for row in rows if len(row) == 2]


def mit_indexer(folder: Path) -> Pairs:
    """How many files hold each word, and their names."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, text in _texts(folder):
        for word in re.findall(r"[^\W\d_]+", text):
            found[word].add(name)
    return [(word, f"{len(names)} {','.join(sorted(names))}") for word, names in found.items()]


def positions(folder: Path) -> Pairs:
    """For each word the offset of its line and its number in the line, by file."""
    found: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(dict)
    for name, offset, line in _lines(folder):
        for number, word in enumerate(WORD.findall(line)):
            found[word.lower()].setdefault(name, []).append((offset, number))
    return list(found.items())


def tf_idf(folder: Path) -> Pairs:
    """The frequency of each word in each file, times the logarithm of the word's rarity."""
    counts = {name: Counter(WORD.findall(text.lower())) for name, text in _texts(folder)}
    documents = Counter(word for words in counts.values() for word in words)
    return [
        (
            (word, name),
            count / sum(words.values()) * math.log(len(counts) / documents[word]),
        )
        for name, words in counts.items()
        for word, count in words.items()
    ]


def matrix_product(folder: Path) -> Pairs:
    """The product of the two matrices by its definition; zeros that are no cell are left out."""
    left, right = (_cells(folder / name) for name in ("a.csv", "b.csv"))
    product: dict[tuple[int, int], int] = {}
    for (row, shared), value in left.items():
        for (other, column), factor in right.items():
            if other == shared:
                product[row, column] = product.get((row, column), 0) + value * factor
    return list(product.items())


def _cells(path: Path) -> dict[tuple[int, int], int]:
    rows = (map(int, row) for row in csv.reader(path.read_text().splitlines()[1:]))
    return {(row, column): value for row, column, value in rows}


def sessions(folder: Path) -> Pairs:
    """The sessions of each host: start, length, and pages in the order of time."""
    visits: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in (folder / "access.log").read_bytes().decode("latin-1").splitlines():
        before, _, after = line.partition(" - - [")
        time, _, request = after.partition("] ")
        moment = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        visits[before].append((int(moment), request.split()[1]))
    found: Pairs = []
    for host, seen in visits.items():
        seen.sort()
        starts = [0] + [at for at in range(1, len(seen)) if seen[at][0] - seen[at - 1][0] > PAUSE_S]
        for start, end in zip(starts, [*starts[1:], len(seen)], strict=True):
            part = seen[start:end]
            found.append((host, (part[0][0], part[-1][0] - part[0][0], [page for _, page in part])))
    return found


def reservoir(folder: Path) -> Pairs:
    """The five lines of each file with the least checksums."""
    ranked = (
        (name, zlib.crc32(f"{offset} {line}".encode()), line)
        for name, offset, line in _lines(folder)
    )
    by_file = groupby(sorted(ranked), key=lambda each: each[0])
    return [(name, [line for _, _, line in list(lines)[:5]]) for name, lines in by_file]


def distinct_words(folder: Path) -> Pairs:
    """How many distinct words there are."""
    words = {word.lower() for _, text in _texts(folder) for word in WORD.findall(text)}
    return [("words", float(len(words)))]


def k_means(folder: Path) -> Pairs:
    """The centres after five rounds of Lloyd's algorithm."""
    rows = (folder / "points.csv").read_text().splitlines()
    points = [tuple(map(float, row.split(","))) for row in rows]
    centres: dict[int, tuple[float, ...]] = dict(enumerate(CENTRES))
    for _ in range(ROUNDS):
        near: dict[int, list[tuple[float, ...]]] = defaultdict(list)
        for point in points:
            near[min(centres, key=lambda each: math.dist(centres[each], point))].append(point)
        centres = {
            number: tuple(math.fsum(axis) / len(group) for axis in zip(*group, strict=True))
            for number, group in near.items()
        }
    return list(centres.items())


def _orders(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "orders.jsonl").read_text().splitlines()]


def orders_of_users(folder: Path) -> Pairs:
    """Each order with the name of its user."""
    rows = (line.split("\t") for line in (folder / "users.tsv").read_text().splitlines()[1:])
    names = {int(number): name for number, name in rows}
    return [
        (order["id"], (order["user"], names.get(order["user"], "unknown")))
        for order in _orders(folder)
    ]


def mean_amount(folder: Path) -> Pairs:
    """The mean amount of each country."""
    amounts: dict[str, list[float]] = defaultdict(list)
    for order in _orders(folder):
        amounts[order["country"]].append(order["amount"])
    # exact, and rounded once
    exact = {country: list(map(Fraction, each)) for country, each in amounts.items()}
    return [(country, float(sum(each) / len(each))) for country, each in exact.items()]


def png_sizes(folder: Path) -> Pairs:
    """Width and height, from the first bytes of each picture."""
    found = ((path.name, path.read_bytes()) for path in (folder / "pictures").glob("*.png"))
    return [(name, struct.unpack_from(">II", content, 16)) for name, content in found]


def slow_calls(folder: Path) -> Pairs:
    """The length of the first word of each line, times its lines."""
    firsts = Counter(line.split()[0] for _, _, line in _lines(folder) if line.split())
    return [(word, len(word) * count) for word, count in firsts.items()]


def packaged(folder: Path) -> Pairs:
    """How many words have each length."""
    text = "\n".join(text for _, text in _texts(folder))
    return list(Counter(map(len, re.findall(r"\w+", text))).items())


def customer_totals(folder: Path) -> str:
    """Count, sum, least and greatest amount of each customer as CSV, the greatest sum first."""
    amounts: dict[str, list[int]] = defaultdict(list)
    for row in csv.DictReader((folder / "sales.csv").read_text().splitlines()):
        amounts[row["customer"]].append(int(row["amount"]))
    ranked = sorted((-sum(each), name, each) for name, each in amounts.items())
    rows = ((name, len(each), -total, min(each), max(each)) for total, name, each in ranked)
    lines = [",".join(map(str, row)) for row in rows]
    return "\n".join(["customer,n,total,least,greatest", *lines, ""])
