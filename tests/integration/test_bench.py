"""`bench` on this machine."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from bench.zipf import write_text
from tests.integration.commands import Driver


@pytest.fixture
def text(driver: Driver) -> Path:
    """A small text."""
    path = driver.folder / "text.txt"
    write_text(path, 200_000, seed=5)
    return path


def test_two_figures_a_table_and_a_document(driver: Driver, text: Path) -> None:
    """`bench` measures one and two mappers once each, and leaves no files of its runs."""
    arguments = (
        "--target",
        "local",
        "--mappers",
        "2,1",
        "--repeat",
        "1",
        "--chunks",
        "4",
        "--json",
    )
    done = driver.run("bench", "--input", text, *arguments, "--output", "figures")
    assert done.code == 0, done.err
    levels = done.document["levels"]
    assert [(1, 1), (2, 1)] == [(level["mappers"], level["runs"]) for level in levels]
    assert levels[0]["map_s"]["median"] == done.document["parallel_s"] > 0
    for name in ("map-stage.svg", "end-to-end.svg"):
        assert "WordCount" in "".join(
            Xml.parse(driver.folder / "figures" / name).getroot().itertext()
        )
        assert name in done.err
    assert {"text.txt", "figures"} == {path.name for path in driver.folder.iterdir()}
    assert driver.wait_until_none_is_left() == []


def test_a_store_that_is_in_use_stays_as_it_is(driver: Driver, text: Path) -> None:
    """In a store that the user gives, `bench` adds only the job's code, and a finished run is still
    reused.
    """
    run = ("run", "--input", text, "--target", "local", "--chunks", "4", "--json")
    assert driver.run(*run).code == 0
    before = {path for path in (driver.folder / ".mapreduce").rglob("*") if path.is_file()}
    bench = (
        "bench",
        "--input",
        text,
        "--target",
        "local",
        "--mappers",
        "1",
        "--repeat",
        "1",
        "--chunks",
        "4",
    )
    assert driver.run(*bench, "--store", ".mapreduce").code == 0
    assert before == {path for path in (driver.folder / ".mapreduce").rglob("*") if path.is_file()}
    again = driver.run(*run).document
    assert all(row["reused"] for row in again["tasks"])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--mappers", "0,1", "each must be at least 1"),
        ("--mappers", "one,2", "write whole numbers with commas between them"),
        ("--repeat", "0", "must be at least 1"),
    ],
)
def test_wrong_use_is_refused_before_a_run(
    driver: Driver, text: Path, option: str, value: str, said: str
) -> None:
    """A wrong use exits with code 2 and one line, before anything runs."""
    done = driver.run("bench", "--input", text, option, value)
    assert done.code == 2
    assert said in done.err
    assert not (driver.folder / "speedup").exists()
