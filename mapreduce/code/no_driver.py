"""Stands for the package `driver` in a service, which has none of it.

A script that defines a job and runs it imports `driver`, and a worker imports the script.
"""

from __future__ import annotations

from typing import NoReturn

from mapreduce.errors import RUNS_ON_IMPORT, JobLoadError


def run(*_: object, **__: object) -> NoReturn:
    """Refuse to run a job while its file is imported; raises `JobLoadError`."""
    raise JobLoadError(RUNS_ON_IMPORT)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f'`driver.{name}` is not in the services; import it below `if __name__ == "__main__":`'
    )
