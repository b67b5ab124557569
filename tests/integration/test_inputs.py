"""Which inputs are read, left out or refused, through the real command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.integration.commands import Driver

LINES = """
from mapreduce import Count, Job

class Lines(Job):
    reduce = Count()

    def map(self, offset, line):
        yield [self.source.removeprefix("file://"), line], 1
"""


@pytest.fixture(autouse=True)
def _job(driver: Driver) -> None:
    (driver.folder / "lines.py").write_text(
        LINES.replace("[self", "(self").replace("line], 1", "line), 1")
    )


def write(driver: Driver, name: str, content: str | bytes) -> Path:
    """Write a file below the driver's folder."""
    path = driver.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("target", ["local", "inline"])
def test_links_and_left_out_entries(driver: Driver, target: str) -> None:
    """Services read through links, the job sees the given path, and the run reports what it left
    out.
    """
    write(driver, "far/away/b.txt", "linked\n")
    write(driver, "in/a.txt", "own\n")
    write(driver, "in/_temporary/a.txt", "own\n")
    (driver.folder / "in/sub").symlink_to("../far/away")
    (driver.folder / "in/sub/loop").symlink_to(driver.folder / "in")
    (driver.folder / "in/c.txt").symlink_to("../far/away/b.txt")
    command = (
        "run",
        "--job",
        "lines.py",
        "--input",
        "in",
        "--target",
        target,
        "--reducers",
        "1",
        "--output",
        "in/r.json",
    )
    first = driver.run(*command, "--json")
    assert first.code == 0, first.err
    here = driver.folder
    expected = [
        [[f"{here}/in/{name}", line], 1]
        for name, line in (("a.txt", "own"), ("c.txt", "linked"), ("sub/b.txt", "linked"))
    ]
    assert expected == json.loads((here / "in/r.json").read_text())
    assert "left out: 1 entry of the input" in first.err
    assert "one file under two names" in first.err
    plan = json.loads((driver.store / "runs" / first.document["run_id"] / "plan.json").read_text())
    assert 1 == plan["left_out"] == first.document["left_out"]
    assert driver.run("verify").code == 0

    again = driver.run(*command, "--json")
    assert again.code == 0, again.err
    assert expected == json.loads((here / "in/r.json").read_text())
    assert "1 of an earlier result in --output" in again.err
    assert 2 == again.document["left_out"]


def test_a_result_is_the_next_runs_input(driver: Driver) -> None:
    """The folder of a committed result is an input, without the attempts in it."""
    write(driver, "a.txt", "x\ny\n")
    first = driver.run(
        "run",
        "--job",
        "lines.py",
        "--input",
        "a.txt",
        "--target",
        "inline",
        "--reducers",
        "2",
        "--json",
    )
    assert first.code == 0, first.err
    results = Path(first.document["result_urls"][0].removeprefix("file://")).parent
    second = driver.run(
        "run", "--job", "lines.py", "--input", results, "--target", "local", "--json"
    )
    assert second.code == 0, second.err
    assert 2 == second.document["ledger"]["records_in"]
    refused = driver.run("run", "--job", "lines.py", "--input", results.parent, "--target", "local")
    assert (2, True) == (refused.code, "only a committed result can be an input" in refused.err)


def test_invalid_utf_8_is_reported(driver: Driver) -> None:
    """A run reports bytes that are not UTF-8: how many, where first, and the replacement."""
    write(driver, "a.txt", "good\n")
    write(driver, "b.txt", "good\nGr\u00f6\u00dfe\n".encode("latin-1"))
    done = driver.run(
        "run",
        "--job",
        "lines.py",
        "--input",
        "a.txt",
        "b.txt",
        "--target",
        "local",
        "--mappers",
        "2",
    )
    assert done.code == 0, done.err
    assert (
        f"bad bytes 2 bytes in 1 line, first in file://{driver.folder}/b.txt at byte 5, are not in "
        "the input's encoding; read as U+FFFD" in done.out
    )


@pytest.mark.parametrize("target", ["local", "inline"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.txt", "alpha\n".encode("utf-16")),
        ("g.gz", gzip.compress("alpha\n".encode("utf-16"), mtime=0)),
    ],
    ids=["plain", "packed"],
)
def test_data_that_is_not_text_is_refused(
    driver: Driver, target: str, name: str, content: bytes
) -> None:
    """Text in UTF-16 is refused with the option that reads it, and without a stack trace."""
    write(driver, name, content)
    done = driver.run("run", "--job", "lines.py", "--input", name, "--target", target)
    assert done.code == 1
    assert "text in UTF-16; write its encoding in the job: Text(encoding=" in done.err
    assert "Traceback" not in done.err


def test_an_output_over_the_input_is_refused_before_the_work(driver: Driver) -> None:
    """An output that would replace the input is refused before the run; the input is unchanged."""
    path = write(driver, "x.json", "a\n")
    done = driver.run(
        "run", "--job", "lines.py", "--input", "x.json", "--output", "x.json", "--target", "local"
    )
    assert (2, "a\n") == (done.code, path.read_text())
    assert "would replace the input" in done.err
    assert not (driver.store / "runs").exists()


SHOPS = """
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from mapreduce import Descending, InputFormat, Job


@dataclass(frozen=True)
class Shop:
    city: str


class Bookings(InputFormat):
    def __init__(self, mark):
        self.mark = mark

    def read(self, file):
        yield from enumerate(file.read().decode("latin-1").split(self.mark))


class Days(Job):
    input_format = Bookings("|")
    total_order = True

    def map(self, number, text):
        city, day, amount = text.split(",")
        yield (Shop(city), Descending(date.fromisoformat(day))), Decimal(amount)

    def reduce(self, key, amounts):
        assert type(key[0]) is Shop and type(key[1]) is Descending
        yield key, sum(amounts)
"""


@pytest.mark.parametrize("target", ["local", "inline"])
def test_an_own_format_and_keys_of_own_classes(driver: Driver, target: str) -> None:
    """They travel to the services, come back as the same classes, and the run is verified."""
    write(driver, "shops.py", SHOPS)
    write(
        driver,
        "a.book",
        "Köln,2026-01-01,1.10|Köln,2026-01-02,2|Bonn,2026-01-01,0.20".encode("latin-1"),
    )
    write(driver, "b.book", gzip.compress("Köln,2026-01-01,0.05".encode("latin-1"), mtime=0))
    command = ("run", "--job", "shops.py", "--input", "*.book", "--target", target)
    done = driver.run(*command, "--reducers", "2", "--output", "days.json")
    assert done.code == 0, done.err
    assert [
        [[{"city": "Bonn"}, "2026-01-01"], "0.20"],
        [[{"city": "Köln"}, "2026-01-02"], "2"],
        [[{"city": "Köln"}, "2026-01-01"], "1.15"],
    ] == json.loads((driver.folder / "days.json").read_text())
    assert driver.run("verify").code == 0
    found = driver.run("result", "--key", '[{"city": "Bonn"}, "2026-01-01"]')
    assert (0, True) == (found.code, "0.20" in found.out)
