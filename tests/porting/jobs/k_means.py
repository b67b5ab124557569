"""k-means with numpy: each step moves the centres, until they move no more."""

import numpy

from mapreduce import Chain, Csv, Job, Step


class Move(Job):
    requirements = ("numpy",)
    input_format = Csv(header=False)
    centres: list[list[float]]

    def map_setup(self):
        self.points = numpy.array(self.centres)

    def map(self, offset, row):
        point = numpy.array(row, dtype=float)
        nearest = numpy.argmin(((self.points - point) ** 2).sum(axis=1))
        yield nearest, point

    def reduce(self, nearest, points):
        yield nearest, numpy.mean(list(points), axis=0)


class KMeans(Chain):
    requirements = ("numpy",)
    rounds: int = 5
    centres: list[list[float]]

    def steps(self):
        centres = self.centres
        for _ in range(self.rounds):
            moved = yield Step(Move(centres=centres), reads="given")
            centres = [list(centre) for _, centre in sorted(moved.pairs())]
