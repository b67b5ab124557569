"""Check an answer: normalise it, and compare it with that of a plain Python loop over the file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.corpus import Corpus

_LETTERS = bytes(
    byte if chr(byte) in "abcdefghijklmnopqrstuvwxyz'" else 32 for byte in bytes(range(256)).lower()
)
_BLOCK = 1 << 24


class _Pair(msgspec.Struct):
    key: Any
    value: Any


_PAIR = msgspec.json.Decoder(_Pair)


def digest(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 of lines `key<TAB>count`, in any order."""
    hashed = hashlib.sha256()
    for line in sorted(lines):
        hashed.update(line)
    return hashed.hexdigest()


def peer_lines(target: Path) -> Iterator[bytes]:
    """Yield the lines that a peer wrote: a file, or a folder of part files."""
    for path in sorted(target.glob("part-*")) if target.is_dir() else [target]:
        with path.open("rb") as file:
            yield from file


def our_lines(urls: Iterable[str], read: Callable[[str], bytes]) -> Iterator[bytes]:
    """Yield the lines `key<TAB>value` of a run's result."""
    return (f"{key}\t{value}\n".encode() for key, value in our_pairs(urls, read))


def our_pairs(urls: Iterable[str], read: Callable[[str], bytes]) -> Iterator[tuple[Any, Any]]:
    """Yield the pairs of a run's result: one JSON document, or a part of JSON Lines per reduce
    task.
    """
    for url in urls:
        data = read(url)
        if url.endswith(".jsonl"):
            yield from ((row.key, row.value) for row in map(_PAIR.decode, data.splitlines()))
        else:
            document = msgspec.json.decode(data)
            yield from document.items() if isinstance(document, dict) else document


def as_it_is(key: str) -> str:
    """Return the corpus's key unchanged."""
    return key


def expected(corpus: Corpus, path: Path, key: Callable[[str], str] = as_it_is) -> str:
    """Return the digest of the right answer, cached beside the corpus.

    `key` maps a pair's key to the job's key.
    """
    kept = path.with_suffix(f".{key.__name__}.answer")
    if not kept.exists():
        counts = word_counts(path) if corpus.kind == "text" else sums(path, key)
        kept.write_text(digest(f"{key}\t{count}\n".encode() for key, count in counts.items()))
    return kept.read_text()


def word_counts(path: Path) -> dict[str, int]:
    """Return how often each word occurs."""
    counts: Counter[bytes] = Counter()
    with path.open("rb") as file:
        while block := file.read(_BLOCK) + file.readline():
            counts.update(block.translate(_LETTERS).split())
    return {word.decode(): count for word, count in counts.items()}


def sums(path: Path, key: Callable[[str], str]) -> dict[str, int]:
    """Return the sum of each key's values."""
    total: dict[str, int] = {}
    with path.open(encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(",")
            name = key(name)
            total[name] = total.get(name, 0) + int(value)
    return total
