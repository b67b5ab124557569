"""mrjob's mr_grep: the lines that hold an expression, and no reduce."""

import re

from mapreduce import Job


class GrepLines(Job):
    expression: str

    def map_setup(self):
        self.pattern = re.compile(self.expression)

    def map(self, offset, line):
        if self.pattern.search(line):
            yield (self.source, offset), line
