"""The data of a page, as it lies in the page and comes back."""

from __future__ import annotations

import json

import pytest

from driver.report.page.data import (
    CLOSING,
    OPENING,
    TASK_COLUMNS,
    TASKS_BYTES,
    RunData,
    embedded,
    read_back,
    run_data,
)
from driver.report.page.render import page
from mapreduce.errors import InputError
from tests.unit.driver.report.page.made import evil_document, large_document, small_document


@pytest.mark.parametrize("document", [small_document(), evil_document()], ids=["small", "evil"])
def test_a_page_gives_its_data_back(document: object) -> None:
    """What the page was made of is read from its file, whatever its texts are."""
    from driver.report.page.document import RunDocument

    assert isinstance(document, RunDocument)
    data = run_data(document)
    assert data == read_back(page(document))


def test_the_data_cannot_end_its_element() -> None:
    """It holds no character that begins or ends an element."""
    assert not set("<>&\u2028\u2029\u202e") & set(embedded(run_data(evil_document())))


@pytest.mark.parametrize(
    "text", ["", "<html></html>", OPENING + CLOSING, f"{OPENING}{{}}{CLOSING}", OPENING + "{"]
)
def test_a_file_that_is_not_a_page_is_refused(text: str) -> None:
    """The error says how to make a page."""
    with pytest.raises(InputError, match="driver report RUN"):
        read_back(text)


def test_the_tasks_are_rows() -> None:
    """A row for each task, under the names of the columns."""
    tasks = run_data(small_document()).tasks
    assert TASK_COLUMNS == tasks.columns
    rows = [dict(zip(tasks.columns, row, strict=True)) for row in tasks.rows]
    assert 7 == len(rows)
    second = next(row for row in rows if row["task"] == "map-1")
    assert (2, 2.0, 2.0, 1000) == (
        *(second["attempts"], second["started"], second["seconds"]),
        second["bytes_in"],
    )


@pytest.mark.slow
def test_of_too_many_tasks_the_slowest_are_kept() -> None:
    """Those that are not done come first, then the slowest; the number left out is said."""
    document = large_document(30_000)
    assert 0 == run_data(document).tasks.left_out
    tasks = run_data(document, TASKS_BYTES).tasks
    assert 0 < tasks.left_out == 30_000 - len(tasks.rows)
    assert len(json.dumps(tasks.rows)) < TASKS_BYTES
    states = [row[1] for row in tasks.rows]
    failed = sum(line.state == "failed" for line in document.tasks)
    assert ["failed"] * failed == states[:failed]
    kept = [row[5] for row in tasks.rows[failed:]]
    assert kept == sorted(kept, reverse=True)
    done = sorted((line.seconds for line in document.tasks if line.state == "done"), reverse=True)
    assert kept[-1] == pytest.approx(done[len(kept) - 1], abs=1e-3)


def test_every_field_has_a_value() -> None:
    """The document of a run holds each of its fields, so that programs need not ask."""
    made = json.loads(run_data(small_document()).model_dump_json())
    assert set(RunData.model_fields) == set(made)
