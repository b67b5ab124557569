"""One real service over HTTP, started by hand as the documentation says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mapreduce.storage import open_storage
from mapreduce.wire import keys
from mapreduce.wire.messages import parse_event
from mapreduce.wire.tokens import sign
from tests.integration.commands import ROOT
from tests.integration.one_mapper import KEY, Mapper, running_mapper


@pytest.fixture
def mapper(tmp_path: Path) -> Iterator[Mapper]:
    """A mapper for one test."""
    with running_mapper(tmp_path) as made:
        yield made


def _events(answer: httpx.Response) -> list[Any]:
    return [parse_event.validate_json(line) for line in answer.text.splitlines()]


def test_a_task_answers_with_its_events(mapper: Mapper) -> None:
    """A task answers `started` and `done` with its totals, and its object is in the store."""
    answer = mapper.post(mapper.task())
    events = _events(answer)
    assert [event.event for event in events] == ["started", "done"]
    result = events[-1].result
    assert (result.records_in, result.records_out, result.blocks.partitions) == (3, 2, 2)
    assert open_storage().head(result.url).size == result.size


def test_heartbeats_come_while_a_task_runs_and_health_answers(mapper: Mapper) -> None:
    """A task of three seconds sends progress, and `/health` answers in the meantime."""
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(mapper.post(mapper.task(seconds=1.2))))
    asking.start()
    mapper.wait_for(busy=1)
    asking.join()
    kinds = [event.event for event in _events(answers[0])]
    assert kinds[0] == "started"
    assert kinds[-1] == "done"
    assert kinds.count("progress") >= 2


def test_a_full_mapper_answers_503(mapper: Mapper) -> None:
    """A full service answers 503 with Retry-After; a closed connection frees the slot at once."""
    body = mapper.task(seconds=60)
    headers = {"authorization": f"Bearer {sign(KEY, '/map', body, time.time())}"}
    with httpx.stream(
        "POST", f"{mapper.url}/map", content=body, headers=headers, timeout=30
    ) as running:
        lines = running.iter_lines()
        assert next(lines).startswith('{"event":"started"')
        refused = mapper.post(mapper.task())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    mapper.wait_for(busy=0)
    assert _events(mapper.post(mapper.task()))[-1].event == "done"


def test_a_killed_worker_is_a_failed_task_not_a_dead_service(mapper: Mapper) -> None:
    """A killed worker fails its task with the cause, and the next task succeeds."""
    event = _events(mapper.post(mapper.task(die=True)))[-1]
    assert (event.event, event.error.kind) == ("failed", "TaskLost")
    assert "SIGKILL" in event.error.message
    assert _events(mapper.post(mapper.task()))[-1].event == "done"


def test_only_good_tokens_are_let_in(mapper: Mapper) -> None:
    """No token, another key, path or body, and an old token get 401 without a detail."""
    body = mapper.task()
    now = time.time()
    bad = [
        "garbage",
        "a.b.c",
        sign("x" * 32, "/map", body, now),
        sign(KEY, "/reduce", body, now),
        sign(KEY, "/map", body + b" ", now),
        sign(KEY, "/map", body, now - 3600),
    ]
    answers = [mapper.post(body, token) for token in bad] + [
        httpx.post(f"{mapper.url}/map", content=body)
    ]
    assert [answer.status_code for answer in answers] == [401] * 7
    assert {answer.json()["message"] for answer in answers} == {"unauthorized"}


def test_bad_messages_are_refused_before_any_work(mapper: Mapper) -> None:
    """A bad message gets 422, another store or input 403, and a large body 413."""
    task = json.loads(mapper.task())
    elsewhere = task | {"store": "file:///etc"}
    secret = json.loads(mapper.task())
    secret["split"]["pieces"][0]["url"] = "file:///etc/passwd"
    climbing = json.loads(mapper.task())
    climbing["split"]["pieces"][0]["url"] = f"{mapper.store}/../secret"
    cases = [(b"{", 422), (b"[]", 422), (json.dumps(task | {"index": -1}).encode(), 422)]
    cases += [(json.dumps(message).encode(), 403) for message in (elsewhere, secret, climbing)]
    assert [mapper.post(body).status_code for body, _ in cases] == [status for _, status in cases]
    assert mapper.post(b" " * (2 << 20)).status_code == 413


def test_a_job_whose_code_is_not_its_digest_is_refused(mapper: Mapper) -> None:
    """A job whose stored code does not match its digest is refused."""
    path = Path(keys.code(mapper.store, mapper.job.code).removeprefix("file://"))
    path.write_bytes(path.read_bytes() + b"x")
    event = _events(mapper.post(mapper.task()))[-1]
    assert (event.event, event.error.kind) == ("failed", "CorruptBlock")


def test_metrics_count_tasks(mapper: Mapper) -> None:
    """/metrics counts finished tasks and slots."""
    mapper.post(mapper.task())
    text = httpx.get(f"{mapper.url}/metrics").text
    assert 'mapreduce_tasks_total{outcome="done"} 1.0' in text
    assert "mapreduce_slots 1.0" in text


def test_sigterm_lets_the_running_task_end_and_takes_no_other(mapper: Mapper) -> None:
    """After SIGTERM the running task finishes, a new one gets 503, and the service exits with 0."""
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(mapper.post(mapper.task(seconds=1.0))))
    asking.start()
    mapper.wait_for(busy=1)
    mapper.process.send_signal(signal.SIGTERM)
    mapper.wait_for(draining=True)
    assert mapper.post(mapper.task()).status_code == 503
    asking.join()
    assert _events(answers[0])[-1].event == "done"
    _, err = mapper.process.communicate(timeout=20)
    assert mapper.process.returncode == 0
    logged = [json.loads(line) for line in err.splitlines()]
    assert {"run-1", "map-0", "done"} <= {
        line.get(name) for line in logged for name in ("run", "task", "outcome")
    }
    assert all(KEY not in json.dumps(line) for line in logged)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "MAPREDUCE_STORE"),
        (
            {"MAPREDUCE_STORE": "file:///tmp/x", "MAPREDUCE_SIGNING_KEY": "short"},
            "MAPREDUCE_SIGNING_KEY",
        ),
    ],
)
def test_wrong_settings_are_a_line_and_exit_2(settings: dict[str, str], named: str) -> None:
    """Wrong settings give exit code 2 and a line that names the variable, without a key or stack
    trace.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAPREDUCE_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.mapper"],
        env=environment | settings | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "short" not in done.stderr
