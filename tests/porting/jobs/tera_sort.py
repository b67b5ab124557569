"""Hadoop's TeraSort: all records in the order of their keys, over several parts."""

from mapreduce import Job


class TeraSort(Job):
    total_order = True

    def map(self, offset, line):
        yield line[:10], line[10:]

    def reduce(self, key, payloads):
        for payload in payloads:
            yield key, payload
