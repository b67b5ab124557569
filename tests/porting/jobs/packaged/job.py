"""A job that imports a module of its package."""

from mapreduce import Job, Sum

from .tokens import tokens


class Packaged(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in tokens(line):
            yield len(word), 1
