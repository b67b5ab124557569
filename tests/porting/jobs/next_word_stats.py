"""mrjob's mr_next_word_stats: which words follow a word, and how often (secondary sort)."""

import re
from itertools import pairwise

from mapreduce import Chain, Job, Sum

WORD = re.compile(r"[\w']+")


class Pairs(Job):
    reduce = Sum()

    def map(self, offset, line):
        words = [word.lower() for word in WORD.findall(line)]
        for first, second in pairwise(words):
            yield (first, ""), 1
            yield (first, second), 1


class Stats(Job):
    """The total of a word, whose second word is empty, sorts before those that follow it."""

    group_by = 1

    def map(self, pair, count):
        yield pair, (pair[1], count)

    def reduce(self, first, counts):
        _, total = next(counts)
        for second, count in counts:
            yield (first, second), (total, count, 100.0 * count / total)


class NextWordStats(Chain):
    def steps(self):
        return [Pairs(), Stats()]
