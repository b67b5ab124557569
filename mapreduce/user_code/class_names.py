"""Refuse names in a Job or Chain class of another framework or the engine, and misspelt hooks.

The engine would ignore such a name, and the job would silently differ from what its author wrote.
"""

from __future__ import annotations

import difflib
import dis
import inspect
import sys
from collections.abc import Collection, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, ClassVar, Generic

from mapreduce.errors import JobLoadError

_STAGES = "(hooks name their stage: map_setup, map_cleanup, reduce_setup, reduce_cleanup)"
_SETUP = f"`map_setup`, called before a map task's first record, or `reduce_setup` {_STAGES}"
_CLEANUP = f"`map_cleanup`, called after a map task's last record, or `reduce_cleanup` {_STAGES}"
_MAP_SETUP = "`map_setup`, called before a map task's first record"
_MAP_CLEANUP = "`map_cleanup`, called after a map task's last record, which may yield pairs"
_REDUCE_SETUP = "`reduce_setup`, called before a reduce task's first key"
_REDUCE_CLEANUP = "`reduce_cleanup`, called after a reduce task's last key, which may yield pairs"
_NO_COMBINE_HOOK = "`combine(self, key, values)`, which has no hook of its own"
_NO_SHELL = "`map`; to call a command, use subprocess in `map_batch`"
_FORMAT = "`input_format = Text()`, JsonLines(), Csv(), Parquet() or WholeFile()"
_OUTPUT = "the ending of --output: .json, .jsonl, .csv, .tsv or .parquet"
_PARAMETER = (
    "a parameter, which is an annotated class attribute: `min_length: int = 3`, "
    "set by --param min_length=5"
)
_FILES = '`files = ["name"]`, and `self.path("name")` to open one'
_COUNT = "`self.count(name)`"
_CHAIN = "a class of its own: `class X(Chain)` with `def steps(self)`, which yields jobs"
_RUN = "`python -m driver run --job FILE`, which makes and runs the job"
_MAP_AND_SUM = "`map`, and `reduce = Sum()` or a method `reduce(self, key, values)`"

OLD_HOOKS = {"setup": _SETUP, "cleanup": _CLEANUP}
FOREIGN: Mapping[str, str] = {
    **OLD_HOOKS,
    # mrjob
    "mapper": "`map(self, key, value)`",
    "reducer": "`reduce(self, key, values)`, or an aggregation: `reduce = Sum()`",
    "combiner": "`combine(self, key, values)`",
    "mapper_init": _MAP_SETUP,
    "mapper_final": _MAP_CLEANUP,
    "reducer_init": _REDUCE_SETUP,
    "reducer_final": _REDUCE_CLEANUP,
    "combiner_init": _NO_COMBINE_HOOK,
    "combiner_final": _NO_COMBINE_HOOK,
    "mapper_raw": "`input_format = WholeFile()` and `map(self, url, content)`",
    "reducer_raw": "`reduce(self, key, values)`",
    "mapper_cmd": _NO_SHELL,
    "combiner_cmd": "`combine(self, key, values)`",
    "reducer_cmd": "`reduce(self, key, values)`; there is no shell command for it",
    "mapper_pre_filter": "an `if` in `map`",
    "combiner_pre_filter": "an `if` in `combine`",
    "reducer_pre_filter": "an `if` in `reduce`",
    "steps": _CHAIN,
    "spark": _MAP_AND_SUM,
    "spark_args": _MAP_AND_SUM,
    "spark_main": _MAP_AND_SUM,
    "mr": _CHAIN,
    "SORT_VALUES": "a composite key and `group_by = 1`, which sorts the values of a group by the "
    "rest of its key",
    "FILES": _FILES,
    "DIRS": _FILES,
    "ARCHIVES": _FILES,
    "LIBJARS": "nothing: there is no Java",
    "JOBCONF": "options of the command line, such as --reducers",
    "PARTITIONER": "`partition(self, key, partitions)`, or `total_order = True`",
    "INPUT_PROTOCOL": _FORMAT,
    "INTERNAL_PROTOCOL": "nothing: keys and values keep their types between map and reduce",
    "OUTPUT_PROTOCOL": _OUTPUT,
    "HADOOP_INPUT_FORMAT": _FORMAT,
    "HADOOP_OUTPUT_FORMAT": _OUTPUT,
    "OPTION_CLASS": _PARAMETER,
    "input_protocol": _FORMAT,
    "internal_protocol": "nothing: keys and values keep their types between map and reduce",
    "output_protocol": _OUTPUT,
    "hadoop_input_format": _FORMAT,
    "hadoop_output_format": _OUTPUT,
    "jobconf": "options of the command line, such as --reducers",
    "libjars": "nothing: there is no Java",
    "partitioner": "`partition(self, key, partitions)`, or `total_order = True`",
    "sort_values": "a composite key and `group_by = 1`",
    "configure_args": _PARAMETER,
    "configure_options": _PARAMETER,
    "load_args": _PARAMETER,
    "load_options": _PARAMETER,
    "options": _PARAMETER,
    "pass_arg_through": _PARAMETER,
    "pass_through_option": _PARAMETER,
    "add_passthru_arg": _PARAMETER,
    "add_passthrough_option": _PARAMETER,
    "add_file_arg": _FILES,
    "add_file_option": _FILES,
    "increment_counter": _COUNT,
    "set_status": "`self.status(text)`",
    "run_job": _RUN,
    "make_runner": _RUN,
    "sandbox": "`mapreduce.testing.run(TheJob(), lines)`",
    # Hadoop
    "run": _RUN,
    "main": _RUN,
    "configure": _SETUP,
    "close": _CLEANUP,
    "Mapper": "`map(self, key, value)` in the job's own class",
    "Reducer": "`reduce(self, key, values)` in the job's own class",
    "Combiner": "`combine(self, key, values)` in the job's own class",
    "Partitioner": "`partition(self, key, partitions)` in the job's own class",
    "getPartition": "`partition(self, key, partitions)`",
    "get_partition": "`partition(self, key, partitions)`",
    "setMapperClass": "`map(self, key, value)`",
    "setReducerClass": "`reduce(self, key, values)`",
    "setCombinerClass": "`combine(self, key, values)`",
    "setPartitionerClass": "`partition(self, key, partitions)`",
    "setNumReduceTasks": "--reducers of the command line",
    "setGroupingComparatorClass": "`group_by = 1`",
    "setSortComparatorClass": "composite keys and `group_by`",
    "setInputFormatClass": _FORMAT,
    "setOutputFormatClass": _OUTPUT,
    "getCounter": _COUNT,
    "context": "`yield key, value`, `self.count(name)` and `self.status(text)`",
    # PySpark
    "flatMap": "`map`, which may yield any number of pairs",
    "mapPartitions": "`map_batch`, or `map_setup` and `map_cleanup` around `map`",
    "mapValues": "`map`",
    "flatMapValues": "`map`",
    "reduceByKey": "`reduce = Sum()`, or `combine` and `reduce`",
    "groupByKey": "`reduce(self, key, values)`",
    "aggregateByKey": "`combine` and `reduce`, or an aggregation",
    "combineByKey": "`combine` and `reduce`, or an aggregation",
    "foldByKey": "`combine` and `reduce`, or an aggregation",
    "countByKey": "`reduce = Count()`",
    "countByValue": "`reduce = Count()`, with the value as the key",
    "sortByKey": "`total_order = True`",
    "sortBy": "`total_order = True`",
    "partitionBy": "`partition(self, key, partitions)`",
    "repartitionAndSortWithinPartitions": "`partition` and `group_by`",
    "numPartitions": "--reducers of the command line",
    "partitionFunc": "`partition(self, key, partitions)`",
    "broadcast": _FILES,
    "accumulator": _COUNT,
    "filter": "an `if` in `map`",
    "distinct": "`reduce`, which yields each key once",
    "collect": "`--output FILE`",
    "saveAsTextFile": "`--output FILE`",
}
"""Names of mrjob, Hadoop and PySpark, and old ones of ours, with what to write instead."""

_COMMON_WORDS = frozenset(
    (
        "options",
        "filter",
        "distinct",
        "collect",
        "context",
        "broadcast",
        "accumulator",
        "run",
        "main",
        "close",
        "mr",
    )
)
"""Names that a job may use for helpers, so they are refused only if the class does not use them."""

_NEAR = 0.8
_LIBRARY: tuple[Any, ...] = (object, Generic)


def check_names(
    cls: type,
    base: type,
    hooks: Collection[str],
    engines: Collection[str],
    foreign: Mapping[str, str],
) -> None:
    """Refuse a class with a name that the engine would ignore, or that hides one of the engine's.

    Args:
        cls: the job or chain.
        base: `Job` or `Chain`, whose own names are valid.
        hooks: names of the base that an author may define.
        engines: names that belong to the engine.
        foreign: names that are refused, with what to write instead.

    Raises:
        JobLoadError: there is such a name; the message says what to write.
    """
    used: frozenset[str] | None = None
    for owner in authors_classes(cls, base):
        # an annotation in a mixin declares no parameter
        declared = _declared(owner) if issubclass(owner, base) else set()
        for name in {*declared, *vars(owner)}:
            if name.startswith("_") or name in hooks:
                continue
            if name in engines:
                raise JobLoadError(
                    f"`{name}` of {owner.__name__} hides a name of the engine; rename it"
                )
            word = None if name in declared else _word_for(name, vars(owner)[name], hooks, foreign)
            if word is None:
                continue
            if name not in foreign or name in _COMMON_WORDS:
                used = _used_names(cls, base) if used is None else used
                if name in used:
                    continue  # a helper
            raise JobLoadError(
                f"{owner.__name__} has `{name}`, which the engine does not call; {word}"
            )


def authors_classes(cls: type, base: type) -> Iterator[type]:
    """Yield the class and its ancestors that its author wrote: neither ours nor Python's."""
    ours = base.__mro__
    for owner in cls.__mro__:
        if owner not in ours and owner.__module__.partition(".")[
            0
        ] not in sys.stdlib_module_names - {"__main__"}:
            yield owner


def _word_for(
    name: str, value: Any, hooks: Collection[str], foreign: Mapping[str, str]
) -> str | None:
    if name in foreign:
        return f"write {foreign[name]}"
    near = _near(name, value, hooks)
    return None if near is None else f"is it `{near}`? A helper may be called `_{name}`"


def _declared(owner: type) -> set[str]:
    """Return the names that a class declares as parameters: annotated, and not ClassVar."""
    try:
        annotations = inspect.get_annotations(owner)
    except NameError as exc:
        raise JobLoadError(f"an annotation in {owner.__name__} cannot be read: {exc}") from exc
    return {name for name, kind in annotations.items() if not _is_class_variable(kind)}


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.removeprefix("typing.").startswith("ClassVar")
    return annotation is ClassVar or getattr(annotation, "__origin__", None) is ClassVar


def _near(name: str, value: Any, hooks: Collection[str]) -> str | None:
    """Return the hook or setting that a name probably means, or None."""
    if isinstance(value, property | type):
        return None
    plain = {hook.replace("_", ""): hook for hook in hooks}
    same = name.replace("_", "").lower()
    if same in plain:
        return plain[same]
    found = difflib.get_close_matches(same, plain, 1, _NEAR)
    return plain[found[0]] if found else None


def _used_names(cls: type, base: type) -> frozenset[str]:
    """Return all names that the code of the class and of its modules uses."""
    used: set[str] = set()
    for owner in authors_classes(cls, base):
        for value in vars(owner).values():
            for code in _codes(value):
                used.update(_names_in(code))
        module = sys.modules.get(owner.__module__)
        used |= _used_in_module(module) if module is not None else set()
    return frozenset(used)


def _used_in_module(module: ModuleType) -> set[str]:
    found = (value for value in vars(module).values() if isinstance(value, FunctionType))
    return {
        name
        for function in found
        if function.__module__ == module.__name__
        for name in _names_in(function.__code__)
    }


def _codes(value: Any) -> Iterator[CodeType]:
    if isinstance(value, property):
        functions = [value.fget, value.fset]
    else:
        functions = [
            inspect.unwrap(
                value.__func__ if isinstance(value, staticmethod | classmethod) else value
            )
        ]
    yield from (function.__code__ for function in functions if isinstance(function, FunctionType))


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the attributes that code reads from variables and classes, as in `self.name`."""
    before = ""
    for instruction in dis.get_instructions(code):
        # newer versions of Python store one variable and load another in one instruction,
        # STORE_FAST_LOAD_FAST
        of_variable = "LOAD_FAST" in before or before in ("LOAD_DEREF", "class")
        if of_variable and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield instruction.argval
        name = str(instruction.argval)
        is_class = instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name[:1].isupper()
        before = "class" if is_class else instruction.opname
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
