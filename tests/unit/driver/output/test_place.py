"""Where `--output` may be: never over an input, under any of its names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_store import RunStore
from driver.output.export import write_output
from driver.output.place import Output
from driver.plan.inputs import FoundInputs, find_inputs
from mapreduce.errors import InputError, UsageError
from mapreduce.formats.table_files import FileFormat
from mapreduce.storage import open_storage

STORE = ".mapreduce"
PART = b'{"key":"a","value":1}\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def runs() -> RunStore:
    """Return the store in the current folder."""
    return RunStore(open_storage(), f"file://{Path.cwd() / STORE}")


def checked(output: str, *given: str, style: FileFormat | None = None) -> FoundInputs:
    """Return the inputs that remain after a check of the output."""
    parsed = Output.parse(output, style)
    assert parsed is not None
    kept = runs()
    return parsed.checked(find_inputs(given, kept.storage, store=kept.store), kept)


def written(output: str, run: str = "run-20260101-000000-calm-crane") -> None:
    """Write an output as a run does: two parts, or one file."""
    kept = runs()
    urls = [f"{kept.store}/reduce/{run}/part-0000{number}.jsonl" for number in range(2)]
    for url in urls:
        kept.storage.write(url, PART)
    kept.write(run, "plan.json", b"{}")
    parsed = Output.parse(output, None)
    assert parsed is not None
    write_output(parsed, urls, kept, run, lambda _: None)


def names(found: FoundInputs) -> list[str]:
    """Return the inputs' paths below the current folder."""
    return [each.url.removeprefix(f"file://{Path.cwd()}/") for each in found.objects]


def write(*paths: str) -> None:
    """Write files of the user."""
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("a b a\n")


@pytest.mark.parametrize(
    ("output", "given"),
    [
        ("in/x.json", "in/x.json"),
        ("in/x.json", "in"),
        ("in/x.json", "in/*"),
        ("./in/../in/x.json", "in/x.json"),
        ("link/x.json", "in/x.json"),
        ("in/x.json", "link/x.json"),
        ("in/x.json", "link"),
        ("soft.json", "in/x.json"),
        ("in/x.json", "soft.json"),
        ("hard.json", "in/x.json"),
    ],
)
def test_an_output_does_not_replace_an_input(output: str, given: str) -> None:
    """An output over an input is refused, by name, in a folder, and through links, `..` and a
    second name.
    """
    write("in/x.json", "in/y.txt")
    Path("link").symlink_to("in")
    Path("soft.json").symlink_to("in/x.json")
    os.link("in/x.json", "hard.json")
    with pytest.raises(UsageError, match=r"would replace the input .*name another output"):
        checked(output, given)


def test_an_output_beside_its_input_is_good() -> None:
    """A new file in the input's folder is allowed, also with the same stem and another format."""
    write("in/x.txt")
    assert ["in/x.txt"] == names(checked("in/x.json", "in"))


def test_an_earlier_result_is_no_input_of_the_same_command() -> None:
    """An earlier result in --output is left out of the input, with a note."""
    write("in/x.txt")
    written("in/r.json")
    found = checked("in/r.json", "in")
    assert ["in/x.txt"] == names(found)
    assert {"output": 1} == found.left_out
    assert ("left out: 1 entry of the input: 1 of an earlier result in --output",) == found.notes
    assert ["in/r.json", "in/x.txt"] == names(checked("other.json", "in"))


def test_an_earlier_result_that_was_changed_is_the_users_file() -> None:
    """An earlier result that was edited is an input, and is not replaced."""
    write("in/x.txt")
    written("in/r.json")
    Path("in/r.json").write_text("mine")
    with pytest.raises(UsageError, match="would replace the input"):
        checked("in/r.json", "in")


def test_an_earlier_result_that_is_named_itself_is_not_replaced() -> None:
    """An earlier result that is named as an input is not replaced."""
    written("r.json")
    with pytest.raises(UsageError, match="would replace the input"):
        checked("r.json", "r.json")
    assert ["r.json"] == names(checked("s.json", "r.json"))


def test_a_folder_of_parts_below_the_input() -> None:
    """Parts of an earlier run below the input are left out; the user's files are read."""
    write("in/x.txt")
    written("in/out/")
    write("in/out/notes.txt")
    found = checked("in/out/", "in")
    assert ["in/out/notes.txt", "in/x.txt"] == names(found)
    assert {"output": 2} == found.left_out
    write("in/out/part-00007.jsonl")
    with pytest.raises(UsageError, match=r"would replace the input .*part-00007.jsonl"):
        checked("in/out/", "in")
    assert "in/out/part-00007.jsonl" in names(checked("in/out/", "in", style="csv"))


def test_the_input_folder_is_not_filled() -> None:
    """A folder of the input cannot be the folder of the parts."""
    write("in/x.txt")
    Path("link").symlink_to("in")
    for output in ("in/", "link/", "in"):
        with pytest.raises(UsageError, match="is the folder of the input in"):
            checked(output, "in")
    assert ["in/x.txt"] == names(checked("in/", "in/x.txt"))


def test_nothing_but_an_earlier_result() -> None:
    """An input that has only an earlier result is refused as empty."""
    written("in/r.json")
    with pytest.raises(InputError, match="holds only an earlier result"):
        checked("in/r.json", "in")


@pytest.mark.parametrize("output", ["x.txt/r.json", "x.txt/deep/er/r.json", "x.txt/out/"])
def test_an_output_below_a_file_is_refused(output: str) -> None:
    """An output below a file is refused with the file's name, before the run."""
    write("x.txt")
    with pytest.raises(UsageError, match=r"lies below .*x.txt, which is not a folder"):
        checked(output, "x.txt")


@pytest.mark.parametrize(
    "output", [f"{STORE}/r.json", f"{STORE}/runs/r.json", f"{STORE}/", "link/r.json"]
)
def test_an_output_in_the_store_is_refused(output: str) -> None:
    """An output in the run store is refused."""
    write("x.txt", f"{STORE}/runs/x")
    Path("link").symlink_to(STORE)
    with pytest.raises(UsageError, match="lies in the run store"):
        checked(output, "x.txt")


def test_an_output_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is a pipe, a URL, or in a folder without permission is refused."""
    write("x.txt")
    os.mkfifo("p.json")
    with pytest.raises(UsageError, match="is not a plain file"):
        checked("p.json", "x.txt")
    with pytest.raises(UsageError, match="name a local file or folder"):
        Output.parse("s3://bucket/r.json", None)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.R_OK)
    with pytest.raises(UsageError, match="is not writable"):
        checked("r.json", "x.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": None, "style": "csv"}, "add --output FOLDER/"),
        ({"text": None, "columns": "a,b"}, "--columns says how --output is written"),
        ({"text": None, "partition_by": "a"}, "--partition-by says how"),
        ({"text": None, "header": False}, "--no-header says how"),
        ({"text": "r.csv", "columns": "a,,b"}, "--columns a,,b has ''; a column's name"),
        ({"text": "r.csv", "columns": "a,A"}, "has 'a' twice"),
        ({"text": "r.csv", "partition_by": "a"}, "is not a folder; write --output FOLDER/"),
        ({"text": "out/", "columns": "a,b", "partition_by": "c"}, "no such column; it has: a, b"),
        ({"text": "r.json", "header": False}, "--no-header: .json has no header"),
        ({"text": "r.txt", "columns": "a,b"}, "the result has columns"),
        ({"text": "--json"}, "name a file or folder"),
        ({"text": "r.csv", "style": "tsv"}, "contradict each other"),
    ],
)
def test_options_that_contradict_each_other(arguments: dict[str, Any], message: str) -> None:
    """Options that would be ignored, or cannot be obeyed, are refused before the run."""
    with pytest.raises(UsageError, match=message):
        Output.parse(**arguments)


def test_standard_output_is_no_place_on_the_disk() -> None:
    """`-` is checked against no input, and makes no folder; `./-` is a file or a folder."""
    write("-/x.txt")
    out = Output.parse("-", "tsv")
    assert out is not None
    assert (True, None, "tsv") == (out.to_stdout, out.missing_folder, out.format)
    assert ["-/x.txt"] == names(checked("-", "./-"))
    folder = Output.parse("./-")
    assert folder is not None
    assert (False, True) == (folder.to_stdout, folder.in_folder)


def test_the_jobs_columns_and_those_of_the_option() -> None:
    """The option's names are taken before the job's; the job's decide what is refused."""
    for option, expected in ((None, ("a", "b")), ("x,y", ("x", "y"))):
        output = Output.parse("r.csv.gz", columns=option)
        assert output is not None
        assert expected == output.style(("a", "b")).names
    output = Output.parse("r.txt")
    assert output is not None
    with pytest.raises(UsageError, match="the result has columns"):
        output.style(("a", "b"))
    by = Output.parse("out/", partition_by="a")
    assert by is not None
    assert ("a", "b") == by.style(("a", "b")).names
    with pytest.raises(UsageError, match="no such column"):
        by.style(("b", "c"))
