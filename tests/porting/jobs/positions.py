"""An inverted index with positions: for each word its places in each file."""

import re
from pathlib import PurePath

from mapreduce import Job

WORD = re.compile(r"[\w']+")


class Positions(Job):
    def map(self, offset, line):
        for number, word in enumerate(WORD.findall(line)):
            yield word.lower(), (PurePath(self.source).name, offset, number)

    def reduce(self, word, places):
        found = {}
        for name, offset, number in sorted(places):
            found.setdefault(name, []).append((offset, number))
        yield word, found
