"""`run` over real services on loopback: the answer, the document, reuse, and messages."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Driver, plain_words

DOCUMENT_FIELDS = {
    "run_id",
    "target",
    "job",
    "chunk_urls",
    "requests",
    "map_urls",
    "result_urls",
    "records",
    "top",
    "counters",
    "timings",
    "tasks",
    "ledger",
    "receipt",
    "reused_tasks",
    "steps",
    "recoveries",
    "notes",
    "faults",
    "left_out",
    "invalid_text",
}


def _inputs(books: list[Path]) -> list[str]:
    return [part for book in books for part in ("--input", str(book))]


def _expected(books: list[Path]) -> Counter[str]:
    return sum((plain_words(book.read_bytes().decode()) for book in books), Counter())


def _result(document: dict[str, list[str]]) -> dict[str, Any]:
    """Return the pairs of a result, from all parts."""
    pairs: dict[str, Any] = {}
    for url in document["result_urls"]:
        text = Path(url.removeprefix("file://")).read_text(encoding="utf-8")
        if url.endswith(".json"):
            pairs |= json.loads(text)
        else:
            pairs |= {row["key"]: row["value"] for row in map(json.loads, text.splitlines())}
    return pairs


@pytest.mark.parametrize("target", ["local", "inline"])
@pytest.mark.parametrize("mode", ["range", "copy"])
def test_counts_words(driver: Driver, books: list[Path], target: str, mode: str) -> None:
    """With services and inline, with ranges and chunk files, the counts equal a plain program's."""
    done = driver.run(
        "run", *_inputs(books), "--target", target, "--split-mode", mode, "--chunks", "5", "--json"
    )
    expected = _expected(books)
    assert done.code == 0, done.err
    assert expected == _result(done.document)
    assert set(done.document) == DOCUMENT_FIELDS
    assert done.document["records"] == len(expected)
    assert done.document["top"] == [
        list(pair) for pair in sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
    ]
    assert done.document["ledger"]["bytes_in"] == sum(book.stat().st_size for book in books)
    assert driver.run("verify").code == 0
    assert driver.run("audit").code == 0


def test_one_reducer_leaves_one_object_and_several_leave_sorted_parts(
    driver: Driver, books: list[Path]
) -> None:
    """One reducer writes `result.json`; three write sorted parts, and `_SUCCESS` beside them."""
    one = driver.run("run", *_inputs(books), "--reducers", "1", "--json").document
    many = driver.run("run", *_inputs(books), "--reducers", "3", "--json").document
    assert [url.rpartition("/")[2] for url in one["result_urls"]] == ["result.json"]
    assert [url.rpartition("/")[2] for url in many["result_urls"]] == [
        f"part-0000{n}.jsonl" for n in range(3)
    ]
    assert _result(one) == _result(many)
    for url in many["result_urls"]:
        part = Path(url.removeprefix("file://"))
        keys = [json.loads(line)["key"] for line in part.read_text(encoding="utf-8").splitlines()]
        assert keys == sorted(keys, key=str.encode)
        assert (part.parent / "_SUCCESS").exists()


def test_output_file_in_each_format(driver: Driver, books: list[Path]) -> None:
    """--output writes one file in key order, which the standard library's readers read."""
    expected = _expected(books)
    order = sorted(expected, key=str.encode)
    for ending in ("json", "jsonl", "csv", "tsv"):
        target = driver.folder / "out" / f"counts.{ending}"
        done = driver.run("run", *_inputs(books), "--reducers", "3", "--output", target)
        assert done.code == 0, done.err
        text = target.read_text(encoding="utf-8")
        if ending == "json":
            pairs = list(json.loads(text).items())
        elif ending == "jsonl":
            pairs = [(row["key"], row["value"]) for row in map(json.loads, text.splitlines())]
        else:
            header, *rows = csv.reader(
                text.splitlines(), delimiter="," if ending == "csv" else "\t"
            )
            assert header == ["key", "value"]
            pairs = [(key, int(value)) for key, value in rows]
        assert [key for key, _ in pairs] == order
        assert expected == dict(pairs)


def test_inverted_index_names_the_files_of_each_word(driver: Driver, books: list[Path]) -> None:
    """A job with a `reduce` lists the same files for each word as a plain program."""
    done = driver.run(
        "run", *_inputs(books), "--job", "mapreduce_jobs.inverted_index", "--chunks", "4", "--json"
    )
    assert done.code == 0, done.err
    expected: dict[str, list[list[str | int]]] = {}
    for book in books:
        for word, count in plain_words(book.read_bytes().decode()).items():
            expected.setdefault(word, []).append([f"file://{book}", count])
    assert expected == _result(done.document)


def test_second_run_reuses_everything(driver: Driver, books: list[Path]) -> None:
    """The same command reuses all tasks and says so; `--fresh` repeats all."""
    command = ("run", *_inputs(books), "--chunks", "3", "--json")
    first, second = driver.run(*command), driver.run(*command)
    assert (first.document["reused_tasks"], second.document["reused_tasks"]) == (0, 5)
    assert "reused" in second.err
    assert _result(first.document) == _result(second.document)
    assert driver.run(*command, "--fresh").document["reused_tasks"] == 0


def test_a_lost_map_output_is_done_again_and_nothing_else(
    driver: Driver, books: list[Path]
) -> None:
    """After one map object is deleted, only that map task runs again."""
    command = ("run", *_inputs(books), "--chunks", "3", "--json")
    first = driver.run(*command).document
    Path(first["map_urls"][1].removeprefix("file://")).unlink()
    again = driver.run(*command).document
    assert [(row["stage"], row["index"]) for row in again["tasks"] if not row["reused"]] == [
        ("map", 1)
    ]
    assert _result(first) == _result(again)


def test_a_changed_input_is_read_again(driver: Driver, books: list[Path]) -> None:
    """An input with new content under the old name is read again."""
    command = ("run", *_inputs(books), "--json")
    driver.run(*command)
    with books[0].open("a", encoding="utf-8") as file:
        file.write("completely new\n")
    assert _expected(books) == _result(driver.run(*command).document)


def test_empty_input_gives_an_empty_result(driver: Driver) -> None:
    """An empty input gives an empty result and a balanced ledger."""
    empty = driver.folder / "nothing.txt"
    empty.touch()
    done = driver.run("run", "--input", empty, "--json")
    assert done.code == 0, done.err
    assert _result(done.document) == {}
    assert driver.run("audit").code == 0


def test_folders_and_globs_mean_their_files(driver: Driver, books: list[Path]) -> None:
    """A folder and a glob give the same result as their files one by one."""
    shelf = driver.folder / "shelf"
    shelf.mkdir()
    for book in books:
        book.rename(shelf / book.name)
    expected = _expected(sorted(shelf.iterdir()))
    for given in (shelf, shelf / "*.txt"):
        assert expected == _result(driver.run("run", "--input", given, "--json").document)


def test_records_of_the_past(driver: Driver, books: list[Path]) -> None:
    """`runs` lists a run, `status` shows it, and `clean` deletes only with --yes."""
    run_id = driver.run("run", *_inputs(books), "--json").document["run_id"]
    listed = driver.run("runs", "--json").document["runs"]
    assert [(line["run_id"], line["state"]) for line in listed] == [(run_id, "done")]
    assert driver.run("status", "--json").document["maps_done"] > 0
    assert "would delete" in driver.run("clean", "--all-runs").err
    assert list((driver.store / "maps").rglob("map-*"))
    assert driver.run("clean", "--all-runs", "--yes").code == 0
    assert not list((driver.store / "maps").rglob("map-*"))
    assert driver.run("verify").code == 0
    assert driver.run("clean", "--everything", "--yes").code == 0
    assert driver.run("runs", "--json").document["runs"] == []


def test_audit_and_verify_find_a_result_that_was_changed(driver: Driver, books: list[Path]) -> None:
    """`audit` and `verify` fail after a result was edited."""
    document = driver.run("run", *_inputs(books), "--json").document
    result = Path(document["result_urls"][0].removeprefix("file://"))
    result.write_text(
        result.read_text(encoding="utf-8").replace('"the"', '"teh"'), encoding="utf-8"
    )
    assert driver.run("audit").code == 1
    assert driver.run("verify").code != 0


FAULTY = """\
from mapreduce import Job, Sum
from helper import weigh

class Faulty(Job):
    limit: int = 5
    reduce = Sum()

    def map(self, key, value):
        for word in value.split():
            yield word, weigh(word, self.limit)
"""
HELPER = """\
def weigh(word, limit):
    return 1 // (len(word) - limit)
"""


def test_a_fault_in_the_jobs_code_is_shown_as_its_author_needs_it(driver: Driver) -> None:
    """An error in a job shows the author's traceback, the record, object and offset, and no frames
    of the engine.
    """
    (driver.folder / "faulty.py").write_text(FAULTY)
    (driver.folder / "helper.py").write_text(HELPER)
    text = driver.folder / "text.txt"
    text.write_text("a bb ccc\nxx yyyyy zz\n")
    for target in ("local", "inline"):
        done = driver.run(
            "run", "--input", text, "--job", "faulty.py", "--target", target, "--chunks", "1"
        )
        assert done.code == 1
        assert f'File "{driver.folder}/faulty.py", line 10, in map' in done.err
        assert f'File "{driver.folder}/helper.py", line 2, in weigh' in done.err
        assert "ZeroDivisionError" in done.err
        assert f"file://{text} at byte 9" in done.err
        assert "'xx yyyyy zz'" in done.err
        assert "map_task.py" not in done.err
    passing = driver.run(
        "run", "--input", text, "--job", "faulty.py:Faulty", "--param", "limit=50", "--json"
    )
    assert passing.code == 0, passing.err


MISTAKES = [
    (["run", "--input", "missing.txt"], "missing.txt"),
    (["run"], "there is no input"),
    (["run", "--input", "text.txt", "--job", "no.such.module"], "no.such.module"),
    (["run", "--input", "text.txt", "--job", "missing.py"], "missing.py"),
    (["run", "--input", "text.txt", "--param", "depth=1"], "depth"),
    (["run", "--input", "text.txt", "--param", "depth"], "name=value"),
    (
        [
            "run",
            "--input",
            "text.txt",
            "--job",
            "mapreduce_jobs.inverted_index",
            "--param",
            "min_length=x",
        ],
        "min_length",
    ),
    (["run", "--input", "text.txt", "--target", "mars"], "mars"),
    (["run", "--input", "text.txt", "--split-mode", "cut"], "cut"),
    (["run", "--input", "text.txt", "--chunk-size", "3 parsecs"], "3 parsecs"),
    (["run", "--input", "text.txt", "--chunks", "0"], "--chunks"),
    (["run", "--input", "text.txt", "--chunks", "2", "--chunk-size", "1MB"], "--chunk-size"),
    (["run", "--input", "text.txt", "--output", "counts.docx"], ".docx"),
    (["run", "--input", "gopher://hole/x"], "gopher"),
    (["verify", "run-unknown"], "run"),
    (["clean"], "clean"),
    (["dance"], "dance"),
]


@pytest.mark.parametrize(
    ("arguments", "named"),
    MISTAKES,
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_a_line_and_exit_2(
    driver: Driver, arguments: list[str], named: str
) -> None:
    """A user's mistake gives a short message with the cause, no stack trace, and no standard
    output.
    """
    (driver.folder / "text.txt").write_text("some words\n")
    done = driver.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 2
