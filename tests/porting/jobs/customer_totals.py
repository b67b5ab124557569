"""Spark's groupBy(customer).agg(count, sum, min, max).orderBy(sum, descending)."""

from mapreduce import Chain, Csv, Job


class Totals(Job):
    input_format = Csv()

    def map(self, offset, row):
        amount = int(row["amount"])
        yield row["customer"], (1, amount, amount, amount)

    def combine(self, customer, parts):
        yield customer, merged(parts)

    def reduce(self, customer, parts):
        yield customer, merged(parts)


def merged(parts):
    """Return count, sum, least and greatest of several parts."""
    counts, sums, least, greatest = zip(*parts, strict=True)
    return sum(counts), sum(sums), min(least), max(greatest)


class Ranked(Job):
    total_order = True

    def map(self, customer, totals):
        yield (-totals[1], customer), totals

    def reduce(self, rank, totals):
        for each in totals:
            yield rank, each


class CustomerTotals(Chain):
    def steps(self):
        return [Totals(), Ranked()]
