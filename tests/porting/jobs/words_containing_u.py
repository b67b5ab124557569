"""mrjob's mr_words_containing_u_freq_count: what its mapper_pre_filter does is in the pattern."""

import re

from mapreduce import Job, Sum

WORD = re.compile(r"[\w']*u[\w']*", re.I)


class WordsContainingU(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in WORD.findall(line):
            yield word.lower(), 1
