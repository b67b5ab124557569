"""Sum the values of each key of a file of lines `key,value` in DuckDB, on all cores, and time each
step.
"""

import json
import sys
import time

import duckdb

READ = """
CREATE TABLE pairs AS SELECT * FROM read_csv(?, header = false, delim = ',', quote = '',
    escape = '', auto_detect = false, columns = {'key': 'VARCHAR', 'value': 'BIGINT'})
"""
GROUP = (
    "CREATE TABLE sums AS SELECT key, CAST(sum(value) AS BIGINT) AS total FROM pairs GROUP BY key"
)
WRITE = "COPY (SELECT * FROM sums) TO '%s' (FORMAT csv, DELIMITER E'\\t', HEADER false, QUOTE '')"


def main(source: str, target: str) -> None:
    """Read, group, write: three statements, each timed."""
    database = duckdb.connect()
    database.execute("SET preserve_insertion_order = false")
    times = {}
    for name, query, given in (
        ("read_s", READ, [source]),
        ("group_s", GROUP, []),
        ("write_s", WRITE % target, []),
    ):
        started = time.perf_counter()
        database.execute(query, given)
        times[name] = time.perf_counter() - started
    print(json.dumps(times | {"inner_s": sum(times.values())}))


main(*sys.argv[1:])
