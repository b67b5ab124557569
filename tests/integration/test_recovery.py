"""A user's tools against faults: fault injection, dead letters, and replay of a task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.zipf import write_text
from tests.integration.commands import Driver

FAULTS = "kill=0.2,hang=0.03,slow=0.1,error=0.15,duplicate=0.1,corrupt=0.1"
BAD = """
from mapreduce import Job, Sum

class Numbers(Job):
    reduce = Sum()

    def map(self, offset, line):
        yield "total", int(line)
"""


def _parts(document: dict[str, object]) -> list[bytes]:
    urls = document["result_urls"]
    assert isinstance(urls, list)
    return [Path(url.removeprefix("file://")).read_bytes() for url in urls]


def _numbers(driver: Driver) -> Path:
    """Write a job that fails on two of its lines, and its input."""
    (driver.folder / "totals.py").write_text(BAD)
    lines = [str(number) for number in range(200)]
    lines[50], lines[150] = "fifty", "150 or so"
    path = driver.folder / "in.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("seed", [1, 2])
def test_fault_injection_does_not_change_the_result(driver: Driver, seed: int) -> None:
    """With killed, hung, slow, failing, duplicated and corrupted attempts the bytes are equal, and
    the report shows each fault.
    """
    text = driver.folder / "text.txt"
    write_text(text, 1_000_000, seed=3)
    command = (
        "run",
        "--input",
        text,
        "--chunks",
        "12",
        "--mappers",
        "2",
        "--reducers",
        "2",
        "--target",
        "local",
        "--json",
    )
    quiet = driver.run(*command)
    faulty = driver.run(*command, "--fresh", "--chaos", FAULTS, "--chaos-seed", str(seed))
    assert faulty.code == 0, faulty.err
    assert _parts(quiet.document) == _parts(faulty.document)
    faults = faulty.document["faults"]
    assert len(faults) >= 3
    broken = [fault for fault in faults if fault["fault"] in ("kill", "error", "hang")]
    failed = [
        row for row in faulty.document["recoveries"] if row["what"] in ("TaskLost", "InjectedFault")
    ]
    assert len(failed) >= len(broken) - 1, "a killed attempt may have been slower than its backup"
    assert all(row["why"] and row["then"] for row in faulty.document["recoveries"])
    assert quiet.document["recoveries"] == quiet.document["faults"] == []
    assert driver.run("audit").code == 0
    assert driver.wait_until_none_is_left() == []


@pytest.mark.parametrize(
    ("chaos", "named"),
    [
        ("kil=0.2", "there is no fault 'kil'"),
        ("kill", "write kind=rate"),
        ("kill=0.7,error=0.7", "more than 1"),
    ],
)
def test_unknown_faults_are_refused(driver: Driver, chaos: str, named: str) -> None:
    """A wrong --chaos is refused with one line that lists the possible faults."""
    text = driver.folder / "in.txt"
    text.write_text("a")
    done = driver.run("run", "--input", text, "--chaos", chaos)
    assert (done.code, named in done.err) == (2, True)


@pytest.mark.parametrize("target", ["local", "inline"])
def test_bad_records_are_set_aside(driver: Driver, target: str) -> None:
    """Bad records are kept with their place and error, the rest is counted, and a run without
    skipping fails.
    """
    text = _numbers(driver)
    command = (
        "run",
        "--input",
        text,
        "--job",
        "totals.py",
        "--chunks",
        "3",
        "--reducers",
        "1",
        "--target",
        target,
        "--json",
    )
    failed = driver.run(*command)
    assert failed.code == 1
    assert "invalid literal for int()" in failed.err
    done = driver.run(*command, "--skip-bad-records", "2")
    assert done.code == 0, done.err
    assert json.loads(_parts(done.document)[0]) == {"total": sum(range(200)) - 50 - 150}
    assert done.document["counters"] == {"skipped_records": 2}
    letters = sorted((driver.store / "runs" / done.document["run_id"] / "dead-letters").iterdir())
    kept = [json.loads(letter.read_text()) for letter in letters]
    assert [letter["record"] for letter in kept] == ["fifty", "150 or so"]
    content = text.read_bytes()
    for letter in kept:
        offset = int(letter["place"].rpartition(" ")[2])
        assert content[offset:].startswith(letter["record"].encode())
        assert "ValueError" in letter["message"]
    assert driver.run("verify", done.document["run_id"]).code == 0
    assert driver.run(*command).code == 1


def test_lines_that_are_not_json_are_set_aside(driver: Driver) -> None:
    """Lines that are not JSON are set aside, and `verify` and `audit` accept it for any splits."""
    lines = [f'{{"n": {number}}}' if number % 10 else "{broken" for number in range(200)]
    text = driver.folder / "in.jsonl"
    text.write_text("\n".join(lines) + "\n")
    (driver.folder / "rows.py").write_text(
        "from mapreduce import Job, JsonLines, Sum\n\n\nclass Rows(Job):\n"
        "    input_format = JsonLines()\n    reduce = Sum()\n\n"
        "    def map(self, offset, row):\n        yield 'total', row['n']\n"
    )
    command = (
        "run",
        "--input",
        text,
        "--job",
        "rows.py",
        "--target",
        "local",
        "--json",
        "--reducers",
        "1",
    )
    letters = []
    for chunks in (1, 4):
        done = driver.run(*command, "--chunks", str(chunks), "--skip-bad-records", "20")
        assert done.code == 0, done.err
        assert json.loads(_parts(done.document)[0]) == {
            "total": sum(n for n in range(200) if n % 10)
        }
        folder = driver.store / "runs" / done.document["run_id"] / "dead-letters"
        kept = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
        letters.append({letter["place"] for letter in kept})
        assert ["{broken"] * 20 == [letter["record"] for letter in kept]
        assert all("a line is not JSON" in letter["message"] for letter in kept)
        assert driver.run("verify", done.document["run_id"]).code == 0
        assert driver.run("audit", done.document["run_id"]).code == 0
    assert letters[0] == letters[1]
    failed = driver.run(*command, "--skip-bad-records", "19")
    assert (failed.code, "more than 19 records would have to be skipped" in failed.err) == (1, True)


def test_one_bad_record_too_many(driver: Driver) -> None:
    """A run with more bad records than allowed fails and says so."""
    text = _numbers(driver)
    done = driver.run(
        "run", "--input", text, "--job", "totals.py", "--target", "local", "--skip-bad-records", "1"
    )
    assert done.code == 1
    assert "more than 1 records would have to be skipped" in done.err


def test_replay(driver: Driver) -> None:
    """`replay` shows a failed task's traceback, or repeats a finished task, and writes nothing."""
    text = _numbers(driver)
    failed = driver.run(
        "run", "--input", text, "--job", "totals.py", "--chunks", "3", "--target", "local"
    )
    assert failed.code == 1
    run = max((driver.store / "runs").iterdir()).name
    (driver.folder / "totals.py").write_text(
        "raise RuntimeError('replay takes the code of the run, not this')"
    )
    again = driver.run("replay", run, "map-0")
    assert again.code == 1
    assert "ValueError: invalid literal for int() with base 10: 'fifty'" in again.err
    assert "in.txt bytes 0-" in again.err
    assert "there is no terminal for the debugger" in again.err
    before = {path for path in driver.store.rglob("*") if path.is_file()}
    fine = driver.run("replay", run, "map-1", "--no-debug")
    assert (fine.code, "no error" in fine.err) == (0, True)
    assert before == {path for path in driver.store.rglob("*") if path.is_file()}
    unknown = driver.run("replay", run, "map-9")
    assert (unknown.code, "has no task 'map-9'" in unknown.err) == (2, True)


def test_a_chain_that_sets_records_aside_is_verified(driver: Driver) -> None:
    """A chain whose steps set records aside, some of them twice, is verified."""
    text = driver.folder / "in.txt"
    text.write_text(
        "".join(f"{number}\n" if number % 25 else "no number\n" for number in range(200))
    )
    (driver.folder / "steps.py").write_text(
        "from mapreduce import Chain, Job, Step, Sum\n\n\nclass Digits(Job):\n"
        "    def map(self, offset, line):\n        one = 'x' if line[0] == '7' else 1\n"
        "        yield (int(line) % 10, b'k'), [int(line), one]\n\n"
        "    def reduce(self, key, values):\n        for value in sorted(values, key=str):\n"
        "            yield key, value[1:]\n\n\n"
        "class Total(Job):\n    reduce = Sum()\n\n    def map(self, key, value):\n"
        "        if self.input == 'previous':\n            yield 'total', value[0] + key[0]\n"
        "        else:\n            yield 'lines', 1 + 0 * len(value[:3].encode('ascii')) // "
        "(value[0] != '3')\n\n\n"
        "class Both(Chain):\n    def steps(self):\n        yield Digits()\n"
        "        yield Step(Total(), reads=('previous', 'given'))\n"
    )
    command = (
        "run",
        "--input",
        text,
        "--job",
        "steps.py:Both",
        "--target",
        "local",
        "--json",
        "--skip-bad-records",
    )
    done = driver.run(*command, "40")
    assert done.code == 0, done.err
    numbers = [number for number in range(200) if number % 25]
    added = [number for number in numbers if not str(number).startswith("7")]
    third = [number for number in numbers if str(number).startswith("3")]
    (part,) = _parts(done.document)
    assert {"lines": 200 - len(third), "total": sum(1 + n % 10 for n in added)} == json.loads(part)
    letters = {path.parent.parent.name for path in (driver.store / "runs").glob("*/dead-letters/*")}
    assert 2 == len(letters)
    verified = driver.run("verify", done.document["run_id"])
    assert verified.code == 0, verified.out + verified.err
    Path(done.document["result_urls"][0].removeprefix("file://")).write_text(
        '{"lines": 1, "total": 2}'
    )
    assert driver.run("verify", done.document["run_id"]).code == 1
