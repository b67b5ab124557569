"""The export of a run's result: its files, what it deletes, and its record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from driver.history.run_store import RunStore, Success
from driver.output.export import write_output
from driver.output.place import Output
from mapreduce.errors import DataError, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire import keys

RUN = "run-20260101-000000-calm-crane"
PARTS = (
    b'{"key":["FR","b"],"value":2}\n{"key":["DE","a"],"value":1}\n',
    b'{"key":["DE","c"],"value":1.5}\n',
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def runs(
    parts: Iterable[bytes] = PARTS, columns: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
) -> RunStore:
    """Return a store with a run whose result keeps the order of emission."""
    kept = RunStore(open_storage(), f"file://{Path.cwd()}/store")
    made = []
    for number, content in enumerate(parts):
        url = keys.result(kept.store, RUN, number, whole=False)
        info = kept.storage.write(url, content)
        made.append((url, info.size, info.etag))
    success = Success(run=RUN, parts=tuple(made), records=3, columns=columns, keep_order=True)
    kept.storage.write(keys.success(kept.store, RUN), success.model_dump_json().encode())
    kept.write(RUN, "plan.json", b"{}")
    return kept


def written(kept: RunStore, text: str, **options: str) -> tuple[list[str], bytes]:
    """Export the result; return what is said, and standard output."""
    output = Output.parse(text, **options)  # type: ignore[arg-type]
    assert output is not None
    out: list[bytes] = []
    success = kept.success(RUN)
    assert success is not None
    urls = [url for url, _, _ in success.parts]
    notes = write_output(output, urls, kept, RUN, out.extend)
    return notes, b"".join(out)


def test_the_order_of_emission_and_the_columns_of_the_run() -> None:
    """A file has the parts one after another, with the columns that the run recorded."""
    kept = runs(columns=("country", "user", "n"))
    written(kept, "r.csv")
    assert "country,user,n\nFR,b,2\nDE,a,1\nDE,c,1.5\n" == Path("r.csv").read_text()
    written(kept, "r.csv", columns="x,y,z")
    assert "x,y,z" == Path("r.csv").read_text().splitlines()[0]


def test_standard_output() -> None:
    """`-` writes the bytes of the file to standard output, and no file."""
    kept = runs()
    before = set(Path.cwd().iterdir())
    assert ([], b"".join(PARTS)) == written(kept, "-")
    assert before == set(Path.cwd().iterdir())


def test_parts_of_an_earlier_result_are_deleted() -> None:
    """What a run has left in the folder is deleted, and the user's file is named."""
    written(runs([*PARTS, b""]), "out/")
    assert 3 == len(list(Path("out").iterdir()))
    Path("out/part-00007.jsonl").write_text("mine")
    notes, _ = written(runs(), "out/")
    assert ["part-00000.jsonl", "part-00001.jsonl", "part-00007.jsonl"] == sorted(
        path.name for path in Path("out").iterdir()
    )
    assert "deleted   1 part of an earlier result in out" == notes[0]
    assert "also holds 1 file of another result, such as part-00007.jsonl" in notes[1]


def test_folders_of_an_earlier_result_are_deleted() -> None:
    """A value that the new result lacks leaves no folder behind."""
    columns = ("country", "user", "n")
    written(runs(columns=columns), "by/", partition_by="country")
    assert ["country=DE", "country=FR"] == sorted(path.name for path in Path("by").iterdir())
    notes, _ = written(runs(PARTS[1:], columns), "by/", partition_by="country")
    assert ["country=DE"] == [path.name for path in Path("by").iterdir()]
    assert notes == ["deleted   1 part of an earlier result in by"]


def test_what_cannot_be_written_leaves_nothing() -> None:
    """Wrong columns, and folders by a column that is not there, are refused without a file."""
    kept = runs()
    with pytest.raises(DataError, match=r"the pair \['FR', 'b'\], 2 has 3 fields"):
        written(kept, "r.csv", columns="a,b")
    with pytest.raises(UsageError, match="no such column; it has: key, value"):
        written(kept, "by/", partition_by="country")
    assert ["store"] == [path.name for path in Path.cwd().iterdir()]


OUTPUTS = {"errors": ("why",), "stats": ("name", "n"), "none": ("x",)}
OF_OUTPUTS = (
    b'{"key":"errors","value":"lost"}\n{"key":["stats","a"],"value":1}\n',
    b'{"key":["stats","b"],"value":2.5}\n{"key":"errors","value":"found"}\n',
)


def test_several_outputs() -> None:
    """Each output has its folder and its columns; one without a pair has an empty table."""
    kept = runs(OF_OUTPUTS, OUTPUTS)
    written(kept, "out/", style="csv")
    found = {str(path): path.read_text() for path in Path("out").rglob("*.csv")}
    assert {
        "out/output=errors/part-00000.csv": "why\nlost\nfound\n",
        "out/output=stats/part-00000.csv": "name,n\na,1\nb,2.5\n",
        "out/output=none/part-00000.csv": "x\n",
    } == found


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("r.csv", {}, "the job has 3 outputs .errors, stats, none.; write --output FOLDER/"),
        ("-", {}, "write --output FOLDER/"),
        ("out/", {"partition_by": "n"}, "which are the folders; leave it out"),
        ("out/", {"style": "txt"}, "a .txt file holds the values alone"),
        ("out/", {"columns": "a,b"}, "has 3 fields, and `columns` 2"),
    ],
)
def test_what_several_outputs_cannot_be(text: str, options: dict[str, str], message: str) -> None:
    """Several outputs are folders, and no one table."""
    kept = runs(OF_OUTPUTS, OUTPUTS)
    with pytest.raises((UsageError, DataError), match=message):
        written(kept, text, **options)


def test_an_output_without_its_fields_leaves_nothing() -> None:
    """A pair that names no output leaves no folder."""
    kept = runs((b'{"key":"other","value":1}\n',), OUTPUTS)
    with pytest.raises(DataError, match="names no output"):
        written(kept, "out/")
    assert not Path("out").exists()


def test_a_record_with_outputs_is_read_again() -> None:
    """`_SUCCESS` holds the columns of each output."""
    success = runs(OF_OUTPUTS, OUTPUTS).success(RUN)
    assert success is not None
    assert OUTPUTS == success.columns
    old = Success.model_validate_json('{"run": "r", "parts": [], "records": 0}')
    assert ((), False) == (old.columns, old.keep_order)
