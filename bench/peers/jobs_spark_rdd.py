"""The jobs with PySpark's RDD and Python functions, on all cores:
`python -m bench.peers.jobs_spark_rdd INPUT OUTPUT JOB NAME=VALUE...`.
"""

import csv
import json
import math
import os
import re
from operator import add
from typing import Any

from pyspark import RDD, SparkContext
from pyspark.sql import SparkSession

from bench.peers.spark_timing import run_query

CORES = os.cpu_count() or 1


def line_of(fields: tuple[Any, ...]) -> str:
    """Return fields separated by tabs."""
    return "\t".join(map(str, fields))


def words(text: RDD[str]) -> RDD[tuple[str, int]]:
    """Return the count of each word."""
    found = text.flatMap(lambda line: [(word, 1) for word in re.findall("[a-z']+", line.lower())])
    return found.reduceByKey(add, CORES)


def rows(text: RDD[str]) -> RDD[list[str]]:
    """Return the rows of a CSV file without its header."""
    return text.mapPartitionsWithIndex(
        lambda part, found: (row for n, row in enumerate(csv.reader(found)) if part or n)
    )


def joined(context: SparkContext, source: str) -> RDD[str]:
    """Join by key; the key is the column's text."""
    orders = rows(context.textFile(f"{source}/orders.csv", CORES)).map(
        lambda row: (row[1], (row[0], row[2]))
    )
    customers = rows(context.textFile(f"{source}/customers.csv", CORES)).map(
        lambda row: (row[0], (row[1], row[2]))
    )
    return orders.join(customers, CORES).map(
        lambda pair: line_of((pair[0], *pair[1][0], *pair[1][1]))
    )


def page_rank(text: RDD[str], iterations: int) -> RDD[str]:
    """Keep the links in memory, as in Spark's own example; nodes without links give to all."""
    nodes = text.map(lambda line: line.split("\t"))
    links = nodes.mapValues(lambda names: names.split(",") if names else [])
    links = links.partitionBy(CORES).cache()
    count = links.count()
    ranks = links.mapValues(lambda _: 1 / count)
    for _ in range(iterations):
        both = links.join(ranks).cache()
        lost = both.values().map(lambda pair: 0.0 if pair[0] else pair[1]).sum()
        rest = (0.15 + 0.85 * lost) / count
        shares = both.flatMap(
            lambda each: (
                [(each[0], 0.0)] + [(target, each[1][1] / len(each[1][0])) for target in each[1][0]]
            )
        )
        ranks = shares.reduceByKey(add, CORES).mapValues(
            lambda given, rest=rest: rest + 0.85 * given
        )
    return ranks.map(line_of)


def k_means(text: RDD[str], given: dict[str, str]) -> RDD[str]:
    """Keep the points in memory; the few centres are part of each iteration's function."""
    points = text.map(lambda line: tuple(map(float, line.split(",")))).cache()
    centres = [tuple(centre) for centre in json.loads(given["centres"])]
    found: list[tuple[int, tuple[int, tuple[float, ...]]]] = []
    for _ in range(int(given["iterations"])):

        def nearest(point: tuple[float, ...], now: Any = tuple(centres)) -> Any:
            distances = [math.dist(point, centre) for centre in now]
            return distances.index(min(distances)), (1, point)

        sums = points.map(nearest).reduceByKey(
            lambda a, b: (a[0] + b[0], tuple(map(add, a[1], b[1])))
        )
        found = sums.collect()
        for number, (size, total) in found:
            centres[number] = tuple(axis / size for axis in total)
    answer = [f"{c}\t{n}\t{' '.join(map(repr, centres[c]))}" for c, (n, _) in sorted(found)]
    return text.context.parallelize(answer, 1)


def group(spark: SparkSession, source: str, given: dict[str, str]) -> RDD[str]:
    """Return the sums by a Python function over rows."""
    column = given["column"]
    if given["format"] == "parquet":
        pairs = spark.read.parquet(source).rdd.map(lambda row: (row[column], row["cents"]))
    elif given["format"] == "jsonl":
        records = spark.sparkContext.textFile(source, CORES).map(json.loads)
        pairs = records.map(lambda row: (row[column], row["cents"]))
    else:
        place = {"country": 1, "user": 2}[column]
        records = rows(spark.sparkContext.textFile(source, CORES))
        pairs = records.map(lambda row: (row[place], int(row[3])))
    return pairs.reduceByKey(add, CORES).map(line_of)


def query(spark: SparkSession, source: str, given: dict[str, str]) -> RDD[str]:
    """Return the lines of a job's answer."""
    context, job = spark.sparkContext, given["job"]
    if job == "join":
        return joined(context, source)
    if job == "group":
        return group(spark, source, given)
    text = context.textFile(source, CORES)
    if job == "word_count":
        return words(text).map(line_of)
    if job == "top_k":
        best = words(text).takeOrdered(int(given["k"]), key=lambda pair: (-pair[1], pair[0]))
        return context.parallelize(best, 1).map(line_of)
    if job == "grep":
        search = re.compile(given["pattern"]).search
        return text.filter(lambda line: search(line) is not None)
    if job == "sort":
        return text.sortBy(lambda line: line)
    if job == "distinct":
        return text.distinct(CORES)
    if job == "page_rank":
        return page_rank(text, int(given["iterations"]))
    return k_means(text, given)


run_query(lambda spark, source, target, given: query(spark, source, given).saveAsTextFile(target))
