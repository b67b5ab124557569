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
_WRITE: Mapping[str, str] = {
    # hooks
    f"`map_setup`, called before a map task's first record, or `reduce_setup` {_STAGES}": (
        "setup configure"
    ),
    f"`map_cleanup`, called after a map task's last record, or `reduce_cleanup` {_STAGES}": (
        "cleanup close"
    ),
    "`map_setup`, called before a map task's first record": "mapper_init",
    "`map_cleanup`, called after a map task's last record, which may yield pairs": "mapper_final",
    "`reduce_setup`, called before a reduce task's first key": "reducer_init",
    "`reduce_cleanup`, called after a reduce task's last key, which may yield pairs": (
        "reducer_final"
    ),
    # map
    "`map(self, key, value)`": "mapper setMapperClass",
    "`map(self, key, value)` in the job's own class": "Mapper",
    "`map`": "mapValues flatMapValues",
    "`map`, which may yield any number of pairs": "flatMap",
    "`--job streaming --param mapper=...`, which runs a command": "mapper_cmd",
    "`map_batch`, or `map_setup` and `map_cleanup` around `map`": "mapPartitions",
    "`input_format = WholeFile()` and `map(self, url, content)`": "mapper_raw",
    "an `if` in `map`": "mapper_pre_filter filter",
    # combine
    "`combine(self, key, values)`": "combiner combiner_cmd setCombinerClass",
    "`combine(self, key, values)` in the job's own class": "Combiner",
    "`combine(self, key, values)`, which has no hook of its own": "combiner_init combiner_final",
    "an `if` in `combine`": "combiner_pre_filter",
    # reduce
    "`reduce(self, key, values)`": "reducer_raw setReducerClass groupByKey",
    "`reduce(self, key, values)` in the job's own class": "Reducer",
    "`--job streaming --param mapper=... --param reducer=...`, which runs commands": "reducer_cmd",
    "`reduce(self, key, values)`, or an aggregation: `reduce = Sum()`": "reducer",
    "`reduce`, which yields each key once": "distinct",
    "inputs with names: `self.input` in `map`, and `reduce`": (
        "cogroup leftOuterJoin rightOuterJoin fullOuterJoin"
    ),
    "`reduce = TopK(10)`, or `TopK(10, smallest=True)`": "takeOrdered",
    "an `if` in `reduce`": "reducer_pre_filter",
    "`reduce = Sum()`, or `combine` and `reduce`": "reduceByKey",
    "`combine` and `reduce`, or an aggregation": "aggregateByKey combineByKey foldByKey",
    "`reduce = Count()`": "countByKey",
    "`reduce = Count()`, with the value as the key": "countByValue",
    "`map`, and `reduce = Sum()` or a method `reduce(self, key, values)`": (
        "spark spark_args spark_main"
    ),
    # partitions and order
    "`partition(self, key, partitions)`": (
        "getPartition get_partition setPartitionerClass partitionBy partitionFunc"
    ),
    "`partition(self, key, partitions)` in the job's own class": "Partitioner",
    "`partition(self, key, partitions)`, or `total_order = True`": "PARTITIONER partitioner",
    "`partition` and `group_by`": "repartitionAndSortWithinPartitions",
    "`total_order = True`": "sortByKey sortBy orderBy",
    "`group_by = 1`": "setGroupingComparatorClass",
    "composite keys and `group_by`": "setSortComparatorClass",
    "a composite key and `group_by = 1`": "sort_values",
    "a composite key and `group_by = 1`, which sorts the values of a group by the rest of its "
    "key": "SORT_VALUES",
    # formats
    "`input_format = Text()`, JsonLines(), Csv(), Parquet() or WholeFile()": (
        "INPUT_PROTOCOL HADOOP_INPUT_FORMAT input_protocol hadoop_input_format setInputFormatClass"
    ),
    "`input_format = Text()` or WholeFile(), and --input": "textFile wholeTextFiles",
    "the ending of --output: .json, .jsonl, .csv, .tsv, .txt, .parquet or .arrows": (
        "OUTPUT_PROTOCOL HADOOP_OUTPUT_FORMAT output_protocol hadoop_output_format "
        "setOutputFormatClass"
    ),
    "nothing: keys and values keep their types between map and reduce": (
        "INTERNAL_PROTOCOL internal_protocol"
    ),
    "`--output FILE`": "collect saveAsTextFile",
    # parameters, files, counters
    "a parameter, which is an annotated class attribute: `min_length: int = 3`, "
    "set by --param min_length=5": (
        "OPTION_CLASS configure_args configure_options load_args load_options options "
        "pass_arg_through pass_through_option add_passthru_arg add_passthrough_option"
    ),
    '`files = ["name"]`, and `self.path("name")` to open one': (
        "FILES DIRS ARCHIVES add_file_arg add_file_option broadcast"
    ),
    "`self.count(name)`": "increment_counter getCounter accumulator",
    "`self.status(text)`": "set_status",
    "`yield key, value`, `self.count(name)` and `self.status(text)`": "context",
    # the run
    "a class of its own: `class X(Chain)` with `def steps(self)`, which yields jobs": "steps mr",
    "the command `run --job FILE`, which makes and runs the job": "run_job run main",
    '`from driver import run` and `run(TheJob, "input/")` in a program': "make_runner",
    "`mapreduce.testing.run(TheJob(), lines)`": "sandbox",
    "`reducers = 8`, `chunk_size`, `skip_bad_records` or `task_memory` in the class, or options of "
    "the command line": "JOBCONF jobconf",
    "`reducers = 8` in the class, or --reducers of the command line": (
        "setNumReduceTasks numPartitions"
    ),
    "nothing: there is no Java": "LIBJARS libjars",
}
"""What to write, and the names of other frameworks in whose place."""

FOREIGN: Mapping[str, str] = {
    name: word for word, names in _WRITE.items() for name in names.split()
}
"""Names of mrjob, Hadoop and PySpark, and old ones of ours, with what to write instead."""

_COMMON_WORDS = frozenset(
    "options filter distinct collect context broadcast accumulator run main close mr".split()
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
    owners = list(authors_classes(cls, base))
    # an annotation in a mixin declares no parameter; a subclass may give a parameter a value
    declared = {name for owner in owners if issubclass(owner, base) for name in _declared(owner)}
    for owner in owners:
        own = _declared(owner) if issubclass(owner, base) else set()
        for name in {*own, *vars(owner)}:
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


def check_texts(owner: str, name: str, value: object) -> None:
    """Refuse an attribute of a class that is not a list of texts.

    Raises:
        JobLoadError: says what to write.
    """
    if isinstance(value, str):
        raise JobLoadError(f"`{name}` of {owner} is a text; write a list: [{value!r}]")
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise JobLoadError(f"`{name}` of {owner} is {value!r}; write a list of texts")
