"""H2O.ai's ten questions of its group-by benchmark as SQL, which DuckDB and Spark both take."""

ROWS = "rows"
"""The name of the table."""
COLUMNS = {
    "id1": "VARCHAR", "id2": "VARCHAR", "id3": "VARCHAR",
    "id4": "BIGINT", "id5": "BIGINT", "id6": "BIGINT",
    "v1": "BIGINT", "v2": "BIGINT", "v3": "DOUBLE",
}  # fmt: skip
SQL = {
    1: "SELECT id1, sum(v1) FROM rows GROUP BY id1",
    2: "SELECT id1, id2, sum(v1) FROM rows GROUP BY id1, id2",
    3: "SELECT id3, sum(v1), avg(v3) FROM rows GROUP BY id3",
    4: "SELECT id4, avg(v1), avg(v2), avg(v3) FROM rows GROUP BY id4",
    5: "SELECT id6, sum(v1), sum(v2), sum(v3) FROM rows GROUP BY id6",
    6: "SELECT id4, id5, median(v3), stddev_samp(v3) FROM rows GROUP BY id4, id5",
    7: "SELECT id3, max(v1) - min(v2) FROM rows GROUP BY id3",
    8: """
        SELECT id6, v3 FROM (
            SELECT id6, v3, row_number() OVER (PARTITION BY id6 ORDER BY v3 DESC) AS place FROM rows
        ) AS ranked WHERE place <= 2
    """,
    9: "SELECT id2, id4, power(corr(v1, v2), 2) FROM rows GROUP BY id2, id4",
    10: """
        SELECT id1, id2, id3, id4, id5, id6, sum(v3), count(*) FROM rows
        GROUP BY id1, id2, id3, id4, id5, id6
    """,
}
