"""The driver's command line, which kills or suspends itself at a place that the environment names.

MAPREDUCE_TEST_DEATH='{"at": "copy", "number": 2, "when": "after"}' python -m
tests.faults.mortal_driver run ...

The places are writes to the store: the ledger's record, each copy of a part to its final name,
`_SUCCESS`, the report.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mapreduce.storage.local import LocalStorage

VARIABLE = "MAPREDUCE_TEST_DEATH"
At = Literal["ledger", "copy", "success", "report"]
_NAMES: dict[str, At] = {"ledger.json": "ledger", "_SUCCESS": "success", "report.json": "report"}


class Death(BaseModel):
    """When the driver dies, or falls `asleep`: before or after it reaches the place for the
    `number`th time.
    """

    model_config = ConfigDict(frozen=True)

    at: At
    number: int = 1
    when: Literal["before", "after"] = "before"
    asleep: bool = False

    def come(self) -> None:
        """Let this process die, or sleep until it is woken."""
        os.kill(os.getpid(), signal.SIGSTOP if self.asleep else signal.SIGKILL)


class MortalStorage(LocalStorage):
    """The local file system, with a kill at the place."""

    death: Death
    _seen = 0
    _guard = threading.Lock()

    def write(self, url: str, *arguments: Any, **options: Any) -> Any:
        with self._place(_NAMES.get(url.rpartition("/")[2])):
            return super().write(url, *arguments, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        with self._place("copy"):
            return super().copy(*arguments, **options)

    @contextmanager
    def _place(self, at: At | None) -> Iterator[None]:
        with self._guard:
            MortalStorage._seen += at == self.death.at
            now = at == self.death.at and self._seen == self.death.number
        if now and self.death.when == "before":
            self.death.come()
        yield
        if now and self.death.when == "after":
            self.death.come()


if __name__ == "__main__":
    if text := os.environ.get(VARIABLE):
        from mapreduce.storage import local

        MortalStorage.death = Death.model_validate_json(text)
        local.LocalStorage = MortalStorage  # type: ignore[misc]
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
