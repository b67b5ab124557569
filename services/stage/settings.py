"""The settings of MapReduce's services: read once from the environment (MAPREDUCE_...), then passed
as a value.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

from pydantic import Field

from mapreduce.storage import Grants
from services.shell.settings import Place, SettingsConfigDict, SignedSettings


class Settings(SignedSettings):
    """One service's settings; each field is the environment variable MAPREDUCE_<FIELD>.

    Raises:
        pydantic.ValidationError: a field is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="MAPREDUCE_", frozen=True, extra="ignore")

    store: Place = Field(description="root URL of the store: s3://bucket or file:///folder")
    extra_inputs: tuple[Place, ...] = Field(
        default=(), description="URLs that may be read besides the store, as JSON"
    )
    slots: int = Field(
        default=0, ge=0, description="tasks at the same time; 0: one for each processor"
    )
    scratch: Path = Field(
        default=Path(tempfile.gettempdir()) / f"mapreduce-scratch-{os.getuid()}",
        description="folder for intermediate files and jobs' code; only this user may write there",
    )
    memory_mb: int = Field(
        default=0, ge=0, description="memory of the whole service in MiB; 0: half of the machine's"
    )
    task_memory_mb: int = Field(
        default=0, ge=0, description="memory of one task in MiB; 0: an even share of memory_mb"
    )
    chaos: bool = Field(
        default=False, description="whether a driver may inject faults into this service's workers"
    )

    @property
    def slot_count(self) -> int:
        """The number of tasks at the same time."""
        return self.slots or os.cpu_count() or 1

    @property
    def task_memory_bytes(self) -> int:
        """Memory of one task: an even share, after a fifth for the service itself."""
        if self.task_memory_mb:
            return self.task_memory_mb << 20
        total = (self.memory_mb << 20) if self.memory_mb else _machine_memory() // 2
        return math.floor(total * 0.8 / self.slot_count)

    @property
    def grants(self) -> Grants:
        """The places that this service may use."""
        return Grants(writable=(self.store,), readable=self.extra_inputs)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
