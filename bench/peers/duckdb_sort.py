"""Sort lines in DuckDB, on all cores: `python -m bench.peers.duckdb_sort INPUT OUTPUT`."""

import json
import sys
import time

import duckdb

# each line is one column: the separator is a byte that no record contains
QUERY = r"""
COPY (
    SELECT line
    FROM read_csv('%s', header = false, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
                  escape = '', auto_detect = false, strict_mode = false)
    ORDER BY line
) TO '%s' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')
"""


def main(source: str, target: str) -> None:
    """Read, sort and write in one statement."""
    database = duckdb.connect()
    started = time.perf_counter()
    database.execute(QUERY.replace("'\\t'", "E'\\t'") % (source, target))
    print(json.dumps({"inner_s": time.perf_counter() - started}))


main(*sys.argv[1:])
