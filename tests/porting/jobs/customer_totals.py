"""Spark's groupBy(customer).agg(count, sum, min, max).orderBy(sum, descending)."""

from mapreduce import Chain, Count, Csv, Descending, Job, Max, Min, Sum


class Totals(Job):
    input_format = Csv()
    reduce = {"n": Count(), "total": Sum(), "least": Min(), "greatest": Max()}

    def map(self, offset, row):
        yield row["customer"], int(row["amount"])


class Ranked(Job):
    total_order = True
    keep_order = True
    columns = ("customer", "n", "total", "least", "greatest")

    def map(self, customer, found):
        yield (Descending(found["total"]), customer), found

    def reduce(self, rank, found):
        for each in found:
            yield rank[1], each


class CustomerTotals(Chain):
    def steps(self):
        return [Totals(), Ranked()]
