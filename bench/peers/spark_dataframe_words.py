"""Word count with PySpark's DataFrame, on all cores: no line of Python touches the data."""

import json
import sys
import time

from pyspark.sql.functions import col, explode, lower, split

from bench.peers.spark_session import spark_session


def main(source: str, target: str) -> None:
    """What is no letter and no apostrophe separates; a separator at the start or end leaves an empty word."""
    spark = spark_session()
    started = time.perf_counter()
    words = spark.read.text(source).select(
        explode(split(lower(col("value")), "[^a-z']+")).alias("word")
    )
    counts = words.where(col("word") != "").groupBy("word").count()
    counts.write.csv(target, sep="\t")
    print(json.dumps({"inner_s": time.perf_counter() - started}))
    spark.stop()


main(*sys.argv[1:])
