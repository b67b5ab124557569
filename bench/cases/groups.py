"""Sums by key of CSV, JSON Lines and Parquet: by columns with `map_sql`, and by rows with `map`."""

from __future__ import annotations

from functools import partial
from typing import Literal

from bench.case import Case
from bench.cases.comparison import COMPARED, answers, at_least, at_most_of, warm_spark
from bench.contenders import ours
from bench.generated import Table
from bench.questions import sums
from bench.trial import Trial

Form = Literal["csv", "jsonl", "parquet"]
Column = Literal["country", "user"]
FORMS: dict[Form, str] = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}
COLUMNS: dict[Column, str] = {"country": "8 keys", "user": "100,000 keys"}
BY_COLUMNS = ("duckdb", "polars", "spark-dataframe")
BY_ROWS = ("spark-rdd", "spark-udf")


def _trials(case: str, form: Form, rows: int, prefix: str, peers: tuple[str, ...]) -> list[Trial]:
    table, job = Table(form, rows), f"bench/jobs/sums_{form}.py"
    return [
        trial
        for column, keys in COLUMNS.items()
        for question in (sums(column, rows),)
        for trial in (
            ours(
                case,
                table,
                *("--job", f"{job}:{prefix}By{column.title()}"),
                variant=column,
                label=f"**ours**, {keys}",
                question=question,
            ),
            *answers(
                case,
                peers,
                "group",
                table,
                question,
                *(f"format={form}", f"column={column}"),
                variant=column,
                more=f", {keys}",
            ),
        )
    ]


def _columns_case(form: Form) -> Case:
    case = f"columns-{form}"
    return Case(
        name=case,
        title=f"Sums of {FORMS[form]} by columns",
        about="`map_sql` and `reduce = Sum()`.",
        trials=lambda scale: _trials(case, form, scale.table_rows, "", BY_COLUMNS),
        columns=COMPARED,
        goals=tuple(
            goal
            for column, keys in COLUMNS.items()
            for goal in (
                at_most_of("duckdb", 2, f"{keys}: work, in times of DuckDB's", column),
                at_least(f"{keys}: work, of a warm PySpark", 2, _warm(column, BY_COLUMNS)),
            )
        ),
    )


def _rows_case(form: Form) -> Case:
    case = f"rows-{form}"
    return Case(
        name=case,
        title=f"Sums of {FORMS[form]} by rows",
        about="A Python function for each row: `map` and `reduce = Sum()` against a Python UDF of "
        "PySpark's DataFrame and a function of its RDD. The jobs over JSON Lines and Parquet name "
        "the columns that they read, as PySpark's query does.",
        trials=lambda scale: _trials(case, form, scale.row_rows, "Rows", BY_ROWS),
        columns=COMPARED,
        goals=tuple(
            at_least(f"{keys}: work, of the faster warm PySpark", 1, _warm(column, BY_ROWS))
            for column, keys in COLUMNS.items()
        ),
    )


def _warm(column: Column, names: tuple[str, ...]) -> partial[float | None]:
    return partial(warm_spark, variant=column, names=names)


GROUPS = tuple(make(form) for form in FORMS for make in (_columns_case, _rows_case))
