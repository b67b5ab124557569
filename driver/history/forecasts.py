"""The forecasts of a job's last runs and what came, one object for each job and target.

A run reads it once before and writes it once after. Of two runs that end together one may be lost
from it: it only makes later forecasts better.
"""

from __future__ import annotations

from pydantic import ValidationError

from driver.forecast.past import JobHistory, PastRun
from driver.plan.target import Target
from mapreduce.code import JobSource
from mapreduce.errors import ObjectMissing
from mapreduce.storage import Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys


def history_url(store: str, source: JobSource, target: Target) -> str:
    """Return the URL of the history of a job on a target."""
    name = "\n".join((source.module, source.file, source.name, target))
    return keys.forecasts(store, digest_of_bytes(name.encode()))


def read_history(storage: Storage, url: str) -> JobHistory:
    """Return the history; an empty one where there is none, or another version wrote it."""
    try:
        return JobHistory.model_validate_json(storage.read(url))
    except (ObjectMissing, ValidationError):
        return JobHistory()


def add_run(storage: Storage, url: str, run: PastRun) -> None:
    """Add a finished run to the history."""
    history = read_history(storage, url).with_run(run)
    storage.write(url, history.model_dump_json().encode())
