"""What is trained, as one frozen value that the command line, servers and workers share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["starting", "idle", "waiting", "training", "writing", "done", "failed"]
"""What a run does: waits for workers, trains, writes its last cut. Before there is one, server 0
looks for one that it has left (starting), or has none (idle).
"""


class RunSpec(BaseModel):
    """A run. The same values give the same model, to the bit, if staleness is 0 and nothing is
    compressed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(default="mlp", description="name of the model, in models.py")
    seed: int = Field(default=1, ge=0, lt=2**32, description="of the first parameters and the rows")
    clocks: int = Field(default=300, ge=1, le=10**7, description="updates of the whole model")
    micro_batches: int = Field(
        default=16, ge=1, le=4096, description="leases of a clock, and so the most useful workers"
    )
    batch_rows: int = Field(default=16, ge=1, description="rows of a micro-batch")
    learning_rate: float = Field(default=0.2, gt=0, allow_inf_nan=False)
    momentum: float = Field(default=0.5, ge=0, lt=1)
    staleness: int | None = Field(
        default=0, ge=0, description="0: BSP; n: SSP, n clocks ahead at most; None: ASP"
    )
    compression: str = Field(default="none", description="none, float16 or topk:SHARE")
    servers: int = Field(default=1, ge=1, le=64, description="ranges of the parameters")
    checkpoint_every: int = Field(default=20, ge=1, description="clocks between two cuts")
    lease_s: float = Field(
        default=30.0, gt=0, description="seconds until a micro-batch goes to another worker"
    )
    backups: bool = Field(
        default=True, description="whether a worker with nothing to do repeats a slow micro-batch"
    )


class Counts(BaseModel):
    """The ledger of a run: each lease is applied, refused for a reason, or still open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    leased: int = 0
    applied: int = 0
    refused: dict[str, int] = Field(default_factory=dict)


class RunStatus(BaseModel):
    """What server 0 tells about its run.

    Attributes:
        run: the run's name; empty if there is none.
        generation: how often the run began, or went back to a cut.
        version: clocks whose gradients are all applied.
        workers: workers that were heard of lately.
        cut: the clock of the last whole cut in the store; -1 before there is one.
        problem: what keeps the run from going on, or made it fail; empty if nothing does.
        sha256: of the parameters when the run is done.
        evaluation: the held-out figures when the run is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State = "starting"
    run: str = ""
    spec: RunSpec | None = None
    generation: int = 0
    version: int = 0
    loss: float | None = None
    workers: int = 0
    expected_workers: int = 0
    cut: int = -1
    counts: Counts = Counts()
    problem: str = ""
    sha256: str = ""
    evaluation: dict[str, float] = Field(default_factory=dict)
