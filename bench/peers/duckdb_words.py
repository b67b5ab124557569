"""Word count in DuckDB, on all cores."""

import sys

import duckdb

# each line is one column: the separator is a byte that no text contains
QUERY = r"""
COPY (
    SELECT word, count(*) AS n
    FROM (SELECT unnest(regexp_extract_all(lower(line), '[a-z'']+')) AS word
          FROM read_csv(?, header = false, columns = {'line': 'VARCHAR'}, delim = chr(1),
                        quote = '', escape = '', auto_detect = false, strict_mode = false,
                        max_line_size = 16777216))
    GROUP BY word
) TO '%s' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')
"""


def main(source: str, target: str) -> None:
    """Read, count and write in one statement."""
    duckdb.connect().execute(QUERY.replace("'\\t'", "E'\\t'") % target, [source])


main(*sys.argv[1:])
