"""Sort lines with PySpark's DataFrame, twice: the second time is that of a warm session.

python -m bench.peers.spark_dataframe_sort INPUT OUTPUT
"""

import json
import sys
import time

from bench.peers.spark_session import spark_session


def main(source: str, target: str) -> None:
    """Read, sort and write; no Python code runs on the data."""
    spark = spark_session()
    times = []
    for folder in (f"{target}-first", target):
        started = time.perf_counter()
        spark.read.text(source).sort("value").write.text(folder)
        times.append(time.perf_counter() - started)
    print(json.dumps({"first_s": times[0], "inner_s": times[1]}))
    spark.stop()


main(*sys.argv[1:])
