"""mrjob's mr_most_used_word: two steps, and a file that travels with the job."""

import re

from mapreduce import Chain, Job, Sum

WORD = re.compile(r"[\w']+")


class Counted(Job):
    files = ("stop_words.txt", "few_stop_words.txt")
    stop_words: str = "stop_words.txt"
    reduce = Sum()

    def map_setup(self):
        self.stop = set(self.path(self.stop_words).read_text().split())

    def map(self, offset, line):
        for word in WORD.findall(line):
            if word.lower() not in self.stop:
                yield word.lower(), 1


class Most(Job):
    def map(self, word, count):
        yield None, (count, word)

    def combine(self, _, pairs):
        yield None, max(pairs)

    def reduce(self, _, pairs):
        count, word = max(pairs)
        yield count, word


class MostUsedWord(Chain):
    stop_words: str = "stop_words.txt"

    def steps(self):
        return [Counted(), Most()]
