"""The digits and their split, and the rows of a micro-batch."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.parameter_server.data import DIGITS, load, micro_batch_rows
from mapreduce.errors import InputError


def test_the_digits_are_those_of_the_file_split_as_the_data_page_says() -> None:
    """Every fifth row from the second on is held out; the csv module reads the same numbers."""
    with gzip.open(DIGITS, "rt") as file:
        rows = [[int(cell) for cell in row] for row in csv.reader(file)]
    training, held_out = load()
    assert (1437, 360) == (len(training), len(held_out))
    assert [row[:-1] for row in rows[1::5]] == held_out.pixels.astype(int).tolist()
    assert [row[-1] for row in rows[1::5]] == held_out.labels.tolist()
    rest = [row for number, row in enumerate(rows) if number % 5 != 1]
    assert [row[:-1] for row in rest] == training.pixels.astype(int).tolist()
    assert [row[-1] for row in rest] == training.labels.tolist()


def test_the_digits_cannot_be_changed() -> None:
    """The arrays that all models share are read-only."""
    with pytest.raises(ValueError, match="read-only"):
        load()[0].pixels[0, 0] = 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3\n", "1 rows of 3 numbers"),
        ("a,b\n", "cannot be read"),
        ("\n".join([",".join(["17"] * 64 + ["0"])] * 1797), "pixel is outside"),
        ("\n".join([",".join(["16"] * 64 + ["10"])] * 1797), "label is not a digit"),
    ],
)
def test_a_file_that_is_not_the_digits_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The message names the file and what is wrong with it."""
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InputError, match=words):
        load(path)


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    """No file and half a file are both an error of ours."""
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "none.csv.gz")
    half = tmp_path / "half.csv.gz"
    half.write_bytes(DIGITS.read_bytes()[:9000])
    with pytest.raises(InputError, match="cannot be read"):
        load(half)


@given(
    seed=st.integers(0, 2**32 - 1),
    clock=st.integers(0, 10**6),
    number=st.integers(1, 40),
    rows=st.integers(1, 40),
)
def test_the_micro_batches_of_a_clock_share_no_row(
    seed: int, clock: int, number: int, rows: int
) -> None:
    """While there are rows enough, each is in one micro-batch; each call returns the same rows."""
    total = 1600
    batches = [micro_batch_rows(seed, clock, each, rows, total) for each in range(number)]
    every = np.concatenate(batches)
    assert number * rows == len(set(every.tolist()))
    assert 0 <= every.min() <= every.max() < total
    assert batches[-1].tolist() == micro_batch_rows(seed, clock, number - 1, rows, total).tolist()


def test_a_clock_with_more_rows_than_there_are_begins_again() -> None:
    """The permutation repeats after its last row."""
    rows = [micro_batch_rows(1, 2, number, 4, 6).tolist() for number in range(3)]
    assert rows[0] + rows[1] == rows[0] + rows[1][:2] + rows[0][:2]
    assert sorted([*rows[0], *rows[1][:2]]) == list(range(6))


def test_clocks_and_seeds_have_other_permutations() -> None:
    """Two clocks, or two seeds, do not read the same rows."""
    found = {
        tuple(micro_batch_rows(seed, clock, 0, 16, 1437).tolist())
        for seed in (0, 1)
        for clock in (0, 1, 2)
    }
    assert len(found) == 6
