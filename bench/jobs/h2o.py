"""H2O.ai's ten questions of its group-by benchmark, each by `map_sql` and aggregations.

The rows are id1 to id6, of which the first three are texts, v1, v2 (whole numbers) and v3.
"""

from mapreduce import (
    Correlation,
    Count,
    Csv,
    Job,
    Max,
    Mean,
    Min,
    Quantile,
    StandardDeviation,
    Sum,
    TopK,
)


class Question1(Job):
    """The sum of v1 by id1."""

    input_format = Csv()
    map_sql = "SELECT id1 AS key, CAST(v1 AS BIGINT) AS value FROM records"
    reduce = Sum()


class Question2(Job):
    """The sum of v1 by id1 and id2."""

    input_format = Csv()
    map_sql = "SELECT row(id1, id2) AS key, CAST(v1 AS BIGINT) AS value FROM records"
    reduce = Sum()


class Question3(Job):
    """The sum of v1 and the mean of v3 by id3."""

    input_format = Csv()
    map_sql = """
        SELECT id3 AS key, {'v1': CAST(v1 AS BIGINT), 'v3': CAST(v3 AS DOUBLE)} AS value
        FROM records
    """
    reduce = {"v1": Sum(), "v3": Mean()}


class Question4(Job):
    """The means of v1, v2 and v3 by id4."""

    input_format = Csv()
    map_sql = """
        SELECT CAST(id4 AS BIGINT) AS key,
               {'v1': CAST(v1 AS BIGINT), 'v2': CAST(v2 AS BIGINT),
                'v3': CAST(v3 AS DOUBLE)} AS value
        FROM records
    """
    reduce = {"v1": Mean(), "v2": Mean(), "v3": Mean()}


class Question5(Job):
    """The sums of v1, v2 and v3 by id6."""

    input_format = Csv()
    map_sql = """
        SELECT CAST(id6 AS BIGINT) AS key,
               {'v1': CAST(v1 AS BIGINT), 'v2': CAST(v2 AS BIGINT),
                'v3': CAST(v3 AS DOUBLE)} AS value
        FROM records
    """
    reduce = {"v1": Sum(), "v2": Sum(), "v3": Sum()}


class Question6(Job):
    """The median and the standard deviation of v3 by id4 and id5."""

    input_format = Csv()
    map_sql = """
        SELECT row(CAST(id4 AS BIGINT), CAST(id5 AS BIGINT)) AS key, CAST(v3 AS DOUBLE) AS value
        FROM records
    """
    reduce = {"median": Quantile(0.5), "deviation": StandardDeviation(sample=True)}


class Question7(Job):
    """The greatest v1 and the least v2 by id3, whose difference is the range."""

    input_format = Csv()
    map_sql = """
        SELECT id3 AS key, {'v1': CAST(v1 AS BIGINT), 'v2': CAST(v2 AS BIGINT)} AS value
        FROM records
    """
    reduce = {"v1": Max(), "v2": Min()}


class Question8(Job):
    """The two greatest v3 by id6."""

    input_format = Csv()
    map_sql = "SELECT CAST(id6 AS BIGINT) AS key, CAST(v3 AS DOUBLE) AS value FROM records"
    reduce = TopK(2)


class Question9(Job):
    """The correlation of v1 and v2 by id2 and id4, whose square is R2 of a regression."""

    input_format = Csv()
    map_sql = """
        SELECT row(id2, CAST(id4 AS BIGINT)) AS key,
               row(CAST(v1 AS BIGINT), CAST(v2 AS BIGINT)) AS value
        FROM records
    """
    reduce = Correlation()


class Question10(Job):
    """The sum of v3 and the number of rows by all of id1 to id6."""

    input_format = Csv()
    map_sql = """
        SELECT row(id1, id2, id3, CAST(id4 AS BIGINT), CAST(id5 AS BIGINT), CAST(id6 AS BIGINT))
                   AS key,
               CAST(v3 AS DOUBLE) AS value
        FROM records
    """
    reduce = {"v3": Sum(), "rows": Count()}
