"""The arguments of `run` as the options of a run. Pure."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeAlias, TypedDict, get_type_hints

from pydantic import TypeAdapter, ValidationError

from driver.plan.config import RunConfig
from driver.plan.fault_rates import Chaos, parse_chaos
from driver.text import shown_repr
from mapreduce.errors import UsageError
from mapreduce.wire.messages import SplitMode

Path: TypeAlias = "str | os.PathLike[str]"
Inputs: TypeAlias = "Path | Sequence[Path] | Mapping[str, Path | Sequence[Path]]"
OTHER_ARGUMENTS = frozenset(("inputs", "job", "parameters", "keep_pairs", "over"))
"""Fields of `RunConfig` that `run` has as arguments, or sets itself."""


OTHER_NAMES = {
    "chunk_size": "chunk_bytes",
    "task_memory": "task_memory_bytes",
    "broadcast": "broadcast_bytes",
    "partitions": "reducers",
    "stage_timeout": "stage_timeout_s",
    "keep": "keep_s",
}
"""Names of the command's options, or of other programs, and ours."""


class Options(TypedDict, total=False):
    """The options of a run; `RunConfig` explains them."""

    mappers: int | None
    reducers: int | None
    chunks: int | None
    chunk_bytes: int | None
    mode: SplitMode
    top: int
    fresh: bool
    remembered: bool
    sort: bool
    broadcast_bytes: int | None
    chaos: Chaos | str | None
    skip_bad_records: int | None
    stage_timeout_s: float | None
    task_memory_bytes: int | None
    spark_master: str
    keep_s: float | None
    max_usd: float | None
    requirements: Path | None
    refresh_packages: bool


def config_of(job: str, inputs: Inputs, options: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a run; raises `UsageError`.

    Args:
        job: the job, as `--job` takes it.
        inputs: the inputs, as `run` takes them.
        options: the options by their names.
    """
    kinds = get_type_hints(RunConfig)
    known = [each.name for each in fields(RunConfig) if each.name not in OTHER_ARGUMENTS]
    given = dict(options)
    for name, value in options.items():
        if name not in known:
            named = OTHER_NAMES.get(name)
            close = [named] if named else get_close_matches(name.lower(), known, 1)
            hint = f"write {close[0]}=..." if close else f"it has: {', '.join(known)}"
            raise UsageError(f"run() has no option {name!r}; {hint}")
        if name == "chaos" and isinstance(value, str):
            given[name] = parse_chaos(value, 0)
            continue
        if name == "requirements" and isinstance(value, str):
            value = pathlib.Path(value)
        try:
            given[name] = TypeAdapter(kinds[name]).validate_python(value, strict=True)
        except ValidationError as exc:
            raise UsageError(
                f"run({name}={shown_repr(value, 60)}): {exc.errors()[0]['msg']}"
            ) from None
    texts = tuple(_texts(inputs))
    if not texts:
        raise UsageError('run() has no input; name a file, folder, glob or URL: run(job, "books/")')
    return RunConfig(inputs=texts, job=job, keep_pairs=True, **given)


def _texts(inputs: object) -> Iterator[str]:
    """Yield the inputs as `--input` takes them."""
    if isinstance(inputs, str | os.PathLike):
        yield _text(inputs)
    elif isinstance(inputs, Mapping):
        for name, given in inputs.items():
            if not isinstance(name, str):
                raise _wrong(name)
            yield from (f"{name}={text}" for text in _texts(given))
    elif isinstance(inputs, Sequence | set | frozenset) and not isinstance(inputs, bytes):
        for each in inputs if isinstance(inputs, Sequence) else sorted(inputs, key=str):
            if not isinstance(each, str | os.PathLike):
                raise _wrong(each)
            yield _text(each)
    else:
        raise _wrong(inputs)


def _text(path: str | os.PathLike[Any]) -> str:
    text = os.fspath(path)
    if not isinstance(text, str):
        raise _wrong(path)
    return text


def _wrong(given: object) -> UsageError:
    return UsageError(
        f"an input of run() is a path, a folder, a glob or a URL, not {shown_repr(given, 60)}; "
        "write data that is in memory to a file first"
    )
