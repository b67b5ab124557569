"""Which services may carry out a run's tasks: those of the driver's engine, all of one build."""

from __future__ import annotations

import pytest

from driver.transport.builds import mixture
from mapreduce.wire.build import Build

OURS = Build(engine="e1", python="cpython-3.11.7", hashing="h1", environment="p1")


def test_services_of_one_build_may() -> None:
    """Services of one build are accepted, even if the driver's Python, seed and packages differ."""
    theirs = OURS.model_copy(
        update={"python": "cpython-3.12.1", "hashing": "h2", "environment": "p2"}
    )
    assert mixture(OURS, {}, "mapper-0", theirs) is None
    assert mixture(OURS, {"mapper-0": theirs, "mapper-1": theirs}, "mapper-1", theirs) is None


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (None, "does not report its build"),
        (OURS.model_copy(update={"engine": "e2"}), "another build of the engine"),
        (OURS.model_copy(update={"python": "cpython-3.12.1"}), "version of Python"),
        (OURS.model_copy(update={"hashing": "h2"}), "PYTHONHASHSEED"),
        (OURS.model_copy(update={"environment": "p2"}), "installed packages"),
    ],
)
def test_a_mixture_is_refused_with_the_remedy(found: Build | None, named: str) -> None:
    """A service without a build, of another engine, or unlike another service, is refused with the
    remedy.
    """
    why = mixture(OURS, {"mapper-0": OURS}, "mapper-1", found)
    assert why is not None
    assert named in why
    assert "mapper-1" in why
    assert "./deploy.sh" in why


def test_a_replaced_service_is_compared_with_its_earlier_build() -> None:
    """A service that is replaced during a run is compared with its earlier build."""
    assert mixture(OURS, {"mapper-0": OURS}, "mapper-0", OURS.model_copy(update={"hashing": "h2"}))
