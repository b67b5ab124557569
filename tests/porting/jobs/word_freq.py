"""mrjob's mr_word_freq_count: how often each word occurs."""

import re

from mapreduce import Job, Sum

WORD = re.compile(r"[\w']+")


class WordFreq(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in WORD.findall(line):
            yield word.lower(), 1
