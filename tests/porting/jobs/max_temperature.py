"""Hadoop's secondary sort: the hottest station of each year, by a composite key."""

from mapreduce import Job


class MaxTemperature(Job):
    group_by = 1

    def map(self, offset, line):
        year, station, temperature = line.split()
        yield (int(year), -int(temperature), station), (int(temperature), station)

    def reduce(self, year, hottest):
        yield year, next(hottest)
