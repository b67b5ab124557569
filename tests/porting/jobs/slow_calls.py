"""Slow calls, many at once: a pool of threads for each map task."""

import time
from concurrent.futures import ThreadPoolExecutor

from mapreduce import Job, Sum


def look_up(word):
    """Return what a slow service would: the length of a word."""
    time.sleep(0.01)
    return word, len(word)


class SlowCalls(Job):
    reduce = Sum()

    def map_setup(self):
        self.pool = ThreadPoolExecutor(8)
        self.calls = []

    def map(self, offset, line):
        self.calls += [self.pool.submit(look_up, word) for word in line.split()[:1]]

    def map_cleanup(self):
        for call in self.calls:
            yield call.result()
        self.pool.shutdown()
