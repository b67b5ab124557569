"""Whether the driver and the services of a run are of one build. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mapreduce.wire.build import Build

MEND = "deploy the services anew: ./deploy.sh, or `make deploy` (services started by hand: start them anew)"


def mixture(ours: Build, known: Mapping[str, Build], name: str, found: Build | None) -> str | None:
    """Return why a service may not carry out tasks of this run; None when it may.

    The driver runs no job's code in a task, so only its engine must be the services'; between services everything must
    agree that an answer may depend on.

    Args:
        ours: the driver's build.
        known: the builds of the services that have answered, by their names.
        name: the service's name.
        found: its build; None for a service of before there were builds, which cannot be compared and is refused.
    """
    if found is None:
        return f"{name} does not tell its build: it is of an older version than this driver; {MEND}"
    if found.engine != ours.engine:
        return (
            f"{name} runs another build of the engine ({found.engine[:12]}) than this driver ({ours.engine[:12]}); "
            f"{MEND}, or use the driver of that version"
        )
    for other, build in known.items():
        for field, what in _COMPARED.items():
            if getattr(build, field) != getattr(found, field):
                return (
                    f"{name} and {other} have not the same {what} ({getattr(found, field)[:40]} and "
                    f"{getattr(build, field)[:40]}), so their answers may differ; {MEND}"
                )
    return None


_COMPARED = {
    "engine": "build of the engine",
    "python": "version of Python",
    "hashing": "hash seed (PYTHONHASHSEED)",
    "environment": "installed packages",
}
