"""Time a query in a new session of Spark and, once it has run, in the warm one."""

import json
import sys
import time
from collections.abc import Callable

from pyspark.sql import SparkSession

from bench.peers.spark_session import spark_session

Query = Callable[[SparkSession, str, str, dict[str, str]], None]


def run_query(query: Query) -> None:
    """Run the query of the command line twice, the first time into another folder.

    Prints start_s, cold_s (the first time) and inner_s (the second time), in seconds.
    """
    source, target, job, *options = sys.argv[1:]
    given = dict(option.split("=", 1) for option in options) | {"job": job}
    started = time.perf_counter()
    spark = spark_session()
    figures = {"start_s": time.perf_counter() - started}
    for name, folder in (("cold_s", f"{target}-cold"), ("inner_s", target)):
        started = time.perf_counter()
        query(spark, source, folder, given)
        figures[name] = time.perf_counter() - started
        spark.catalog.clearCache()
    print(json.dumps(figures))
    spark.stop()
