"""TF-IDF in three steps; the number of documents goes from the second to the third."""

import math
import re
from pathlib import PurePath

from mapreduce import Chain, Job, Sum

WORD = re.compile(r"[\w']+")


class Terms(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in WORD.findall(line):
            yield (PurePath(self.source).name, word.lower()), 1


class Lengths(Job):
    def map(self, term, count):
        name, word = term
        yield name, (word, count)

    def reduce(self, name, counts):
        counts = list(counts)
        length = sum(count for _, count in counts)
        self.count("documents")
        for word, count in counts:
            yield (word, name), count / length


class Scores(Job):
    documents: int = 1

    def map(self, term, frequency):
        word, name = term
        yield word, (name, frequency)

    def reduce(self, word, frequencies):
        frequencies = list(frequencies)
        rarity = math.log(self.documents / len(frequencies))
        for name, frequency in frequencies:
            yield (word, name), frequency * rarity


class TfIdf(Chain):
    def steps(self):
        yield Terms()
        lengths = yield Lengths()
        yield Scores(documents=lengths.counters["documents"])
