"""Hadoop's secondary sort: the hottest station of each year, by a composite key."""

from mapreduce import Descending, Job


class MaxTemperature(Job):
    group_by = 1

    def map(self, offset, line):
        year, station, temperature = line.split()
        yield (int(year), Descending(int(temperature)), station), station

    def reduce(self, year, hottest):
        station = next(hottest)
        yield year, (self.key[1].value, station)
