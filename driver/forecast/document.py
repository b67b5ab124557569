"""The document of a plan: what a run will do, how long it takes and what it costs.

`plan --json` prints it, and it is `forecast.json` of a planned run.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from driver.forecast.figures import Figures
from driver.forecast.receipt import ForecastLine, Range
from mapreduce.storage import Requests
from mapreduce.wire.messages import Message, StageName

Basis = Literal["sample", "earlier runs", "nothing"]
"""sample: the job's code on the beginning of some splits; earlier runs: what the tasks of the last
run of this job have taken; nothing: neither."""
KeyPart = Literal[
    "packages",
    "input",
    "cut",
    "format",
    "code",
    "parameters",
    "partitions",
    "build",
    "key ranges",
    "kept",
]
"""The part of a task's key that differs from the nearest earlier run; kept: none does, and the
task's result is not there, or has changed."""


class Difference(Message):
    """Why some map tasks are not reused: the part of the key that differs, and where."""

    part: KeyPart
    tasks: int
    detail: str


class Reuse(Message):
    """What a run reuses of earlier ones, and why the rest of its map tasks is new.

    `nearest` is the earlier run with the same job that shares the most inputs; "" without one.
    """

    maps: int = 0
    maps_reused: int = 0
    reduces: int = 0
    reduces_reused: int = 0
    nearest: str = ""
    new: tuple[Difference, ...] = ()


class StageForecast(Message):
    """The tasks of one stage that a run carries out.

    `reused` come beside `tasks`. `memory_limit_bytes` is what a task has, None where nothing limits
    it; `fits_bytes` is the `--chunk-size` with which a task needs less, if it needs more.
    """

    stage: StageName
    tasks: int
    reused: int = 0
    slots: int
    waves: int
    task_s: Range
    wall_s: Range
    memory_bytes: Range
    memory_limit_bytes: int | None = None
    fits_bytes: int | None = None


class HeavyKey(Message):
    """A key with many pairs in the sample: its share of all pairs, from 0 to 1."""

    key: str
    share: float


class Skew(Message):
    """How the sample's pairs fall on the partitions.

    `shares` are the partitions' shares of all bytes, in order; `score` is the largest over the
    median; `advice` is "" where nothing needs to be done.
    """

    shares: tuple[float, ...] = ()
    score: float = 1.0
    keys: tuple[HeavyKey, ...] = ()
    advice: str = ""


class Money(Message):
    """The price of a run in dollars, by list prices.

    `standing_usd_hour` is what the stack costs an hour while it runs, with or without this run.
    """

    tasks: Range
    requests: Range
    together: Range
    standing_usd_hour: float
    not_priced: tuple[str, ...]


class Sampled(Message):
    """What the sample has read and taken.

    `error` is why there are no figures, with the author's frames; "" when there are.
    """

    samples: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    requests: Requests = Requests()
    error: str = ""


class Forecast(Message):
    """The plan of a run.

    `cut` says how the input is cut, and by which rule. `lines` are the ranges that the receipt is
    held against; `raw` are their single values before they are scaled by `earlier_runs` runs of
    this job, of whose `forecasts_before` forecasts `held_before` held the time from the command to
    the result. `go` is the command that carries the plan out.
    """

    run: str = ""
    job: str
    target: str
    place: str
    inputs: int
    size_bytes: int
    cut: str
    partitions: int
    basis: Basis = "nothing"
    stages: tuple[StageForecast, ...] = ()
    lines: tuple[ForecastLine, ...] = ()
    raw: dict[str, float] = Field(default_factory=dict)
    figures: Figures | None = None
    sampled: Sampled = Sampled()
    earlier_runs: int = 0
    held_before: int = 0
    forecasts_before: int = 0
    reuse: Reuse | None = None
    skew: Skew | None = None
    money: Money | None = None
    notes: tuple[str, ...] = ()
    command: str = ""
    go: str = ""

    def line(self, name: str) -> Range | None:
        """Return the range of a quantity; None when it is not forecast."""
        return next((line.expected for line in self.lines if line.name == name), None)
