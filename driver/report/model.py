"""A run as numbers: the one value under terminal, `--json`, report and live page. Pure.

`RunFold` takes a run's events in their order, live or from its records; `RunFold.model` returns
what they say so far. However the events are cut into segments, the model is the same in the end:
heartbeats only tell how far an attempt is that still runs.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from driver.plan.outcomes import Volumes
from driver.plan.run_state import RunState
from mapreduce.wire.messages import StageName

AttemptState = Literal["running", "done", "failed", "cancelled", "ended"]
"""cancelled: another attempt had the result first; ended: it ran when the run ended."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common to all values of the model. All times are in seconds since the epoch."""


class AttemptModel(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt at one task.

    `step` is 0, or the number of the chain's step; `slot` is its row among `RunModel.slots`;
    `bytes_done` and `records_done` are from its last heartbeat or its result. `fault` is the
    injected fault; `kind`, `message` and `then` are of its failure.
    """

    step: int = 0
    stage: StageName
    task: str
    number: int
    endpoint: str
    slot: int
    started: float
    ended: float | None = None
    state: AttemptState = "running"
    backup: bool = False
    fault: str = ""
    kind: str = ""
    message: str = ""
    then: str = ""
    status: str = ""
    bytes_done: int = 0
    records_done: int = 0
    size_bytes: int = 0
    volumes: Volumes = Volumes()
    requests: dict[str, int] = {}


class StageModel(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One pass of a stage; `again` counts the earlier ones of the same stage.

    `tasks` are all tasks, `reused` those of an earlier run, `kept` those of an earlier pass;
    `size_bytes` and `bytes_done` are of the others. `running`, `attempts` and `failures` count
    attempts; `slots` are those of the endpoints known now, 0 when unknown.
    """

    step: int = 0
    stage: StageName
    again: int = 0
    tasks: int
    reused: int
    kept: int = 0
    done: int
    running: int = 0
    attempts: int = 0
    failures: int = 0
    slots: int = 0
    size_bytes: int = 0
    bytes_done: int = 0
    started: float
    first_attempt: float | None = None
    ended: float | None = None
    seconds: float | None = None


class SlotModel(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One slot of an endpoint: a row of the timeline."""

    endpoint: str
    number: int


class Mark(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """An event beside the tasks, in words: of the fleet, a circuit, the driver.

    `kind` is the name of the event's class in `driver.plan.events`.
    """

    at: float
    kind: str
    text: str


class Printed(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Lines that a job has printed in an attempt; `left_out` bytes are beyond the limit."""

    step: int = 0
    task: str
    attempt: int
    lines: tuple[str, ...]
    left_out: int = 0


class Skipped(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """A record that was set aside."""

    task: str
    place: str
    message: str


class RunModel(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a run at the time `now`.

    `started` is when its driver began; `ended` is None until it is over. `steps` are the run ids
    of a chain's steps that have begun. `preparing` is the step before the first stage that is
    under way. `skipped` are the first of the `skipped_records`.
    """

    run: str
    state: RunState
    job: str = ""
    target: str = ""
    inputs: int = 0
    size_bytes: int = 0
    started: float
    now: float
    ended: float | None = None
    preparing: str = ""
    steps: tuple[str, ...] = ()
    stages: tuple[StageModel, ...] = ()
    attempts: tuple[AttemptModel, ...] = ()
    slots: tuple[SlotModel, ...] = ()
    marks: tuple[Mark, ...] = ()
    printed: tuple[Printed, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    skipped_records: int = 0
    failure_kind: str = ""
    failure: str = ""
    spent_usd: float | None = None
    limit_usd: float | None = None

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return max(0.0, (self.ended if self.ended is not None else self.now) - self.started)
