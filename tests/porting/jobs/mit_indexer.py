"""MIT 6.5840's indexer: how many files hold a word, and which."""

import re
from pathlib import PurePath

from mapreduce import Job

WORD = re.compile(r"[^\W\d_]+")


class Indexer(Job):
    def map(self, offset, line):
        for word in WORD.findall(line):
            yield word, PurePath(self.source).name

    def combine(self, word, names):
        for name in set(names):
            yield word, name

    def reduce(self, word, names):
        distinct = sorted(set(names))
        yield word, f"{len(distinct)} {','.join(distinct)}"
