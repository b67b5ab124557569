"""Chains, joins, sorted and map-only jobs, and every format, with the real command and services."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.commands import Driver, ascii_words

CHAIN = """
from mapreduce_jobs.word_count import WordCount
from mapreduce import Chain, Job, TopK

class Best(Job):
    k: int = 2
    reduce = TopK(2)

    def map(self, word, count):
        assert type(word) is str and type(count) is int
        yield word[0], (count, word)

class Rounds(Chain):
    least: int = 1

    def steps(self):
        counted = yield WordCount()
        print("this is not the document")
        if counted.records >= self.least and ("the", 3) in counted.pairs():
            yield Best()
"""


def _result(driver: Driver, document: dict[str, object]) -> object:
    urls = document["result_urls"]
    assert isinstance(urls, list)
    assert len(urls) == 1
    return json.loads(Path(urls[0].removeprefix("file://")).read_text())


@pytest.mark.parametrize("target", ["local", "inline"])
def test_a_chain(driver: Driver, target: str) -> None:
    """The steps of a chain run in order and keep their types; the chain is verified, audited, and
    reused.
    """
    (driver.folder / "rounds.py").write_text(CHAIN)
    (driver.folder / "in.txt").write_text("the cat the dog\nthe cow and a\ncats\n")
    command = (
        "run",
        "--job",
        "rounds.py",
        "--input",
        "in.txt",
        "--target",
        target,
        "--reducers",
        "1",
        "--json",
    )
    first = driver.run(*command)
    assert first.code == 0, first.err
    assert "this is not the document" in first.err
    expected = {
        "a": [[1, "and"], [1, "a"]],
        "c": [[1, "cow"], [1, "cats"]],
        "d": [[1, "dog"]],
        "t": [[3, "the"]],
    }
    assert _result(driver, first.document) == expected
    assert len(first.document["steps"]) == 2
    assert {row["step"] for row in first.document["tasks"]} == {1, 2}
    run = first.document["run_id"]
    assert driver.run("verify", run).code == 0
    audited = driver.run("audit", run, "--json")
    assert (audited.code, len(audited.document["rows"]) > 8) == (0, True)
    again = driver.run(*command).document
    assert again["reused_tasks"] == len(again["tasks"])
    assert _result(driver, again) == expected
    status = driver.run("status", "--json").document
    assert (status["state"], len(status["steps"])) == ("done", 2)
    cleaned = driver.run("clean", run, "--results", "--yes")
    assert cleaned.code == 0
    assert not [path for path in driver.store.rglob("*") if run in str(path) and path.is_file()]


def test_a_chain_goes_on_with_the_step_that_failed(driver: Driver) -> None:
    """After a fix, a chain reuses the steps before the one that failed."""
    good = CHAIN.replace("k: int = 2", "k: int = 2\n    broken: bool = False").replace(
        "        assert type",
        "        if self.broken:\n            raise ValueError('broken on purpose')\n        "
        "assert type",
    )
    good = good.replace("least: int = 1", "least: int = 1\n    broken: bool = False").replace(
        "Best()", "Best(broken=self.broken)"
    )
    (driver.folder / "rounds.py").write_text(good)
    (driver.folder / "in.txt").write_text("the cat the dog\nthe cow and a\ncats\n")
    command = ("run", "--job", "rounds.py", "--input", "in.txt", "--target", "local", "--json")
    failed = driver.run(*command, "--param", "broken=true")
    assert failed.code == 1
    assert "ValueError: broken on purpose" in failed.err
    mended = driver.run(*command)
    assert mended.code == 0, mended.err
    assert mended.document["reused_tasks"] >= 3, "the first step is not done again"


def test_a_fault_in_steps_is_shown(driver: Driver) -> None:
    """An error in `steps` shows the author's traceback, and exits with code 1."""
    (driver.folder / "rounds.py").write_text(
        "from mapreduce_jobs.word_count import WordCount\nfrom mapreduce import Chain\nclass "
        "R(Chain):\n"
        "    def steps(self):\n        result = yield WordCount()\n        1 / "
        "result.counters['none']\n"
    )
    (driver.folder / "in.txt").write_text("a\n")
    done = driver.run("run", "--job", "rounds.py", "--input", "in.txt", "--target", "inline")
    assert done.code == 1
    assert "ZeroDivisionError" in done.err
    assert "1 / result.counters['none']" in done.err
    assert "mapreduce/chain.py" not in done.err


def test_a_sorted_result(driver: Driver) -> None:
    """With --sort the parts, joined in order, are in key order."""
    words = [
        "".join("abcdefghij"[int(digit)] for digit in f"{number * 7919 % 10007:05d}")
        for number in range(5000)
    ]
    (driver.folder / "in.txt").write_text("\n".join(words))
    done = driver.run(
        "run", "--input", "in.txt", "--reducers", "4", "--sort", "--target", "local", "--json"
    )
    assert done.code == 0, done.err
    parts = [Path(url.removeprefix("file://")).read_text() for url in done.document["result_urls"]]
    keys = [json.loads(line)["key"] for part in parts for line in part.splitlines()]
    assert keys == sorted(ascii_words("\n".join(words).encode()))
    assert all(part for part in parts)


def test_a_map_only_job_over_csv_and_compressed_input(driver: Driver) -> None:
    """CSV rows with quoted line ends survive many splits, plain and in chunk files."""
    (driver.folder / "rows.py").write_text(
        "from mapreduce import Csv, Job\nclass Rows(Job):\n    input_format = Csv()\n"
        "    def map(self, offset, row):\n        yield row['id'], row['text']\n"
    )
    rows = [(str(number), f'line one of {number},\n"two"') for number in range(300)]
    content = "id,text\n" + "".join(
        '{},"{}"\n'.format(key, text.replace('"', '""')) for key, text in rows
    )
    (driver.folder / "rows.csv").write_text(content)
    (driver.folder / "rows.csv.gz").write_bytes(gzip.compress(content.encode()))
    for given, mode in (
        ("rows.csv", "range"),
        ("rows.csv.gz", "range"),
        ("rows.csv.gz", "copy"),
        ("rows.csv", "copy"),
    ):
        done = driver.run(
            "run", "--job", "rows.py", "--input", given, "--chunks", "9", "--split-mode", mode,
            "--target", "inline", "--json", "--output", "out.jsonl",
        )  # fmt: skip
        assert done.code == 0, done.err
        written = [
            json.loads(line) for line in (driver.folder / "out.jsonl").read_text().splitlines()
        ]
        assert sorted(rows) == [(pair["key"], pair["value"]) for pair in written]
        assert driver.run("verify").code == 0


def test_a_join_of_two_formats(driver: Driver) -> None:
    """A join reads named inputs; an input without a name is refused with the possible names."""
    (driver.folder / "join.py").write_text(
        "from mapreduce import CollectList, Csv, Job, JsonLines\nclass J(Job):\n"
        "    input_format = {'users': Csv(), 'orders': JsonLines()}\n    reduce = CollectList()\n"
        "    def map(self, offset, row):\n        yield int(row['id']), (self.input, "
        "row.get('name') or row['item'])\n"
    )
    (driver.folder / "u.csv").write_text("id,name\n1,Ada\n2,Grace\n")
    (driver.folder / "o.jsonl").write_text('{"id": 1, "item": "engine"}\n')
    wrong = driver.run("run", "--job", "join.py", "--input", "u.csv")
    assert (wrong.code, "--input users=PATH, --input orders=PATH" in wrong.err) == (2, True)
    done = driver.run(
        "run",
        "--job",
        "join.py",
        "--input",
        "users=u.csv",
        "--input",
        "orders=o.jsonl",
        "--json",
        "--output",
        "o.parquet",
    )
    assert done.code == 0, done.err
    assert _result(driver, done.document) == [
        [1, [["users", "Ada"], ["orders", "engine"]]],
        [2, [["users", "Grace"]]],
    ]
    assert (driver.folder / "o.parquet").read_bytes()[:4] == b"PAR1"
    assert driver.run("verify").code == 0


def test_a_broken_row(driver: Driver) -> None:
    """A broken row gives one error with the record and its place, and no second attempt."""
    (driver.folder / "rows.py").write_text(
        "from mapreduce import Csv, Job\nclass Rows(Job):\n    input_format = Csv()\n"
        "    def map(self, offset, row):\n        yield row['id'], 1\n"
    )
    (driver.folder / "rows.csv").write_text("id,text\n1,a\n2\n3,c\n")
    done = driver.run("run", "--job", "rows.py", "--input", "rows.csv", "--target", "local")
    assert done.code == 1
    assert "rows.csv at byte 12" in done.err
    assert "record: " in done.err
    assert "Traceback" not in done.err


def test_counts_of_many_small_compressed_files(driver: Driver) -> None:
    """A folder of gzip files gives the same answer as the texts."""
    expected: Counter[str] = Counter()
    (driver.folder / "in").mkdir()
    for number in range(30):
        text = f"file {'abcdefghij'[number % 10]} of many\n".encode() * (number + 1)
        expected += ascii_words(text)
        (driver.folder / "in" / f"{number:02d}.gz").write_bytes(gzip.compress(text))
    done = driver.run("run", "--input", "in", "--chunks", "4", "--target", "local", "--json")
    assert done.code == 0, done.err
    assert _result(driver, done.document) == expected


def test_a_folder_gets_a_file_for_each_part(driver: Driver) -> None:
    """With a folder as --output each part becomes a file; together they equal the merged file."""
    (driver.folder / "in.txt").write_text("a b c d e f g h\n" * 3)
    command = ("run", "--input", "in.txt", "--reducers", "3", "--target", "inline")
    done = driver.run(*command, "--output", "parts/", "--output-format", "csv")
    assert done.code == 0, done.err
    parts = sorted((driver.folder / "parts").iterdir())
    assert [path.name for path in parts] == [f"part-0000{number}.csv" for number in range(3)]
    assert driver.run(*command, "--output", "all.csv").code == 0
    merged = (driver.folder / "all.csv").read_text().splitlines()
    assert sorted(merged[1:]) == sorted(
        line for path in parts for line in path.read_text().splitlines()[1:]
    )
    assert all(path.read_text().startswith("key,value\n") for path in parts)
    wrong = driver.run(*command, "--output", "all.csv", "--output-format", "tsv")
    assert (wrong.code, "contradict each other" in wrong.err) == (2, True)


SETTINGS = """
from mapreduce import Chain, Count, Job, Mean, Quantile, Step


class Lengths(Job):
    least: int
    reducers = 2
    reduce = {"n": Count(), "mean": Mean(), "median": Quantile(0.5)}

    def map(self, offset, line):
        for word in line.split():
            if len(word) >= self.least:
                yield word[0], len(word)


class Letters(Chain):
    least: int = 2

    def steps(self):
        yield Lengths()
        yield Step(reduce=Count(), reducers=3)
"""


@pytest.mark.parametrize("target", ["local", "inline"])
def test_several_aggregations_and_settings_of_steps(driver: Driver, target: str) -> None:
    """Each step has its own number of parts; a required parameter must be given; all verifies."""
    (driver.folder / "letters.py").write_text(SETTINGS)
    (driver.folder / "in.txt").write_text("a bee be a bean\nabc ab\n")
    alone = ("run", "in.txt", "--job", "letters.py:Lengths", "--target", target, "--json")
    asked = driver.run(*alone)
    assert (asked.code, "Lengths needs --param least=..." in asked.err) == (2, True)
    given = driver.run(*alone, "--param", "least=2")
    assert given.code == 0, given.err
    assert "2 reducers (`reducers` of the job)" in given.err
    assert 2 == len(given.document["result_urls"])
    assert dict(given.document["top"]) == {
        "a": {"n": 2, "mean": 2.5, "median": 2.5},
        "b": {"n": 3, "mean": 3.0, "median": 3.0},
    }
    assert driver.run("verify").code == 0
    chain = driver.run("run", "in.txt", "--job", "letters.py:Letters", "--target", target, "--json")
    assert chain.code == 0, chain.err
    assert [["a", 1], ["b", 1]] == sorted(chain.document["top"])
    assert 3 == len(chain.document["result_urls"])
    assert driver.run("verify").code == 0


@pytest.mark.parametrize("target", ["local", "inline"])
def test_map_over_values(driver: Driver, target: str) -> None:
    """Each value is a task; one that failed is done alone, and the rest is reused."""
    job = "from mapreduce import Job\n\n\nclass Twice(Job):\n    bad: int = 2\n\n    def map"
    job += "(self, number, value):\n        if value == self.bad:\n            raise ValueError\n"
    job += "        yield number, value * 2\n"
    (driver.folder / "twice.py").write_text(job)
    (driver.folder / "values.txt").write_text('1\n\n2\n"x"\n')
    command = ("run", "--over", "values.txt", "--job", "twice.py", "--target", target, "--json")
    assert 1 == driver.run(*command).code
    done = driver.run(*command, "--param", "bad=7")
    assert done.code == 0, done.err
    assert [[0, 2], [1, 4], [2, "xx"]] == sorted(done.document["top"])
    assert 3 == sum(row["stage"] == "map" for row in done.document["tasks"])
    assert driver.run("verify").code == 0
    again = driver.run(*command, "--param", "bad=7").document
    assert again["reused_tasks"] == len(again["tasks"])


@pytest.mark.parametrize("target", ["local", "inline"])
def test_shell_commands(driver: Driver, target: str) -> None:
    """A streaming job runs in the services; one that fails says what its command said."""
    (driver.folder / "in.txt").write_bytes(b"b\t1\na\t\xff\nb\t0\n\n")
    command = ("run", "in.txt", "--job", "streaming", "--target", target, "--json")
    done = driver.run(*command, "--param", "mapper=cat", "--param", "reducer=cat")
    assert done.code == 0, done.err
    expected = [["", None], ["a", {"base64": "/w=="}], ["b", "0"], ["b", "1"]]
    assert expected == sorted(done.document["top"], key=lambda pair: (pair[0], str(pair[1])))
    failed = driver.run(*command, "--param", "mapper=echo no >&2; exit 3")
    assert (failed.code, "ended with exit code 3: no" in failed.err) == (1, True)
