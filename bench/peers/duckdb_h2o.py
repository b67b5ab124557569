"""One of H2O.ai's questions in DuckDB: `python -m bench.peers.duckdb_h2o INPUT OUTPUT QUESTION`."""

import json
import sys
import time

import duckdb

from bench.peers.h2o_questions import COLUMNS, SQL


def main(source: str, target: str, question: str) -> None:
    """Read, group and write in one statement."""
    database = duckdb.connect()
    database.execute("SET preserve_insertion_order = false")
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    rows = f"SELECT * FROM read_csv('{source}', header = true, columns = {{{columns}}})"
    started = time.perf_counter()
    database.execute(
        f"COPY (WITH rows AS ({rows}) {SQL[int(question)]}) TO '{target}' "
        "(FORMAT csv, HEADER false)"
    )
    print(json.dumps({"inner_s": time.perf_counter() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
