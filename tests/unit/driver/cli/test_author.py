"""`new` and `check`, without the processes of other hash seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.driver.cli.conftest import Command

BROKEN = """
from mapreduce import Job


class LastWins(Job):
    def map(self, offset, line):
        for word in line.split():
            yield word, offset

    def combine(self, key, values):
        yield key, list(values)[-1]

    def reduce(self, key, values):
        yield key, sum(values)
"""


@pytest.fixture(autouse=True)
def one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check with this process's hash seed only."""
    monkeypatch.setattr("driver.authoring.hash_seeds.SEEDS", ())


@pytest.fixture
def sample(home: Path) -> str:
    """A text with repeated words."""
    (home / "in.txt").write_text("a rose is a rose\nis a rose\n" * 3)
    return "in.txt"


def test_new_writes_a_job_that_keeps_the_laws(command: Command, sample: str) -> None:
    """`new` writes a job that keeps the laws, says how to use it, and refuses an existing name."""
    said = command("new", "my_words.py")
    assert (0, True) == (said.code, "check my_words.py" in said.out)
    assert {"my_words.py", "test_my_words.py"} <= {path.name for path in Path().iterdir()}
    checked = command("check", "my_words.py", "--input", sample)
    assert (0, True) == (checked.code, "MyWords: keeps" in checked.out)
    assert 2 == command("new", "my_words.py").code


def test_a_broken_law_is_shown_with_a_small_input(
    command: Command, home: Path, sample: str
) -> None:
    """A broken law gives exit code 1 and a small input, in text and in JSON."""
    (home / "last_wins.py").write_text(BROKEN)
    said = command("check", "last_wins.py", "--input", sample)
    assert (1, True) == (said.code, "LastWins breaks a law" in said.out)
    assert "the smallest input found:" in said.out
    document = command("check", "last_wins.py", "--input", sample, "--json").document
    (first, *_) = document["breaches"]
    assert ["LastWins"] == document["jobs"]
    assert first["expected"] != first["found"]
    assert len(first["inputs"][0]) < len((home / sample).read_text())


def test_an_empty_sample_shows_nothing(command: Command, home: Path) -> None:
    """A check of an empty sample exits with code 2."""
    (home / "empty.txt").write_text("")
    assert 2 == command("check", "word_count", "--input", "empty.txt").code


def test_a_chain_is_checked_step_by_step(command: Command, home: Path) -> None:
    """Each step of a chain is checked and named."""
    (home / "edges.txt").write_text("1\t2\n2\t3\n3\t1\n")
    said = command("check", "page_rank", "--input", "edges.txt")
    assert 0 == said.code
    assert said.out.count(", ") >= 1


FLOATS = """
from mapreduce import Chain, Job


class Added(Job):
    def map(self, key, value):
        number = key if isinstance(key, int) else 0
        yield number % 2, 0.1 + number * 1e6
        yield number % 2, 1e-7 * number

    def reduce(self, key, values):
        yield key, sum(values)


class Four(Chain):
    def steps(self):
        return [Added(), Added(), Added(), Added()]
"""


def test_rounding_is_said_and_equal_steps_break_a_law_once(
    command: Command, home: Path, sample: str
) -> None:
    """Four equal steps are one finding, which says how floats are added exactly."""
    (home / "floats.py").write_text(FLOATS)
    said = command("check", "floats.py", "--input", sample)
    assert (1, 1) == (said.code, said.out.count("breaks a law"))
    assert "math.fsum(values)" in said.out
