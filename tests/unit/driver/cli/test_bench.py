"""`bench`, with runs in this process in place of local services."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from driver.plan.events import Observer
from driver.run.backend import Backend
from driver.targets import start
from driver.targets.inline import inline_backend
from driver.targets.prepare import Prepared
from tests.unit.driver.cli.conftest import Command


@pytest.fixture
def mappers(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The number of mappers of each run, in order."""
    (home / "in.txt").write_text("one two\nthree two\n")
    seen: list[int | None] = []

    def backend(prepared: Prepared, emit: Observer) -> AbstractAsyncContextManager[Backend]:
        seen.append(prepared.config.mappers)
        return inline_backend(prepared, emit)

    monkeypatch.setattr(start, "_backend", backend)
    return seen


def test_each_number_of_mappers_is_measured_in_turn(
    command: Command, home: Path, mappers: list[int | None]
) -> None:
    """One mapper is measured too, in turns with the others; two figures are drawn, and the runs'
    results are deleted.
    """
    said = command(
        *("bench", "--input", "in.txt", "--mappers", "3,2", "--repeat", "2", "--json"),
        *("--store", "kept"),
    )
    assert 0 == said.code
    assert [1, 2, 3, 1, 2, 3] == mappers
    assert [1, 2, 3] == [level["mappers"] for level in said.document["levels"]]
    assert {"map-stage.svg", "end-to-end.svg"} == {
        path.name for path in (home / "speedup").iterdir()
    }
    assert [] == list((home / "kept").rglob("*result*.json*"))


def test_a_temporary_store_is_deleted(
    command: Command, home: Path, mappers: list[int | None]
) -> None:
    """A temporary store is deleted: only the input and the figures stay."""
    options = ["--mappers", "1", "--repeat", "1", "--chunks", "2"]
    assert 0 == command("bench", "--input", "in.txt", *options).code
    assert {"in.txt", "speedup"} == {path.name for path in home.iterdir()}


def test_more_mappers_than_processors_give_a_warning(
    command: Command, mappers: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More mappers than processors give a warning."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    said = command("bench", "--input", "in.txt", "--mappers", "2", "--repeat", "1")
    assert "1 processor" in said.err


@pytest.mark.parametrize(
    "options", [["--mappers", "0"], ["--mappers", "many"], ["--repeat", "0"], ["--chunks", "0"]]
)
def test_wrong_numbers_are_refused(
    command: Command, mappers: list[int | None], options: list[str]
) -> None:
    """Wrong numbers of mappers exit with code 2 before any run."""
    assert 2 == command("bench", "--input", "in.txt", *options).code
    assert [] == mappers


def test_no_more_mappers_are_wanted_than_run(
    command: Command, mappers: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More mappers than run exit with code 2 and the command that scales."""

    async def there(_: Prepared) -> int:
        return 2

    monkeypatch.setattr("driver.targets.prepare.mappers_there", there)
    said = command("bench", "--input", "in.txt", "--mappers", "3")
    assert (2, True) == (said.code, "stack start --mappers 3" in said.err)
