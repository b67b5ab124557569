"""Generate a text of Zipf-distributed words: `python -m bench.zipf --megabytes 5 --output FILE`.

The word of rank r occurs in proportion to 1/r (Zipf 1949). Equal size and seed give equal bytes
everywhere.
"""

from __future__ import annotations

import argparse
import random
from itertools import accumulate, islice
from pathlib import Path

VOCABULARY = 50_000
LINE_WORDS = 11
_SYLLABLES = [
    first + second
    for first in "bdfghklmnprstvz"
    for second in ("a", "e", "i", "o", "u", "ai", "ou")
]


def vocabulary(size: int) -> list[str]:
    """Return `size` distinct words, short ones first: rank n is n written in syllables."""
    words = []
    for number in range(size):
        rest, word = number, ""
        while rest or not word:
            rest, digit = divmod(rest, len(_SYLLABLES))
            word += _SYLLABLES[digit]
        words.append(word)
    return list(dict.fromkeys(words))


def write_text(path: Path, size_bytes: int, seed: int) -> None:
    """Write at least `size_bytes` bytes of lines."""
    words = vocabulary(VOCABULARY)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    chance = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    written = 0
    with partial.open("w", encoding="ascii", newline="\n") as file:
        while written < size_bytes:
            drawn = iter(chance.choices(words, cum_weights=weights, k=LINE_WORDS * 1000))
            while line := " ".join(islice(drawn, LINE_WORDS)):
                written += file.write(line + "\n")
    partial.replace(path)


def main() -> None:
    """Parse the command line, and write the file."""
    parser = argparse.ArgumentParser(description="Makes a text of Zipf-distributed words.")
    parser.add_argument("--megabytes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_text(arguments.output, int(arguments.megabytes * 1e6), arguments.seed)


if __name__ == "__main__":
    main()
