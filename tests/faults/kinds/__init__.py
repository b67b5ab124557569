"""The faults, grouped by what they break."""

from tests.faults.kinds import (  # noqa: F401 - each registers its faults
    attempts,
    bombs,
    commits,
    drivers,
    epochs,
    helpers,
    isolation,
    kept,
    machines,
    network,
    objects,
    pressure,
    services,
    store,
    workers,
)
