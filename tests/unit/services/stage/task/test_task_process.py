"""The process of a task, run in the test's process over a pair of sockets."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce import Job, Sum
from mapreduce.errors import MapReduceError
from mapreduce.storage import open_storage
from mapreduce.wire.messages import (
    AttemptId,
    ByteRange,
    Done,
    Failed,
    Fault,
    InputObject,
    JobSpec,
    MapResult,
    MapTask,
    Progress,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    parse_event,
)
from services.stage.settings import Settings
from services.stage.task import fault_injection
from services.stage.task import task_process as module
from services.stage.task.task_process import task_main
from services.stage.workers.channel import EVENT, LAST, TASK, Frame, FrameBuffer
from services.stage.workers.order import Order

NONCE = b"n" * 16


class Words(Job):
    """Words of text."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield each word, unless it is bad."""
        for word in value.split():
            if word == "boom":
                raise SystemExit(7)
            yield word, 1


@pytest.fixture(autouse=True)
def outlived(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the test's process: forks are unchanged, and heartbeats end with the test."""
    beating: list[Any] = []

    class Heartbeat(module._Heartbeat):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            beating.append(self)

    monkeypatch.setattr(module, "guard_forks", lambda: None)
    monkeypatch.setattr(module, "_Heartbeat", Heartbeat)
    yield
    for each in beating:
        if each._stopped.locked():
            each.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A service over one folder."""
    return Settings(
        store=f"file://{tmp_path}/store", signing_key="k" * 32, scratch=tmp_path / "scratch"
    )


def _events(settings: Settings, task: Any, job: type[Job] | None = None) -> list[tuple[bytes, Any]]:
    """Return the frames of a task's answer."""
    theirs, ours = socket.socketpair()
    with ours:
        order = Order.of(task, NONCE)
        ours.sendall(Frame(TASK, NONCE, order.for_process()).encoded())
        before = _open_files()
        task_main(settings)(theirs, job)
        incoming = FrameBuffer()
        events: list[tuple[bytes, Any]] = []
        while not events or events[-1][0] != LAST:
            incoming.feed(ours.recv(1 << 20))
            while (frame := incoming.next(NONCE)) is not None:
                events.append((frame.kind, parse_event.validate_json(frame.payload)))
        for number in _open_files() - before:
            if number >= module._DESCRIPTOR:
                os.close(number)
    return events


def _open_files() -> set[int]:
    return {int(path.name) for path in Path("/dev/fd").iterdir()}


def _split(folder: Path, **changes: Any) -> SplitTask:
    path = folder / "in.txt"
    path.write_text("one two\nthree two\n")
    info = open_storage().head(f"file://{path}")
    given = InputObject(url=info.url, size=info.size, etag=info.etag)
    return SplitTask(
        run="run-1",
        store=f"file://{folder}/store",
        inputs=(given,),
        cut=SplitRule(splits=2),
        **changes,
    )


def _map(folder: Path, text: str) -> MapTask:
    path = folder / "in.txt"
    path.write_text(text)
    info = open_storage().head(f"file://{path}")
    url, size = info.url, info.size
    piece = ByteRange(source=url, url=url, start=0, end=size, size=size, etag=info.etag)
    return MapTask(
        run="run-1",
        attempt="0",
        store=f"file://{folder}/store",
        index=0,
        partitions=1,
        job=JobSpec(code="0" * 64, module=__name__, name="Words"),
        split=Split(index=0, pieces=(piece,)),
    )


@pytest.fixture
def granted(tmp_path: Path, settings: Settings) -> Settings:
    """Settings that allow reads of the input's folder."""
    return settings.model_copy(update={"extra_inputs": (f"file://{tmp_path}",)})


def test_the_last_event_of_a_task_is_done(tmp_path: Path, granted: Settings) -> None:
    """A task's last event is Done, with its nonce in the attempt's name."""
    task = _split(tmp_path)
    ((kind, event),) = _events(granted, task)
    assert (LAST, True) == (kind, isinstance(event, Done))
    assert AttemptId.of(task, NONCE.hex()) == event.attempt
    assert isinstance(event.result, SplitResult)
    assert 2 == len(event.result.splits)


def test_a_job_that_a_template_has_imported_is_used(tmp_path: Path, granted: Settings) -> None:
    """A job that a template has imported is used without fetching its code."""
    *_, (_, event) = _events(granted, _map(tmp_path, "a b a\n"), Words)
    assert isinstance(event, Done)
    assert isinstance(event.result, MapResult)
    assert (1, 2) == (event.result.records_in, event.result.records_out)


def test_code_that_cannot_be_loaded_is_the_tasks_failure(tmp_path: Path, granted: Settings) -> None:
    """Missing code fails the task."""
    *_, (_, event) = _events(granted, _map(tmp_path, "a\n"))
    assert isinstance(event, Failed)
    assert issubclass(_class(event), MapReduceError)


def _class(event: Failed) -> type[Exception]:
    from mapreduce import errors

    found: type[Exception] = getattr(errors, event.error.kind)
    return found


def test_a_job_that_ends_its_process_has_failed(tmp_path: Path, granted: Settings) -> None:
    """A job that ends its process fails with its exit code as the author's error."""
    *_, (_, event) = _events(granted, _map(tmp_path, "boom\n"), Words)
    assert isinstance(event, Failed)
    assert "UserCodeError" == event.error.kind
    assert "exit(7)" in event.error.message


def test_a_place_that_is_not_granted_is_refused(tmp_path: Path, settings: Settings) -> None:
    """A URL outside of the grants is refused in the task's process too."""
    *_, (_, event) = _events(settings, _split(tmp_path))
    assert isinstance(event, Failed)
    assert "RefusedURL" == event.error.kind


def test_a_fault_is_carried_out_only_where_faults_are_taken(
    tmp_path: Path, granted: Settings
) -> None:
    """A fault is injected only if the service allows it, and is refused otherwise."""
    task = _split(tmp_path, fault=Fault(kind="error"))
    kinds = []
    for chaos in (True, False):
        *_, (_, event) = _events(granted.model_copy(update={"chaos": chaos}), task)
        assert isinstance(event, Failed)
        kinds.append(event.error.kind)
    assert ["InjectedFault", "UsageError"] == kinds


def test_the_heartbeat_reports_progress(
    tmp_path: Path, granted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats report progress until the last event."""
    beaten = threading.Event()
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.001)
    real = module._Answers.send

    def send(self: Any, kind: bytes, event: Any) -> None:
        is_open = self._file is not None
        real(self, kind, event)
        if kind == EVENT and is_open:
            beaten.set()

    monkeypatch.setattr(module._Answers, "send", send)

    def before(_: object, stop: Callable[[], None]) -> None:
        beaten.wait(30)
        stop()

    monkeypatch.setattr(fault_injection, "before_task", before)
    first, *_, (last, _) = _events(granted, _split(tmp_path))
    assert (EVENT, LAST) == (first[0], last)
    assert isinstance(first[1], Progress)


def test_a_process_that_gets_no_task_ends(settings: Settings) -> None:
    """A process without a task ends."""
    theirs, ours = socket.socketpair()
    ours.close()
    task_main(settings)(theirs, None)
    theirs.close()


def test_answers_that_nobody_wants_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process ends if its worker has closed the socket, and so does a forked copy."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    theirs, ours = socket.socketpair()
    answers = module._Answers(NONCE, theirs)
    event = Progress(
        attempt=AttemptId(run="r", stage="map", index=0, attempt="0"), bytes=0, records=0
    )
    answers.send(EVENT, event)
    assert ours.recv(100)
    ours.close()
    answers.send(EVENT, event)
    assert [1] == ended
    monkeypatch.setattr(os, "getpid", lambda: -1)
    answers.send(LAST, event)
    assert 2 <= len(ended)
    os.close(max(_open_files()))


def test_answers_stay_where_they_are_without_a_descriptor_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If no higher descriptor is available, the answer's descriptor stays."""

    def full(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    theirs, ours = socket.socketpair()
    monkeypatch.setattr(fcntl, "fcntl", full)
    number = theirs.fileno()
    assert number == module._moved(theirs)
    os.close(number)
    ours.close()
