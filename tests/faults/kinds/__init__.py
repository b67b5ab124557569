"""The faults, by what they are done to."""

from tests.faults.kinds import (  # noqa: F401 - each registers its faults
    attempts,
    drivers,
    helpers,
    machines,
    network,
    objects,
    services,
    store,
    workers,
)
