"""JSON Lines in, a mean for each key out."""

from mapreduce import Job, JsonLines, Mean


class MeanAmount(Job):
    input_format = JsonLines()
    reduce = Mean()

    def map(self, offset, order):
        yield order["country"], order["amount"]
