"""The jobs in DuckDB, on all cores:
`python -m bench.peers.jobs_duckdb INPUT OUTPUT JOB NAME=VALUE...`.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

# each line is one column: the separator is a byte that no text contains
TEXT = """read_csv('{source}', header = false, columns = {{'line': 'VARCHAR'}}, delim = chr(1),
    quote = '', escape = '', auto_detect = false, strict_mode = false, max_line_size = 16777216)"""
AS_LINES = "(FORMAT csv, HEADER false, DELIMITER E'\\t', QUOTE '', ESCAPE '')"
WORDS = """SELECT word, count(*) AS n FROM (
    SELECT unnest(regexp_extract_all(lower(line), '[a-z'']+')) AS word FROM {text}) GROUP BY word"""
READERS = {
    "csv": "read_csv('{source}')",
    "jsonl": "read_json('{source}', format = 'newline_delimited')",
    "parquet": "read_parquet('{source}')",
}
JOIN = """SELECT customer, "order", cents, name, country
    FROM read_csv('{source}/orders.csv') AS orders
    JOIN read_csv('{source}/customers.csv') AS customers USING (customer)"""
QUERIES = {
    "word_count": WORDS,
    "top_k": f"{WORDS} ORDER BY n DESC, word LIMIT {{k}}",
    "grep": "SELECT line FROM {text} WHERE regexp_matches(line, '{pattern}')",
    "sort": "SELECT line FROM {text} ORDER BY line",
    "distinct": "SELECT DISTINCT line FROM {text}",
    "join": JOIN,
    "group": """SELECT "{column}", CAST(sum(cents) AS BIGINT) FROM {table} GROUP BY ALL""",
}
NODES = """CREATE TABLE nodes AS SELECT node, 1 / count(*) OVER () AS rank, targets FROM (
    SELECT split_part(line, E'\\t', 1) AS node,
        CASE WHEN line LIKE E'%\\t_%' THEN string_split(split_part(line, E'\\t', 2), ',')
            ELSE [] END AS targets FROM {text})"""
STEP = """CREATE OR REPLACE TABLE nodes AS
    WITH shares AS (SELECT target, sum(share) AS given FROM (
        SELECT unnest(targets) AS target, rank / len(targets) AS share FROM nodes)
        GROUP BY target),
    lost AS (SELECT coalesce(sum(rank), 0) AS given FROM nodes WHERE len(targets) = 0)
    SELECT node, (0.15 + 0.85 * (SELECT given FROM lost)) / (SELECT count(*) FROM nodes)
        + 0.85 * coalesce(given, 0) AS rank, targets
    FROM nodes LEFT JOIN shares ON target = node"""


def page_rank(source: str, target: str, given: dict[str, str]) -> dict[str, float]:
    """Keep the nodes in a table, and make it anew in each iteration."""
    database = duckdb.connect()
    database.execute(NODES.format(text=TEXT.format(source=source)))
    started = time.perf_counter()
    for _ in range(int(given["iterations"])):
        database.execute(STEP)
    iterated = time.perf_counter() - started
    database.execute(f"COPY (SELECT node, rank FROM nodes) TO '{target}' {AS_LINES}")
    return {"iteration_s": iterated / int(given["iterations"])}


def k_means(source: str, target: str, given: dict[str, str]) -> dict[str, float]:
    """Keep the points in a table, and join them with the few centres in each iteration."""
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE points AS SELECT * FROM read_csv(?, header = false, "
        "columns = {'x': 'DOUBLE', 'y': 'DOUBLE', 'z': 'DOUBLE'})",
        [source],
    )
    centres = json.loads(given["centres"])
    for _ in range(int(given["iterations"])):
        distances = [
            f"(x - {a!r}) ** 2 + (y - {b!r}) ** 2 + (z - {c!r}) ** 2" for a, b, c in centres
        ]
        rows = database.execute(
            f"""SELECT c, count(*), fsum(x) / count(*), fsum(y) / count(*), fsum(z) / count(*)
            FROM (SELECT list_position(distances, list_min(distances)) - 1 AS c, x, y, z
                FROM (SELECT [{", ".join(distances)}] AS distances, x, y, z FROM points))
            GROUP BY c ORDER BY c"""
        ).fetchall()
        for number, _count, *centre in rows:
            centres[number] = centre
    Path(target).write_text(
        "".join(f"{c}\t{n}\t{' '.join(map(repr, centre))}\n" for c, n, *centre in rows)
    )
    return {}


def query(job: str) -> Callable[[str, str, dict[str, str]], dict[str, float]]:
    """Return what runs one statement that writes its answer."""

    def run(source: str, target: str, given: dict[str, str]) -> dict[str, float]:
        database = duckdb.connect()
        if job != "sort":
            database.execute("SET preserve_insertion_order = false")
        table = READERS[given.get("format", "csv")].format(source=source)
        text = TEXT.format(source=source)
        filled = QUERIES[job].format(source=source, text=text, table=table, **given)
        database.execute(f"COPY ({filled}) TO '{target}' {AS_LINES}")
        return {}

    return run


def main(source: str, target: str, job: str, *options: str) -> None:
    """Run one job; its time begins after the import."""
    given = dict(option.split("=", 1) for option in options)
    run = {"page_rank": page_rank, "k_means": k_means}.get(job) or query(job)
    started = time.perf_counter()
    figures = run(source, target, given)
    print(json.dumps({"inner_s": time.perf_counter() - started, **figures}))


main(*sys.argv[1:])
