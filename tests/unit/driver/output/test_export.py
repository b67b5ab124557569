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


def runs(parts: Iterable[bytes] = PARTS, columns: tuple[str, ...] = ()) -> RunStore:
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
