"""The index of runs: each entry is a key that holds what `runs` shows."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.history.run_index import JOB_BYTES, RunSummary, by_run, decoded
from mapreduce.wire import keys

SUMMARY = RunSummary("done", 1_767_225_600.25, 12.5, 0.0125, 8, 3_250_000, "aws", "WordCount")
RUN = "run-20260101-000000-calm-owl"


def test_an_entry_holds_the_summary() -> None:
    """An entry is decoded to the summary that it was made of."""
    assert decoded(SUMMARY.encoded()) == SUMMARY


@given(
    st.sampled_from(["done", "failed", "interrupted", "paused"]),
    st.floats(0, 4e9),
    st.floats(0, 1e8),
    st.none() | st.floats(0, 1e6),
    st.integers(0, 10**7),
    st.integers(0, 10**16),
    st.text(max_size=300),
)
def test_any_summary_makes_a_short_key_of_plain_characters(
    state: str, created: float, seconds: float, usd: float | None, inputs: int, size: int, job: str
) -> None:
    """An entry is a file name of plain characters, of a key that belongs to the run, and holds the
    summary, with times to a millisecond and the beginning of the job's name.
    """
    made = RunSummary(state, created, seconds, usd, inputs, size, "inline", job)  # type: ignore[arg-type]
    entry = made.encoded()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", entry)
    key = keys.indexed("", RUN, entry).lstrip("/")
    assert (True, RUN) == (keys.is_own(key), keys.run_of(key))
    found = decoded(entry)
    assert found is not None
    assert (state, usd, inputs, size) == (found.state, found.usd, found.inputs, found.size_bytes)
    assert abs(found.created - created) <= 0.001
    assert abs(found.seconds - seconds) <= 0.001
    assert len(found.job.encode()) <= JOB_BYTES


def _entry(values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "entry",
    [
        *("", "a", "é", "%%%", "////", "\ud800"),
        _entry({"state": "done"}),
        _entry([2, "done", 0, 0, None, 0, 0, "", ""]),
        _entry([1, "running", 0, 0, None, 0, 0, "", ""]),
        _entry([1, "done", "0", 0, None, 0, 0, "", ""]),
        _entry([1, "done", 0, 0, None, 0, 0, ""]),
        _entry([1, "done", 0, 0, None, True, 0, "", ""]),
        base64.urlsafe_b64encode(b"[" * 150_000).decode(),
    ],
)
def test_other_entries_are_none(entry: str) -> None:
    """An entry of another version, or of another program, is no summary."""
    assert decoded(entry) is None


def test_the_index_is_by_run() -> None:
    """Each run has its last entry; keys that are none are left out."""
    later = RunSummary("failed", 1.0, 2.0, None, 1, 1, "local", "A")
    found = by_run(["a/%", f"{RUN}/{SUMMARY.encoded()}", f"{RUN}/{later.encoded()}", "b"])
    assert {RUN: later} == found
