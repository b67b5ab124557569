"""The digits, and which of their rows make up a micro-batch.

Rows follow from seed, clock and number of the micro-batch alone: every worker that computes a
micro-batch, and every repetition, reads the same rows.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mapreduce.errors import InputError

PIXELS: Final = 64
"""An image is 8 by 8 numbers."""
CLASSES: Final = 10
DARKEST: Final = 16.0
"""A pixel is 0 to 16."""
HELD_OUT_EVERY, FIRST_HELD_OUT = 5, 1
"""Every fifth row, from the second on, is held out: a model is judged on these 360, and is never
trained on them. They are spread over the file: its last rows are of other writers, and say as much
about writers as about the model."""
ROWS: Final = 1797
DIGITS: Final = Path(__file__).resolve().parents[1] / "data" / "digits.csv.gz"

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Images as rows of pixels, and the digit that each shows.

    Attributes:
        pixels: shape (rows, 64), each 0 to 16.
        labels: shape (rows,), each 0 to 9.
    """

    pixels: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@lru_cache(maxsize=4)
def load(path: Path = DIGITS) -> tuple[Digits, Digits]:
    """Return the rows to train on and the rows that are held out.

    Raises:
        InputError: the file is missing, or is not the digits.
    """
    try:
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as exc:
        raise InputError(f"{path}: the digits cannot be read ({exc}); restore the file") from exc
    if table.shape != (ROWS, PIXELS + 1):
        raise InputError(
            f"{path}: {table.shape[0]} rows of {table.shape[1]} numbers are not the digits, which "
            f"are {ROWS} rows of {PIXELS + 1}; restore the file"
        )
    if not (0 <= table[:, :-1]).all() or not (table[:, :-1] <= DARKEST).all():
        raise InputError(f"{path}: a pixel is outside 0 to {DARKEST:g}; restore the file")
    if not ((table[:, -1] >= 0) & (table[:, -1] < CLASSES)).all():
        raise InputError(f"{path}: a label is not a digit; restore the file")
    is_held_out = np.arange(ROWS) % HELD_OUT_EVERY == FIRST_HELD_OUT
    return _digits(table[~is_held_out]), _digits(table[is_held_out])


def _digits(table: NDArray[np.int64]) -> Digits:
    pixels, labels = table[:, :-1].astype(np.float64), table[:, -1].copy()
    pixels.flags.writeable = labels.flags.writeable = False  # shared by all who load the digits
    return Digits(pixels, labels)


def micro_batch_rows(seed: int, clock: int, micro_batch: int, rows: int, total: int) -> Rows:
    """Return the rows of one micro-batch: a slice of the clock's permutation of all rows.

    The micro-batches of a clock share no row while they have no more rows than there are; after
    that the permutation begins again.

    Args:
        seed: of the run.
        clock: number of the clock.
        micro_batch: number of the micro-batch in its clock.
        rows: number of rows of a micro-batch.
        total: number of rows to train on.
    """
    # RandomState is numpy's frozen generator: the same numbers in every version of numpy
    permutation = np.random.RandomState([seed, clock]).permutation(total)
    start = micro_batch * rows
    return permutation[np.arange(start, start + rows) % total].astype(np.int64)
