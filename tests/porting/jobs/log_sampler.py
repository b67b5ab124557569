"""mrjob's mr_log_sampler: some lines by chance; another seed gives another sample."""

import hashlib
from itertools import islice

from mapreduce import Job


class LogSampler(Job):
    sample_size: int
    seed: int = 0
    group_by = 1

    def map(self, offset, line):
        text = f"{self.seed} {self.source} {offset}"
        yield ("sample", hashlib.sha256(text.encode()).digest()), line

    def reduce(self, key, lines):
        yield from enumerate(islice(lines, self.sample_size))
