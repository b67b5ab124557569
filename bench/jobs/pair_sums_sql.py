"""Sum the values of each key of rows `key,value` by SQL."""

from mapreduce import Csv, Job, Sum


class PairSumsInSql(Job):
    """The sum of each key's values."""

    input_format = Csv(header=("key", "value"))
    reduce = Sum()
    map_sql = "SELECT key, CAST(value AS BIGINT) AS value FROM records"
