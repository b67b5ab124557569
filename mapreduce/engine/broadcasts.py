"""The inputs that a job says may be held by each map task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapreduce.errors import JobLoadError
from mapreduce.job import Job
from mapreduce.user_code.calls import Place, user_code


def broadcasts_of(job: Job) -> tuple[str, ...]:
    """Return the names that the job's `broadcasts` returns.

    Raises:
        JobLoadError: it returns something else than names of the job's inputs.
        UserCodeError: it raised.
    """
    with user_code(Place("broadcasts")):
        returned = job.broadcasts()
        is_some = isinstance(returned, Iterable) and not isinstance(returned, str | bytes)
        names = tuple(returned) if is_some else None
    inputs = list(job.input_format) if isinstance(job.input_format, Mapping) else []
    if names is None or not set(names) <= set(inputs):
        raise JobLoadError(
            f"`broadcasts` of {type(job).__name__} returned {returned!r}; return a list of names "
            f"of its inputs ({', '.join(inputs) or '`input_format` names none'})"
        )
    return names
