"""Compares the builds of the driver and of the services of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mapreduce.wire.build import Build

REDEPLOY = (
    "deploy the services again: ./deploy.sh, or `make deploy` "
    "(restart services that were started by hand)"
)


def mixture(ours: Build, known: Mapping[str, Build], name: str, found: Build | None) -> str | None:
    """Return why a service may not run tasks of this run; None when it may.

    The driver runs no job's code in a task, so only its engine must equal the services'; between
    services everything must be equal that an answer may depend on.

    Args:
        ours: the driver's build.
        known: the builds of the services that have answered, by their names.
        name: the service's name.
        found: its build; None for an old service without builds, which cannot be compared and is
            refused.
    """
    if found is None:
        return f"{name} is older than this driver: it does not report its build; {REDEPLOY}"
    if found.engine != ours.engine:
        return (
            f"{name} runs another build of the engine ({found.engine[:12]}) than this driver "
            f"({ours.engine[:12]}); {REDEPLOY}, or use the driver of that version"
        )
    for other, build in known.items():
        for field, what in _COMPARED.items():
            if getattr(build, field) != getattr(found, field):
                return (
                    f"{name} and {other} differ in {what} ({getattr(found, field)[:40]} and "
                    f"{getattr(build, field)[:40]}), so their answers may differ; {REDEPLOY}"
                )
    return None


_COMPARED = {
    "engine": "build of the engine",
    "python": "version of Python",
    "hashing": "hash seed (PYTHONHASHSEED)",
    "environment": "installed packages",
}
