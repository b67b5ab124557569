"""How many distinct words there are, nearly: a sketch of the package datasketches (HyperLogLog)."""

import re

from datasketches import hll_sketch, hll_union

from mapreduce import Job

WORD = re.compile(r"[\w']+")
BITS = 14


class DistinctWords(Job):
    requirements = ("datasketches",)

    def map_setup(self):
        self.sketch = hll_sketch(BITS)

    def map(self, offset, line):
        for word in WORD.findall(line):
            self.sketch.update(word.lower())

    def map_cleanup(self):
        yield "words", self.sketch.serialize_compact()

    def reduce(self, key, sketches):
        union = hll_union(BITS)
        for sketch in sketches:
            union.update(hll_sketch.deserialize(sketch))
        yield key, union.get_estimate()
