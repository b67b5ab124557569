"""Word count with PySpark's DataFrame, on all cores: no Python code runs on the data."""

import json
import sys
import time

from pyspark.sql.functions import col, explode, lower, split

from bench.peers.spark_session import spark_session


def main(source: str, target: str) -> None:
    """Split at everything but letters and apostrophes; drop the empty word at a line's start or
    end.
    """
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
