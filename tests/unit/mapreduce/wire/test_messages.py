"""The messages accept valid fields only."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mapreduce.wire.messages import (
    AttemptId,
    Block,
    ByteRange,
    Done,
    Health,
    JobSpec,
    Progress,
    SplitTask,
    parse_event,
    parse_task,
)

DIGEST = "0" * 64

ATTEMPT = AttemptId(run="run-1", stage="map", index=3, attempt="0", nonce="ab")


def test_piece_and_split_lengths() -> None:
    """A split's length is the sum of its pieces'."""
    task = parse_task.validate_python(
        {
            "stage": "map",
            "run": "r",
            "store": "file:///s",
            "index": 0,
            "partitions": 1,
            "job": {"code": DIGEST, "module": "a.b", "name": "C"},
            "split": {
                "index": 0,
                "pieces": [
                    {"url": "u", "etag": "e", "size": 9, "start": 2, "end": 5, "source": "u"},
                    {"url": "v", "etag": "e", "size": 9, "start": 0, "end": 9, "source": "v"},
                ],
            },
        }
    )
    assert "map" == task.stage
    assert 12 == task.split.length
    assert parse_task.validate_json(task.model_dump_json()) == task


def test_events_by_name() -> None:
    """Each event is parsed as its `event` says."""
    named = '{"run": "run-1", "stage": "map", "index": 3, "attempt": "0", "nonce": "ab"}'
    line = f'{{"event": "progress", "attempt": {named}, "bytes": 3, "records": 1}}'
    assert Progress(attempt=ATTEMPT, bytes=3, records=1) == parse_event.validate_json(line)
    with pytest.raises(ValidationError):
        parse_event.validate_json('{"event": "finished"}')
    with pytest.raises(ValidationError):
        Done.model_validate({"result": {"stage": "none"}})


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (SplitTask, {"run": "../r", "store": "s", "inputs": []}),
        (SplitTask, {"run": "r", "attempt": "0/1", "store": "s", "inputs": []}),
        (SplitTask, {"run": "r", "attempt": "..", "store": "s", "inputs": []}),
        (SplitTask, {"run": "r", "store": "s", "inputs": [], "splits": 0}),
        (SplitTask, {"run": "r", "store": "s", "inputs": [], "surprise": 1}),
        (SplitTask, {"run": "r", "store": "file:///" + "a/" * 2100, "inputs": []}),
        (JobSpec, {"code": "../" + DIGEST[3:], "module": "a", "name": "B"}),
        (JobSpec, {"code": DIGEST, "module": "os;x", "name": "B"}),
        (JobSpec, {"code": DIGEST, "module": "a..b", "name": "B"}),
        (JobSpec, {"code": DIGEST, "module": "a", "name": "__import__('os')"}),
        (Block, {"offset": -1, "length": 0, "records": 0, "checksum": 0, "integers": True}),
        (Block, {"offset": 0, "length": 0, "records": 0, "checksum": 1 << 64, "integers": True}),
        (ByteRange, {"url": "u", "etag": "e", "size": 1, "start": 0, "end": 1}),
    ],
)
def test_refused(model: Any, fields: dict[str, Any]) -> None:
    """Names that leave their folder, negative sizes, and unknown or missing fields are refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(model).validate_python(fields)


def test_frozen_and_lenient_where_meant() -> None:
    """A message is frozen, and only a health answer may have unknown fields."""
    event = Progress(attempt=ATTEMPT, bytes=1, records=1)
    with pytest.raises(ValidationError, match="frozen"):
        event.bytes = 2  # type: ignore[misc]
    assert Health.model_validate(
        {"ok": True, "role": "map", "slots": 1, "busy": 0, "newer": "x"}
    ).ok
