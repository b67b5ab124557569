"""`result`: the result of a finished run, read again from its parts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.driver.cli.conftest import Command


@pytest.fixture
def run(command: Command, home: Path) -> str:
    """The id of a finished run with three parts."""
    (home / "in.txt").write_text("a rose is a rose\nis a rose\n7 '7'\n")
    said = command("run", "in.txt", "--target", "inline", "--reducers", "3", "--json")
    return str(said.document["run_id"])


def test_the_top_keys_are_shown_without_a_run(command: Command, run: str) -> None:
    """The top keys come from the parts, as many as are asked for, in text and in JSON."""
    said = command("result", "--top", "2")
    assert ["a", "3"] == said.out.splitlines()[1].split()
    assert f"{run}: WordCount, " in said.out
    assert "in 3 parts" in said.out
    document = command("result", run.rpartition("-")[2], "--top", "2", "--json").document
    assert ([["a", 3], ["rose", 3]], None) == (document["top"], document["found"])
    assert [run] == [each["run_id"] for each in command("runs", "--json").document["runs"]]


def test_one_key_is_looked_up(command: Command, run: str) -> None:
    """A key shows its pairs; a missing one exits with 1, also in JSON."""
    assert [["is", 2]] == command("result", "--key", "is", "--json").document["found"]
    assert [["is", 2]] == command("result", "--key", '"is"', "--json").document["found"]
    assert "is       2" in command("result", "--key", "is").out
    missing = command("result", "--key", "thorn")
    assert (1, "", True) == (missing.code, missing.out, "no key 'thorn'" in missing.err)
    none = command("result", "--key", "thorn", "--fields", "found")
    assert (1, {"found": []}) == (none.code, none.document)


def test_a_result_is_exported_again(command: Command, home: Path, run: str) -> None:
    """The result is written in key order in another format, and a new folder is said."""
    said = command("result", "--output", "new/o.csv")
    assert "key,value a,3 is,2 rose,3" == " ".join(
        line for line in Path("new/o.csv").read_text().split() if "'" not in line
    )
    assert ("written   new/o.csv" in said.out, "made the folder new" in said.err) == (True, True)
    assert "new/o.csv" == command("result", "--output", "new/o.csv", "--json").document["written"]


def test_an_export_replaces_no_input(command: Command, home: Path) -> None:
    """A file that was the run's input is not replaced by its result."""
    (home / "in.csv").write_text("a,b\n")
    assert 0 == command("run", "in.csv", "--target", "inline").code
    said = command("result", "--output", "in.csv")
    assert (2, "a,b\n") == (said.code, (home / "in.csv").read_text())
    assert "would replace the input" in said.err


def test_urls_are_one_a_line(command: Command, run: str) -> None:
    """`--urls` prints the URLs of the parts and nothing else."""
    urls = command("result", "--urls").out.splitlines()
    assert 3 == len(urls)
    assert all(url.startswith("file:///") for url in urls)


def test_a_run_without_a_result_is_an_error(command: Command, home: Path, run: str) -> None:
    """A run without `_SUCCESS` exits with 2 and names the command that says why."""
    for path in home.rglob("_SUCCESS"):
        path.unlink()
    said = command("result")
    assert (2, True) == (said.code, f"driver status {run}" in said.err)
    assert 2 == command("result", "--top", "-1").code


@pytest.mark.parametrize(
    "how", [("--top", "2"), ("--key", "is"), ("--output", "o.csv"), ("--json",)]
)
@pytest.mark.parametrize("change", ["a digit", "cut"])
def test_a_changed_result_is_refused(
    command: Command, home: Path, run: str, how: tuple[str, ...], change: str
) -> None:
    """A part that is not what was committed is neither shown nor exported."""
    part = next(Path(".mapreduce/reduce", run).glob("part-00000.jsonl"))
    data = part.read_bytes()
    part.write_bytes(data.replace(b"2", b"9") if change == "a digit" else data[:-5])
    said = command("result", *how)
    assert (True, "") == (said.code != 0, said.out if "--json" not in how else "")
    assert f"audit {run}" in said.err
    assert not Path("o.csv").exists()
    assert 0 == command("result", "--urls").code


def test_standard_output_has_the_result_alone(command: Command, run: str) -> None:
    """`--output -` writes the result, and everything else to standard error."""
    said = command("result", "--output", "-", "--output-format", "tsv", "--no-header")
    assert (0, True) == (said.code, said.out.endswith("\na\t3\nis\t2\nrose\t3\n"))
    assert f"written   to standard output: 4 pairs of {run}" in said.err


@pytest.mark.parametrize("other", ["--json", "--urls", "--fields=top"])
def test_standard_output_has_one_answer(command: Command, run: str, other: str) -> None:
    """`--output -` beside another answer on standard output is refused."""
    said = command("result", "--output", "-", other)
    assert 2 == said.code
    assert "both write standard output" in said.err


def test_an_export_with_columns(command: Command, home: Path, run: str) -> None:
    """`--columns` names the columns; a wrong number names a pair that does not fit."""
    assert 0 == command("result", "--output", "o.csv.gz", "--columns", "word,count").code
    assert gzip.decompress((home / "o.csv.gz").read_bytes()).startswith(b"word,count\n")
    said = command("result", "--output", "o.csv", "--columns", "word,count,more")
    assert (1, True) == (said.code, "has 2 fields, and `columns` 3" in said.err)
    assert not (home / "o.csv").exists()
