"""What happens in a run, as frozen values. Observers are told; they never steer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from mapreduce.messages import StageName


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """What all events share: `at`, in seconds since the epoch."""

    at: float


class RunStarted(Event, frozen=True):
    """The plan is written."""

    run: str
    job: str
    target: str
    inputs: int
    size_bytes: int


class StageStarted(Event, frozen=True):
    """A stage begins; `reused` of its `tasks` were done by an earlier run."""

    stage: StageName
    tasks: int
    reused: int
    size_bytes: int


class AttemptStarted(Event, frozen=True):
    """A service has been asked; `backup`: while another attempt at the task is still running."""

    task: str
    attempt: int
    endpoint: str
    backup: bool = False


class AttemptProgress(Event, frozen=True):
    """A heartbeat."""

    task: str
    attempt: int
    bytes: int
    records: int
    status: str = ""


class AttemptDone(Event, frozen=True):
    """A task has its result."""

    task: str
    attempt: int
    endpoint: str
    seconds: float
    size_bytes: int


class AttemptFailed(Event, frozen=True):
    """An attempt failed after `seconds`; `then` says what follows."""

    task: str
    attempt: int
    endpoint: str
    kind: str
    message: str
    then: str
    seconds: float = 0.0


class AttemptCancelled(Event, frozen=True):
    """An attempt was ended after `seconds`, because another one had come to the result first."""

    task: str
    attempt: int
    endpoint: str
    seconds: float


class CircuitOpened(Event, frozen=True):
    """An endpoint failed so often in a row that it is left alone for a while."""

    endpoint: str
    failures: int
    pause_s: float


class CircuitClosed(Event, frozen=True):
    """An endpoint whose circuit was open has carried out a task."""

    endpoint: str


class OutputsRedone(Event, frozen=True):
    """What tasks had written was gone or damaged; they are carried out again."""

    tasks: tuple[str, ...]
    why: str


class LookFailed(Event, frozen=True):
    """It could not be found out which endpoints there are; those that are known stay."""

    stage: StageName
    why: str


class WaitingForFleet(Event, frozen=True):
    """There has been no endpoint for `seconds`; `why` says what a look-up has failed of."""

    stage: StageName
    seconds: float
    why: str = ""


class DriverAway(Event, frozen=True):
    """The driver did not run for `seconds`: its machine slept, or its process was stopped."""

    stage: StageName
    seconds: float


class FleetChanged(Event, frozen=True):
    """Endpoints came or went; `why` says what is known of those that went."""

    stage: StageName
    appeared: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    why: dict[str, str] = {}


class FaultInjected(Event, frozen=True):
    """A drill made this attempt go wrong."""

    task: str
    attempt: str
    fault: str


class RecordSkipped(Event, frozen=True):
    """A record that the job's code fails on is set aside from now on; `message` is what it raised."""

    task: str
    place: str
    message: str


class ImportedAnew(Event, frozen=True):
    """Each task of the stage has a process that imports the job anew; `why` it cannot be a copy of one that has."""

    stage: StageName
    why: str


class StageDone(Event, frozen=True):
    """All tasks of a stage have their results."""

    stage: StageName
    seconds: float


class RunDone(Event, frozen=True):
    """`_SUCCESS` is written."""

    run: str
    seconds: float


class RunFailed(Event, frozen=True):
    """The run ends without a result."""

    run: str
    kind: str
    message: str


Observer: TypeAlias = Callable[[Event], None]


class EventLog:
    """Remembers a run's events, and passes each on to the observers."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """One more event."""
        if not isinstance(event, AttemptProgress):
            self.events.append(event)
        for observer in self._observers:
            observer(event)

    def json_lines(self) -> bytes:
        """All events but the heartbeats, one JSON object a line."""
        encode = msgspec.json.Encoder().encode
        return b"\n".join([*map(encode, self.events), b""])
