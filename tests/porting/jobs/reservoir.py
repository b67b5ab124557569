"""A sample of the lines of each file; a combiner keeps it small."""

import heapq
import zlib
from pathlib import PurePath

from mapreduce import Job


class Reservoir(Job):
    size: int = 5

    def map(self, offset, line):
        yield PurePath(self.source).name, (zlib.crc32(f"{offset} {line}".encode()), offset, line)

    def combine(self, name, ranked):
        for each in heapq.nsmallest(self.size, ranked):
            yield name, each

    def reduce(self, name, ranked):
        yield name, [line for _, _, line in heapq.nsmallest(self.size, ranked)]
