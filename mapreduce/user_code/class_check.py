"""Refuse a Job class that cannot run, or that would silently differ from what its author wrote."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Mapping
from typing import Any, NoReturn

from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.formats.table import wrong_columns
from mapreduce.input_formats import InputFormat, JsonLines, Text, WholeFile, check_own
from mapreduce.job import Job, reduce_of
from mapreduce.user_code.class_names import FOREIGN, check_names, check_texts
from mapreduce.user_code.column_check import check_columns, has_columns
from mapreduce.user_code.parameters import Parametrised, check_parameters
from mapreduce.user_code.settings import SETTINGS as RUN_SETTINGS
from mapreduce.user_code.settings import check_settings

HOOKS: Mapping[str, int] = {
    "map_setup": 0,
    "map": 2,
    "map_arrow": 1,
    "map_batch": 1,
    "broadcasts": 0,
    "map_joined": 2,
    "row_join": 0,
    "map_cleanup": 0,
    "combine": 2,
    "partition": 2,
    "reduce_setup": 0,
    "reduce": 2,
    "reduce_cleanup": 0,
}
"""The methods that an author writes: name to number of arguments after `self`."""

SETTINGS = (
    *RUN_SETTINGS,
    "map_sql",
    "input_format",
    "group_by",
    "total_order",
    "keep_order",
    "columns",
    "order_matters",
    "files",
    "requirements",
)
ENGINES = {*vars(Job), *vars(Parametrised), "status_text"} - {*HOOKS, *SETTINGS}
"""Names of a job that belong to the engine."""

_METHODS = frozenset({*ENGINES, *HOOKS, *SETTINGS} - {"__module__", "__doc__", "__dict__"})
_ARGUMENTS = {
    "map": "key, value",
    "map_arrow": "table",
    "map_batch": "batch",
    "map_joined": "held, records",
    "combine": "key, values",
    "partition": "key, partitions",
    "reduce": "key, values",
}
_BATCHED = (Text(), JsonLines(), WholeFile())
_INSTEAD = {
    "sum": "Sum()",
    "fsum": "Sum()",
    "max": "Max()",
    "min": "Min()",
    "len": "Count()",
    "mean": "Mean()",
    "fmean": "Mean()",
    "list": "CollectList()",
    "sorted": "CollectList()",
    "set": "CollectSet()",
}
_MUST = ("create", "add", "merge", "result")


def check_job(cls: type[Job]) -> None:
    """Refuse a class that cannot run as a job.

    Raises:
        JobLoadError: the message says what to write.
    """
    check_names(cls, Job, (*HOOKS, *SETTINGS), ENGINES, FOREIGN)
    without = reduce_of(cls) is None or cls.map_batch is not Job.map_batch
    if cls.map is Job.map and without and not has_columns(cls):
        raise without_map(cls)
    _check_reduce(cls)
    for name, arguments in HOOKS.items():
        if getattr(cls, name) is not getattr(Job, name) and not isinstance(
            getattr(cls, name), Aggregation
        ):
            _check_method(cls, name, arguments)
    _check_that_all_is_called(cls)
    _check_broadcast(cls)
    _check_attributes(cls)
    check_columns(cls)
    check_settings(cls)
    check_parameters(cls)


def _check_broadcast(cls: type[Job]) -> None:
    """Refuse a job that says what may be broadcast, and cannot be mapped so."""
    says = cls.broadcasts is not Job.broadcasts
    if says != (cls.map_joined is not Job.map_joined):
        wanted = "map_joined(self, held, records)" if says else "broadcasts(self)"
        raise JobLoadError(
            f"{cls.__name__} has `{'broadcasts' if says else 'map_joined'}` alone; "
            f"write `def {wanted}` too"
        )
    others = cls.map_batch is not Job.map_batch or has_columns(cls)
    reduce = reduce_of(cls)
    if says and (others or reduce is None or isinstance(reduce, Aggregation)):
        raise JobLoadError(
            f"{cls.__name__} has `broadcasts`, which needs a `map` of single records and a "
            "`reduce` method: an aggregation or a job without `reduce` never calls `map_joined`"
        )
    for hook in ("map_cleanup", "reduce_cleanup"):
        if says and getattr(cls, hook) is not getattr(Job, hook):
            raise JobLoadError(
                f"{cls.__name__} has `broadcasts` and `{hook}`, whose pairs belong to a reduce "
                "stage, and with a broadcast there is none; leave one of them out"
            )


def without_map(cls: type[Job]) -> JobLoadError:
    """Return the error for a job without `map` that does not read pairs."""
    return JobLoadError(
        f"the job {cls.__name__} has no `map`; write `def map(self, key, value)` that yields pairs "
        "(a step of a chain with a `reduce` may leave it out if it reads the step before alone)"
    )


def check_instance(job: Job, step: str) -> None:
    """Refuse an instance with an attribute that hides a method of the job.

    Raises:
        UserCodeError: there is one.
    """
    hidden = _METHODS.intersection(vars(job))
    if hidden:
        name = min(hidden)
        raise UserCodeError(
            f"{step} set `self.{name}`, which hides the job's `{name}`; rename the attribute"
        )


def _check_reduce(cls: type[Job]) -> None:
    reduce = reduce_of(cls)
    if inspect.isclass(reduce) and issubclass(reduce, Aggregation):
        raise JobLoadError(
            f"`reduce` of {cls.__name__} is a class; "
            f"make an instance: `reduce = {reduce.__name__}()`"
        )
    if isinstance(reduce, Several):
        for each in reduce.by_name.values():
            _check_aggregation(each)
    elif isinstance(reduce, Aggregation):
        _check_aggregation(reduce)
    elif isinstance(reduce, Mapping):
        _refuse_dict(cls, reduce)
    elif reduce is not None and not callable(reduce):
        raise JobLoadError(
            f"`reduce` of {cls.__name__} is {reduce!r}, neither a method nor an aggregation"
        )
    if cls.group_by and (reduce is None or isinstance(reduce, Aggregation)):
        raise JobLoadError(
            f"{cls.__name__} has `group_by`, which needs `def reduce(self, key, values)`"
        )


def _check_aggregation(aggregation: Aggregation[Any]) -> None:
    kind = type(aggregation)
    missing = [name for name in _MUST if getattr(kind, name) is getattr(Aggregation, name)]
    if missing:
        raise JobLoadError(
            f"the aggregation {kind.__name__} has no `{'`, `'.join(missing)}`; write "
            f"{'it' if len(missing) == 1 else 'them'} "
            "(create, add, merge and result make an aggregation)"
        )


def _refuse_dict(cls: type[Job], given: Mapping[Any, Any]) -> NoReturn:
    """Refuse a dict in `reduce` that is not one of names and aggregations."""
    start = f"`reduce` of {cls.__name__}"
    for name, each in given.items():
        if type(name) is not str:
            raise JobLoadError(f"{start} has the name {name!r}, which is not a str")
        if inspect.isclass(each) and issubclass(each, Aggregation):
            raise JobLoadError(f"{start}: {name!r} is a class; write {each.__name__}()")
        if instead := _instead_of(each):
            raise JobLoadError(f"{start}: {name!r} is a function; write {instead}")
        if not isinstance(each, Aggregation) or isinstance(each, Several):
            raise JobLoadError(f"{start}: {name!r} is {each!r}, not an aggregation such as Count()")
    raise JobLoadError(f'{start} is empty; write names and aggregations: {{"n": Count()}}')


def _check_method(cls: type[Job], name: str, arguments: int) -> None:
    """Refuse a hook that is not a method, is async, or does not take the engine's arguments."""
    written = f"`def {name}(self{', ' if arguments else ''}{_ARGUMENTS.get(name, '')})`"
    raw = inspect.getattr_static(cls, name)
    function = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
    if not callable(function) or inspect.isclass(raw) or not hasattr(raw, "__get__"):
        if name == "reduce" and (instead := _instead_of(raw)):
            raise JobLoadError(
                f"`reduce = {raw.__name__}` of {cls.__name__} is a function; "
                f"write `reduce = {instead}`"
            )
        raise JobLoadError(f"`{name}` of {cls.__name__} is {raw!r}, not a method; write {written}")
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        raise JobLoadError(f"`{name}` of {cls.__name__} may not be async; write {written}")
    given = arguments + (not isinstance(raw, staticmethod))
    try:
        signature = inspect.signature(function)
        signature.bind(*[None] * given)
    except TypeError:
        if name == "reduce" and (instead := _instead_of(function)):
            raise JobLoadError(
                f"`reduce` of {cls.__name__} is the function {function.__name__}; "
                f"write `reduce = {instead}`"
            ) from None
        raise JobLoadError(
            f"`{name}` of {cls.__name__} takes {signature}; write {written}"
        ) from None
    except ValueError:  # a function in C without a signature
        return


def _instead_of(function: Any) -> str | None:
    name = getattr(function, "__name__", "")
    ours = getattr(builtins, name, None) is function or getattr(function, "__module__", "") in (
        "math",
        "statistics",
    )
    return _INSTEAD.get(name) if ours and not isinstance(function, functools.partial) else None


def _check_that_all_is_called(cls: type[Job]) -> None:
    """Refuse hooks that this job would never call."""
    unused: tuple[str, ...] = ()
    why = "it has no `reduce`"
    if reduce_of(cls) is None:
        unused = ("combine", "partition", "reduce_setup", "reduce_cleanup")
    elif isinstance(reduce_of(cls), Aggregation):
        unused = ("combine", "reduce_setup", "reduce_cleanup")
        reduce = reduce_of(cls)
        what = "a dict" if isinstance(reduce, Several) else f"{type(reduce).__name__}()"
        why = f"`reduce = {what}` needs no code of the job"
    for hook in unused:
        if getattr(cls, hook) is not getattr(Job, hook):
            raise JobLoadError(
                f"`{hook}` of {cls.__name__} is never called: {why}; "
                "remove it, or write a method `reduce`"
            )
    if cls.reducers is not None and reduce_of(cls) is None:
        raise JobLoadError(f"{cls.__name__} has `reducers` and no `reduce`; remove it")
    if cls.total_order and reduce_of(cls) is None:
        raise JobLoadError(
            f"{cls.__name__} has `total_order`, which needs a `reduce`: "
            "without one nothing is sorted"
        )
    if cls.total_order and cls.partition is not Job.partition:
        raise JobLoadError(
            f"{cls.__name__} has `total_order` and its own `partition`, "
            "which is never called then; remove one"
        )


def _check_result(cls: type[Job]) -> None:
    """Refuse settings of the result that are wrong, or that would change nothing."""
    if wrong := wrong_columns(cls.columns):
        raise JobLoadError(f"`columns` of {cls.__name__} {wrong}")
    if type(cls.keep_order) is not bool:
        raise JobLoadError(
            f"`keep_order` of {cls.__name__} is {cls.keep_order!r}; write True or False"
        )
    if cls.keep_order and isinstance(reduce_of(cls), Aggregation):
        raise JobLoadError(
            f"{cls.__name__} has `keep_order`, and an aggregation yields its keys in key order; "
            "remove it, or write `def reduce(self, key, values)`"
        )


def _check_attributes(cls: type[Job]) -> None:
    if type(cls.group_by) is not int or cls.group_by < 0:
        raise JobLoadError(
            f"`group_by` of {cls.__name__} is {cls.group_by!r}; it is how many fields make a group"
        )
    _check_result(cls)
    formats = (
        cls.input_format.values() if isinstance(cls.input_format, Mapping) else [cls.input_format]
    )
    for form in formats:
        own = isinstance(form, InputFormat)
        if inspect.isclass(form) or not (own or hasattr(form, "kind")):
            raise JobLoadError(
                f"`input_format` of {cls.__name__} is {form!r}; write Text(), JsonLines(), Csv(), "
                "Parquet(), Avro(), WholeFile(), FixedLength(length=...), Warc(), an instance of "
                "your own InputFormat, or a dict of input name to one of these"
            )
        if isinstance(form, InputFormat):
            check_own(form)
        else:
            form.check()
        if cls.map_batch is not Job.map_batch and form not in _BATCHED:
            raise JobLoadError(
                f"{cls.__name__} has `map_batch`, which reads only Text(), JsonLines() and "
                "WholeFile(), without options"
            )
    check_texts(cls.__name__, "files", cls.files)
    check_texts(cls.__name__, "requirements", cls.requirements)
