"""The table of `runs`: columns that fit, none of them squeezed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from driver.cli.run_table import price, table_lines, took
from driver.history.run_list import ListedRun

RUNS = [
    ListedRun(
        run=f"run-20260101-00000{number}-calm-badger",
        state="interrupted",
        created=1_767_225_600.0,
        seconds=3.14,
        usd=usd,
        inputs=2,
        size_bytes=3_250_000,
        target="local",
        job="WordCount",
    )
    for number, usd in enumerate([0.25, None])
]
ALL = "run state when took price input job target".split()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (None, set()),
        (120, set()),
        (80, {"when", "target"}),
        (60, {"job", "when", "price"}),
    ],
)
def test_columns_that_do_not_fit_are_left_out(width: int | None, left_out: set[str]) -> None:
    """The most useful columns stay, and no line is longer than the terminal."""
    lines = table_lines(RUNS, width)
    titles = lines[0].split()
    assert left_out <= set(ALL) - set(titles)
    assert [title for title in ALL if title in titles] == titles
    assert titles[:2] == ["run", "state"]
    assert width is None or max(map(len, lines)) <= width
    assert all(run.run in line for run, line in zip(RUNS, lines[1:], strict=True))


def test_a_column_without_content_is_left_out() -> None:
    """Without a price, there is no column of prices."""
    assert "price" in table_lines(RUNS, None)[0]
    assert "price" not in table_lines(RUNS[1:], None)[0]


@given(st.text(max_size=80), st.integers(20, 200))
def test_any_job_name_is_shown_in_a_line(job: str, width: int) -> None:
    """A name with escapes or wide characters breaks no line and no column."""
    run = ListedRun(run="run-1", state="done", created=1.0, seconds=1.0, job=job, target="local")
    lines = table_lines([run, run], width)
    assert 3 == len(lines)
    assert all(line.isprintable() for line in lines)
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.0, "0.0 s"), (59.94, "59.9 s"), (60.0, "1:00"), (3599.4, "59:59")],
)
def test_durations(seconds: float | None, expected: str) -> None:
    """Durations are short, and hours are hours."""
    assert expected == took(seconds)
    assert "1:02:03" == took(3723.0)


@pytest.mark.parametrize(
    ("usd", "expected"),
    [
        (None, ""),
        (0.000012, "<$0.0001"),
        (0.00123, "$0.0012"),
        (0.25, "$0.25"),
        (1234.5, "$1,234.50"),
    ],
)
def test_prices(usd: float | None, expected: str) -> None:
    """A small price keeps its digits."""
    assert expected == price(usd)
