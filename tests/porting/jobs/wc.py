"""mrjob's mr_wc: sums that a map task keeps, and yields when it ends."""

from mapreduce import Job, Sum


class Wc(Job):
    reduce = Sum()

    def map_setup(self):
        self.chars = self.words = self.lines = 0

    def map(self, offset, line):
        self.chars += len(line) + 1
        self.words += len(line.split())
        self.lines += 1

    def map_cleanup(self):
        yield "chars", self.chars
        yield "words", self.words
        yield "lines", self.lines
