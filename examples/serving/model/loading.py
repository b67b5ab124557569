"""Load the model from the store; try again while it is not there, up to a limit of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from examples.serving.model.session import Model, load_model
from examples.serving.model.settings import Settings
from examples.serving.model_store import read_model
from mapreduce.errors import MapReduceError
from mapreduce.storage import Grants, open_storage

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
log = structlog.get_logger("examples.serving.model")


class Loading(Protocol):
    """What learns how the loading goes."""

    def loaded(self, model: Model) -> None:
        """Take the model into service."""

    def not_loaded(self, why: str) -> None:
        """Note why there is no model yet."""


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failures: doubling, up to ten seconds."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))


def fetch(settings: Settings) -> Model:
    """Return the model that the settings name.

    Raises:
        ModelRefused: it is missing, is not what its manifest says, or cannot be loaded.
        StorageError: the store failed.
    """
    storage = open_storage(Grants(writable=(), readable=(settings.store,)))
    manifest, data = read_model(storage, settings.store, settings.name, settings.version)
    model = load_model(data)
    log.info(
        "model loaded",
        model=settings.name,
        version=settings.version,
        sha256=manifest.sha256,
        size_bytes=len(data),
        accuracy=manifest.accuracy,
    )
    return model


async def keep_loading(
    settings: Settings,
    told: Loading,
    give_up: Callable[[], None],
    *,
    load: Callable[[Settings], Model] = fetch,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Load the model; after `load_s` without it, give up.

    ECS counts a container that ends, so a rollout of a version that cannot be loaded stops and
    goes back to the version before.
    """
    waited_s, failures = 0.0, 0
    while True:
        try:
            told.loaded(await asyncio.to_thread(load, settings))
            return
        except MapReduceError as exc:
            failures += 1
            told.not_loaded(str(exc))
            log.warning("the model is not loaded", error=str(exc), failures=failures)
        if waited_s >= settings.load_s:
            log.error("giving up: the model could not be loaded", seconds=settings.load_s)
            give_up()
            return
        pause = pause_s(failures)
        waited_s += pause
        await sleep(pause)
