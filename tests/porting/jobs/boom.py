"""mrjob's mr_boom: a job that fails before its first record."""

from mapreduce import Job


class Boom(Job):
    def map_setup(self):
        raise Exception("BOOM")

    def map(self, offset, line):
        yield line, 1
