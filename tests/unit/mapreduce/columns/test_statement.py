"""The SQL of a job is read before any record, and what a map cannot do is refused."""

from __future__ import annotations

import pytest

from mapreduce.columns.database import opened
from mapreduce.columns.statement import Statement, checked_statement
from mapreduce.errors import JobLoadError

OWNER = "`map_sql` of Sales"


def parsed(text: str) -> Statement:
    """Return the parsed SQL."""
    with opened() as connection:
        return checked_statement(text, OWNER, connection)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT a AS key, 1 AS value FROM records", {"a"}),
        ("select R.A key, lower(B) as value from Records r where c is not null", {"a", "b", "c"}),
        ("SELECT key, value FROM records;", {"key", "value"}),
        ("SELECT {'n': a.b.c} AS value, TRY_CAST(d AS DATE) AS key FROM records", {"a", "d"}),
        ("SELECT unnest(string_split(a, ' ')) AS key, 1 AS value FROM records -- words", {"a"}),
    ],
)
def test_a_select_says_which_columns_it_reads(sql: str, names: set[str]) -> None:
    """The named columns are among those that it may read, in lower case; a star reads all."""
    found = parsed(sql)
    assert found.names is not None
    assert names <= found.names
    assert found.reads(("z", next(iter(names)).upper())) == [next(iter(names)).upper()]


def test_a_star_reads_all_columns() -> None:
    """`COLUMNS(*)` or `struct_pack(*)` may read any column, and so may a number or the table."""
    for read in ("[COLUMNS(*)]", "#2", "records", "hash(Records)"):
        found = parsed(f"SELECT 1 AS key, {read} AS value FROM records")
        assert found.reads(("a", "b")) == ["a", "b"]


def test_a_statement_without_a_column_reads_one() -> None:
    """The number of records comes from some column."""
    found = parsed("SELECT 'all' AS key, 1 AS value FROM records")
    assert found.reads(("a", "b")) == ["a"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT a FORM records", "syntax error at or near"),
        ("INSERT INTO records VALUES (1)", "is not a SELECT"),
        ("SELECT a AS key, 1 AS value FROM records; SELECT 2", "several statements"),
        ("SELECT 1 AS key, 2 AS value", "does not read the table records alone"),
        ("SELECT a AS key, b AS value FROM read_csv('x.csv')", "does not read the table records"),
        ("SELECT a AS key, 1 AS value FROM records, records r", "does not read the table records"),
        ("SELECT a AS key, 1 AS value FROM records UNION SELECT 1, 2", "more than one SELECT"),
        ("WITH x AS (SELECT 1) SELECT a AS key, 1 AS value FROM records", "more than one SELECT"),
        ("SELECT a AS key, (SELECT 1) AS value FROM records", "a SELECT within the SELECT"),
        ("SELECT a AS key, row_number() OVER () AS value FROM records", "the window function"),
        ("SELECT a AS key, sum(b) AS value FROM records", "the aggregate sum"),
        ("SELECT a AS key, sum(b) AS value FROM records GROUP BY a", "GROUP BY"),
        ("SELECT a AS key, 1 AS value FROM records GROUP BY ALL", "GROUP BY"),
        ("SELECT 1 AS key, 1 AS value FROM records GROUP BY ()", "GROUP BY"),
        ("SELECT 1 AS key, weighted_avg(a, b) AS value FROM records", "the aggregate sum"),
        ("SELECT 1 AS key, json_group_array(a) AS value FROM records", "the aggregate string_agg"),
        ("SELECT DISTINCT a AS key, 1 AS value FROM records", "ORDER BY, LIMIT or DISTINCT"),
        ("SELECT a AS key, 1 AS value FROM records LIMIT 3", "ORDER BY, LIMIT or DISTINCT"),
        ("SELECT a AS key, 1 AS value FROM records QUALIFY true", "QUALIFY"),
        ("SELECT a AS key, 1 AS value FROM records USING SAMPLE 3", "a sample"),
        ("SELECT a AS key, $1 AS value FROM records", "has a parameter"),
        ("SELECT a, b FROM records", "selects a, b, and not the two columns key and value"),
        ("SELECT a AS key FROM records", "selects key, and not"),
        ("SELECT * FROM records", "selects *, and not"),
    ],
)
def test_what_a_map_cannot_do_is_refused(sql: str, said: str) -> None:
    """The error names the job and the cause, and says what to write."""
    with pytest.raises(JobLoadError, match="`map_sql` of Sales") as failed:
        parsed(sql)
    assert said in str(failed.value)


def test_a_syntax_error_has_its_place() -> None:
    """The error shows where in the text it is."""
    with pytest.raises(JobLoadError, match=r"at character 15: 'SELECT a FORM x'; write \"SELECT"):
        parsed("SELECT a FORM x")
