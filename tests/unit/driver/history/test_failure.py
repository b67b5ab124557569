"""The failure in a run's records."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import pytest

from driver.history.failure import CAUSES, Failure, failure_of, line_number
from driver.plan.origins import Origin
from driver.plan.tasks import RunPlan
from driver.report.failure import failure_lines
from driver.text import BLOCK_LIMIT, TRACEBACK_LIMIT
from mapreduce.errors import InputError, JobFailed, StageFailed, UserCodeError
from mapreduce.storage import open_storage
from mapreduce.wire.messages import TaskError
from tests.unit.driver.samples import run_plan

CODE = "c" * 64
TRACE = (
    f'  File "/tmp/mapreduce-1/jobs/{CODE}/words.py", line 9, in map\n    int(line)\n'
    "ValueError: no\n"
)


def _plan(**changed: Any) -> RunPlan:
    plan = run_plan()
    job = plan.job.model_copy(update={"code": CODE})
    return plan.model_copy(update={"job": job, "job_folder": "/home/ada/words", **changed})


def _of_stage(failures: dict[str, list[TaskError]], **changed: Any) -> Failure:
    return failure_of(
        StageFailed("map-3 could not be done: no.", failures), _plan(**changed), open_storage()
    )


def test_the_cause_that_shows_the_record_comes_first(tmp_path: Path) -> None:
    """The cause with a record comes first, with the author's file, line, attempts, other causes and
    the replay command.
    """
    text = tmp_path / "in.txt"
    text.write_text("1\n2\nthree\n")
    url = f"file://{text}"
    bad = TaskError(
        kind="UserCodeError",
        message="map raised ValueError: no",
        traceback=TRACE,
        place=f"{url} at byte 4",
        record="'three'",
        url=url,
        offset=4,
    )
    lost = TaskError(kind="TaskLost", message="it died")
    failure = _of_stage({"map-1": [lost, lost, lost], "map-3": [lost, bad, bad]})
    assert [("map-3", 2, "UserCodeError"), ("map-1", 4, "TaskLost")] == [
        (cause.task, cause.attempts, cause.kind) for cause in failure.causes
    ]
    assert 'File "/home/ada/words/words.py", line 9' in failure.causes[0].traceback
    assert 3 == failure.causes[0].line
    assert failure.replay.startswith(f"python -m driver replay {_plan().run} map-3 --store ")
    shown = "\n".join(text for text, _ in failure_lines(failure))
    for words in (
        "words.py",
        f"{url} at byte 4 (line 3)",
        "'three'",
        "2 x UserCodeError: map raised",
    ):
        assert words in shown
    assert Failure.model_validate_json(failure.model_dump_json()) == failure


def test_frames_of_a_notebook_name_the_cell() -> None:
    """A job that was gathered from cells has the cell and its line in the record."""
    module = _plan().job.module
    trace = TRACE.replace("words.py", f"{module}.py")
    bad = TaskError(kind="UserCodeError", message="no", traceback=trace)
    cell = Origin(first=8, last=10, file="Cell In[4]", line=1)
    failure = _of_stage({"map-1": [bad]}, origins=(cell,))
    assert 'File "Cell In[4]", line 2, in map' in failure.causes[0].traceback


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_lines_are_numbered_in_the_text(tmp_path: Path, pack: Any) -> None:
    """A line number is that of the unpacked text, for each compression."""
    lines = [b"x" * (number % 7) for number in range(2000)]
    path = tmp_path / "in"
    path.write_bytes(pack(b"\n".join(lines)))
    storage = open_storage()
    for number in (1, 2, 777, 2000):
        offset = sum(len(line) + 1 for line in lines[: number - 1])
        assert number == line_number(f"file://{path}", offset, storage)
    assert line_number(f"file://{path}", 1 << 20, storage) is None
    assert line_number(f"file://{path}.gone", 3, storage) is None
    assert line_number(f"file://{path}", 1 << 40, storage) is None


def test_a_line_that_cannot_be_numbered_hides_no_failure() -> None:
    """If reading the input fails, the cause is shown without a line number."""

    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise ValueError(name)

    bad = TaskError(kind="UserCodeError", message="no", place="p", url="file:///in", offset=3)
    odd: Any = Odd()
    failure = failure_of(StageFailed("map-3: no.", {"map-3": [bad]}), _plan(), odd)
    assert ("p", None) == (failure.causes[0].place, failure.causes[0].line)


def test_a_failure_of_no_task() -> None:
    """An error in `steps` has frames and no replay command; another error has only its message."""
    raised = UserCodeError("steps raised KeyError: 'x'", traceback=TRACE)
    failure = failure_of(raised, _plan(), open_storage())
    assert ("UserCodeError", "", "") == (failure.kind, failure.replay, failure.causes[0].task)
    plain = failure_of(InputError("the input has changed"), _plan(), open_storage())
    assert ("InputError", "the input has changed", ()) == (plain.kind, plain.message, plain.causes)
    assert [("error: no", "red")] == failure_lines(
        failure_of(JobFailed("no"), _plan(), open_storage())
    )


def test_a_failure_is_kept_within_limits() -> None:
    """Texts of any length, also with a lone surrogate, are cut to the limits and can be written."""
    error = TaskError(
        kind="UserCodeError",
        message="m" * 9_000_000,
        traceback="begin" + "t" * 9_000_000 + "end",
        place="\ud800",
    )
    others = {f"map-{at}": [TaskError(kind="TaskLost", message=str(at))] for at in range(1, 99)}
    failure = _of_stage({"map-0": [error], **others})
    (first, *_) = failure.causes
    assert len(failure.causes) == CAUSES
    assert len(failure.message) < BLOCK_LIMIT + 50
    assert len(first.message) < BLOCK_LIMIT + 50
    assert len(first.traceback) < TRACEBACK_LIMIT + 50
    assert (first.traceback[:5], first.traceback[-3:], first.place) == ("begin", "end", "\\ud800")
    assert failure.model_dump_json()
