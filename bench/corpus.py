"""The generated input files of the benchmark: equal names mean equal bytes everywhere.

Text repeats a base: books, if a folder of them is given, else prose of made-up words. No two
repetitions are equal: one space in 64 is left out, which joins two words to a rare one. So the
vocabulary grows with the text as in a language (Heaps 1978), and a table of words does not stay in
the processor's cache, as it would with plain repetition.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal

from bench.zipf import VOCABULARY, vocabulary

JOINED = 64
"""One space in this many is left out of a repetition."""
SEED = 7
PROSE_BYTES = 16_000_000
LINE_LENGTH = 72
SENTENCE_WORDS = (4, 30)
PARAGRAPH_SENTENCES = (1, 9)
BATCH = 100_000

Kind = Literal["text", "pairs", "lines", "h2o", "records"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A generated file.

    `count` is a text's least size in bytes, or the number of pairs, lines, rows or records; `keys`
    the number of keys that pairs are drawn from, or H2O.ai's number of groups. `books` is a folder
    of texts to repeat.
    """

    kind: Kind
    count: int
    keys: int = 0
    books: Path | None = None

    @property
    def name(self) -> str:
        """The file's name: all that its bytes depend on."""
        suffix = (
            f"-of-{self.keys}" if self.keys else f"-{_digest(self.books)}" if self.books else ""
        )
        end = {"pairs": "csv", "h2o": "csv", "records": "dat"}.get(self.kind, "txt")
        return f"{self.kind}-{self.count}{suffix}.{end}"

    def made_in(self, folder: Path) -> Path:
        """Return the file, and generate it unless it exists."""
        path = folder / self.name
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                file.writelines(self.blocks())
            partial.replace(path)
        return path

    def blocks(self) -> Iterator[bytes]:
        """Return the file's bytes, in blocks."""
        if self.kind == "pairs":
            return pairs(self.count, self.keys)
        if self.kind == "lines":
            return distinct_lines(self.count)
        if self.kind == "h2o":
            return h2o_rows(self.count, self.keys)
        if self.kind == "records":
            return sort_records(self.count)
        return cut(
            repetitions(books(self.books) if self.books else prose(min(PROSE_BYTES, self.count))),
            self.count,
        )


@dataclass(frozen=True, slots=True)
class Files:
    """A corpus cut at ends of lines into a folder of `count` files, `000.txt` and so on."""

    corpus: Corpus
    count: int

    @property
    def name(self) -> str:
        """The folder's name: all that its bytes depend on."""
        return f"{self.corpus.name}-in-{self.count}"

    def made_in(self, folder: Path) -> Path:
        """Return the folder, and generate it unless it exists."""
        path = folder / self.name
        if not path.exists():
            whole = self.corpus.made_in(folder)
            size = whole.stat().st_size // self.count
            partial = folder / f"{self.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with whole.open("rb") as file:
                for number in range(self.count - 1):
                    data = file.read(size) + file.readline()
                    (partial / f"{number:03d}.txt").write_bytes(data)
                (partial / f"{self.count - 1:03d}.txt").write_bytes(file.read())
            partial.replace(path)
        return path


def repetitions(base: bytes) -> Iterator[bytes]:
    """Yield the base, and then for ever the base with some of its spaces left out."""
    yield base
    chance = random.Random(SEED)
    words = base.split(b" ")
    while True:
        ends = sorted(chance.sample(range(1, len(words)), len(words) // JOINED))
        yield b"".join(
            b" ".join(words[start:end])
            for start, end in zip([0, *ends], [*ends, len(words)], strict=True)
        )


def cut(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes, and the rest of the line."""
    left = size
    for block in blocks:
        end = block.find(b"\n", max(left - 1, 0)) if left <= len(block) else -1
        yield block if end < 0 else block[: end + 1]
        if end >= 0:
            return
        left -= len(block)


def books(folder: Path) -> bytes:
    """Return all texts of a folder, in ASCII: typographic apostrophes become straight, other marks
    go.
    """
    texts = [
        path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.txt"))
    ]
    if not texts:
        raise SystemExit(f"--books {folder}: there is no .txt file in it")
    plain = unicodedata.normalize("NFKD", "".join(texts).replace("\u2019", "'"))
    return plain.encode("ascii", "ignore")


def prose(size: int) -> bytes:
    """Return sentences of Zipf-distributed made-up words, in paragraphs with lines of a book's
    length.
    """
    chance = random.Random(SEED)
    words = vocabulary(VOCABULARY)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    text = bytearray()
    while len(text) < size:
        sentences = chance.randint(*PARAGRAPH_SENTENCES)
        drawn = [
            chance.choices(words, cum_weights=weights, k=chance.randint(*SENTENCE_WORDS))
            for _ in range(sentences)
        ]
        text += paragraph(drawn).encode("ascii")
    return bytes(text)


def paragraph(sentences: list[list[str]]) -> str:
    """Return lines of at most `LINE_LENGTH` characters, and an empty one."""
    lines, line = [], ""
    for word in (
        word
        for words in sentences
        for word in [words[0].capitalize(), *words[1:-1], words[-1] + "."]
    ):
        if len(line) + len(word) >= LINE_LENGTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line, "", ""])


def pairs(count: int, keys: int) -> Iterator[bytes]:
    """Yield lines `key,value`: keys below `keys`, equally likely, and values from 1 to 99."""
    chance = random.Random(SEED)
    for start in range(0, count, BATCH):
        batch = min(BATCH, count - start)
        drawn = zip(
            chance.choices(range(keys), k=batch),
            chance.choices(range(1, 100), k=batch),
            strict=True,
        )
        yield "".join(f"{key},{value}\n" for key, value in drawn).encode("ascii")


def h2o_rows(count: int, keys: int) -> Iterator[bytes]:
    """Yield rows as H2O.ai's generator makes them, without missing values and unsorted.

    id1, id2, id4 and id5 have `keys` values, id3 and id6 count / keys; v1 is from 1 to 5, v2 from 1
    to 15, and v3 from 0 to 100 with six decimals.
    """
    chance = random.Random(SEED)
    most = (keys, keys, count // keys, keys, keys, count // keys, 5, 15)
    yield b"id1,id2,id3,id4,id5,id6,v1,v2,v3\n"
    for start in range(0, count, BATCH):
        batch = min(BATCH, count - start)
        drawn = [chance.choices(range(1, each + 1), k=batch) for each in most]
        wholes, parts = (chance.choices(range(each), k=batch) for each in (100, 1_000_000))
        form = "id%03d,id%03d,id%010d,%d,%d,%d,%d,%d,%d.%06d\n"
        rows = zip(*drawn, wholes, parts, strict=True)
        yield "".join([form % row for row in rows]).encode("ascii")


def sort_records(count: int) -> Iterator[bytes]:
    """Yield records of 100 bytes as `gensort -a` makes them, which are lines too.

    A record has ten random printable characters, which are the key, its number in 32 hexadecimal
    digits, and filler.
    """
    chance = random.Random(SEED)
    printable = bytes(range(32, 127))
    digits = [f"{digit:X}" * 4 for digit in range(16)]
    fillers = ["".join((digits[first:] + digits)[:13]) for first in range(16)]
    for start in range(0, count, BATCH):
        batch = min(BATCH, count - start)
        keys = bytes(chance.choices(printable, k=10 * batch)).decode("ascii")
        yield "".join(
            f"{keys[10 * at : 10 * at + 10]}  {start + at:032X}  {fillers[(start + at) % 16]}\r\n"
            for at in range(batch)
        ).encode("ascii")


def distinct_lines(count: int) -> Iterator[bytes]:
    """Yield distinct lines of 64 hexadecimal digits, unordered: hashes of numbers."""
    hashes = (
        hashlib.blake2b(number.to_bytes(8, "big"), digest_size=32).hexdigest()
        for number in range(count)
    )
    while batch := list(islice(hashes, BATCH)):
        yield ("\n".join(batch) + "\n").encode("ascii")


def _digest(folder: Path) -> str:
    return hashlib.sha256(books(folder)).hexdigest()[:12]
