"""Results as tables, with the real command, read by programs of the shell: cut, awk, sort, gzip."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.integration.commands import Driver

JOB = """
from mapreduce import Chain, Job, Sum


class Lines(Job):
    reduce = Sum()
    columns = ("line", "count")

    def map(self, offset, line):
        yield line, 1


class Ranked(Job):
    total_order = True
    keep_order = True
    columns = ("line", "count")

    def map(self, line, count):
        yield (-count, line), None

    def reduce(self, key, values):
        yield key[1], -key[0]


class ByCount(Chain):
    def steps(self):
        yield Lines()
        yield Ranked()
"""
LINES = ['"Oh, God", he thought', "tab\there", "back\\slash", "plain", "plain", "é\u2028x", ""]


@pytest.fixture
def text(driver: Driver) -> Counter[str]:
    """The lines of `in.txt`, in which each comes more than once."""
    lines = [line for number, line in enumerate(LINES, 1) for _ in range(number)]
    (driver.folder / "in.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (driver.folder / "table_job.py").write_text(JOB)
    return Counter(lines)


def shell(driver: Driver, script: str) -> str:
    """Return what a shell script prints in the driver's folder."""
    environment = driver.environment | {"LC_ALL": "C", "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=driver.folder,
        env=environment,
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout.decode()


def test_cut_and_awk_read_a_tsv(driver: Driver, text: Counter[str]) -> None:
    """Each line is a row and each tab a border: cut finds the lines, awk the sum."""
    done = driver.run("run", "in.txt", "--job", "table_job.py:Lines", "--target", "inline")
    assert 0 == done.code, done.err
    driver.run("result", "--output", "r.tsv", "--no-header")
    escaped = {line.replace("\\", "\\\\").replace("\t", "\\t"): text[line] for line in text}
    assert sorted(escaped) == shell(driver, "cut -f1 r.tsv").removesuffix("\n").split("\n")
    total = shell(driver, "awk -F '\\t' '{n += $2} END {print n, NF}' r.tsv")
    assert f"{text.total()} 2\n" == total


def test_a_pipe_of_commands(driver: Driver, text: Counter[str]) -> None:
    """`--output -` feeds sort; a reader that goes early ends nothing with an error."""
    driver.run("run", "in.txt", "--job", "table_job.py:Lines", "--target", "inline")
    result = '"$PYTHON" -m driver result --output - --output-format'
    first = shell(
        driver, f"{result} tsv --no-header 2>/dev/null | sort -t '\t' -k2,2nr | head -n 1"
    )
    line, count = text.most_common(1)[0]
    assert f"{line}\t{count}\n" == first
    zipped = shell(driver, f"{result} csv.gz 2>/dev/null | gzip -dc | head -n 1")
    assert "line,count\n" == zipped
    gone = shell(driver, f"set +o pipefail; {result} jsonl 2>err | true; cat err")
    assert "Traceback" not in gone


def test_a_run_writes_standard_output_alone(driver: Driver, text: Counter[str]) -> None:
    """`run --output -` has the rows on standard output, and its summary on standard error."""
    done = driver.run(
        *("run", "in.txt", "--job", "table_job.py:Lines", "--target", "inline"),
        *("--output", "-", "--output-format", "txt", "--columns", "a,b"),
    )
    assert (2, True) == (done.code, "the result has columns" in done.err)
    done = driver.run(
        *("run", "in.txt", "--job", "table_job.py:Lines", "--target", "inline"),
        *("--output", "-", "--output-format", "csv", "--no-header"),
    )
    assert len(text) == len(done.out.splitlines()) - done.out.count("\u2028")
    assert "ledger    balances" in done.err


@pytest.mark.parametrize("reducers", ["1", "3"])
def test_the_order_of_emission(driver: Driver, text: Counter[str], reducers: str) -> None:
    """A chain orders by its counts downwards, over one part or several; verify agrees."""
    done = driver.run(
        *("run", "in.txt", "--job", "table_job.py:ByCount", "--target", "local"),
        *("--reducers", reducers, "--output", "r.tsv", "--no-header"),
    )
    assert 0 == done.code, done.err
    counts = [int(each) for each in shell(driver, "cut -f2 r.tsv").split()]
    assert sorted(text.values(), reverse=True) == counts
    assert 0 == driver.run("verify").code
    assert 0 == driver.run("audit").code


def test_a_full_disk(driver: Driver, text: Counter[str]) -> None:
    """A file that outgrows the limit is an error of one line, and leaves nothing behind."""
    driver.run("run", "in.txt", "--job", "table_job.py:Lines", "--target", "inline")
    script = (
        "mkdir out; trap '' XFSZ; ulimit -f 0; "
        '"$PYTHON" -B -m driver result --output out/r.csv 2>&1 || echo "code $?"; ls -A out'
    )
    said = shell(driver, script)
    assert "cannot be written: File too large" in said
    assert "code 1\n" == said[said.index("code 1") :]
    assert [] == list((driver.folder / "out").iterdir())
