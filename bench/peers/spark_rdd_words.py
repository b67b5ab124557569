"""Word count with PySpark's RDD and a Python function, on all cores.

python -m bench.peers.spark_rdd_words INPUT OUTPUT sum      # reduceByKey: combines in the map
python -m bench.peers.spark_rdd_words INPUT OUTPUT group    # groupByKey, then a Python function
"""

import json
import os
import re
import sys
import time
from operator import add

from bench.peers.spark_session import spark_session


def found(line: str) -> list[tuple[str, int]]:
    """Yield a pair for each word of a line."""
    return [(word, 1) for word in re.findall("[a-z']+", line.lower())]


def main(source: str, target: str, how: str) -> None:
    """Run with as many reduce tasks as cores."""
    spark = spark_session()
    started = time.perf_counter()
    cores = os.cpu_count() or 1
    pairs = spark.sparkContext.textFile(source, cores).flatMap(found)
    counts = (
        pairs.reduceByKey(add, cores) if how == "sum" else pairs.groupByKey(cores).mapValues(sum)
    )
    counts.map(lambda pair: f"{pair[0]}\t{pair[1]}").saveAsTextFile(target)
    print(json.dumps({"inner_s": time.perf_counter() - started}))
    spark.stop()


main(*sys.argv[1:])
