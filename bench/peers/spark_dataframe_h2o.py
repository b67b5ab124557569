"""One of H2O.ai's questions by Spark's SQL, twice: the second answer is that of a warm session.

python -m bench.peers.spark_dataframe_h2o INPUT OUTPUT QUESTION
"""

import json
import sys
import time

from bench.peers.h2o_questions import COLUMNS, ROWS, SQL
from bench.peers.spark_session import spark_session


def main(source: str, target: str, question: str) -> None:
    """Read, group and write; no Python code runs on the data."""
    spark = spark_session()
    schema = ", ".join(
        f"{name} {'STRING' if kind == 'VARCHAR' else kind}" for name, kind in COLUMNS.items()
    )
    times = []
    for folder in (f"{target}-first", target):
        started = time.perf_counter()
        spark.read.csv(source, schema=schema, header=True).createOrReplaceTempView(ROWS)
        spark.sql(SQL[int(question)]).toDF(*_names(question, spark)).write.csv(folder)
        times.append(time.perf_counter() - started)
    print(json.dumps({"first_s": times[0], "inner_s": times[1]}))
    spark.stop()


def _names(question: str, spark) -> list[str]:  # type: ignore[no-untyped-def]
    """Return names without brackets for the columns of an answer."""
    count = len(spark.sql(SQL[int(question)]).columns)
    return [f"column{number}" for number in range(count)]


main(*sys.argv[1:])
