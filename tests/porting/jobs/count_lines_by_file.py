"""mrjob's mr_count_lines_by_file: the name of the file of each record."""

from mapreduce import Count, Job


class CountLinesByFile(Job):
    reduce = Count()

    def map(self, offset, line):
        yield self.source, 1
