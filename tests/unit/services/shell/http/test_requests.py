"""The answer for each cause of a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from mapreduce.errors import (
    InputError,
    MapReduceError,
    RefusedURL,
    StorageError,
    Unauthorized,
    UsageError,
)
from mapreduce.wire.messages import SplitTask
from services.shell.http.requests import MESSAGE_LIMIT, TooLarge, TooSlow, refusal, unavailable


@pytest.mark.parametrize(
    ("raised", "status", "kind"),
    [
        (Unauthorized("no"), 401, "Unauthorized"),
        (RefusedURL("no"), 403, "RefusedURL"),
        (TooSlow("no"), 408, "TaskLost"),
        (TooLarge("no"), 413, "UsageError"),
        (UsageError("no"), 422, "UsageError"),
        (InputError("no"), 422, "InputError"),
    ],
)
def test_each_cause_has_its_status_and_a_kind_that_the_driver_knows(
    raised: MapReduceError, status: int, kind: str
) -> None:
    """Each cause has its status, and a kind that the driver knows."""
    answer = refusal(raised)
    assert (status, kind, "no") == (answer.status_code, *_told(answer))


def test_a_message_that_does_not_fit_its_model_names_the_field() -> None:
    """A message that does not fit its model gets 422 with a field, and the number of errors."""
    with pytest.raises(ValidationError) as caught:
        SplitTask.model_validate(
            {"run": "run-1", "store": "file:///s", "mode": "x", "cut": {"splits": 1}}
        )
    answer = refusal(caught.value)
    kind, message = _told(answer)
    assert (422, "UsageError") == (answer.status_code, kind)
    assert message.startswith(("inputs: ", "mode: "))
    assert "(2 errors in all)" in message


def test_a_long_message_is_cut() -> None:
    """A long error message is cut, because it may contain the request."""
    _, message = _told(refusal(StorageError("x" * 10_000)))
    assert MESSAGE_LIMIT == len(message)


def test_a_full_service_asks_to_come_again() -> None:
    """A full service answers 503 with Retry-After."""
    answer = unavailable("full")
    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
    assert ("TaskLost", "full") == _told(answer)


def _told(answer: Any) -> tuple[str, str]:
    error = json.loads(answer.body)
    return error["kind"], error["message"]
