"""The product of two sparse matrices in one step: each cell goes wherever it is needed."""

from mapreduce import Csv, Job


class MatrixOneStep(Job):
    height: int
    width: int
    input_format = {"a": Csv(), "b": Csv()}

    def map(self, offset, cell):
        row, column, value = int(cell["row"]), int(cell["column"]), int(cell["value"])
        if self.input == "a":
            for other in range(self.width):
                yield (row, other), ("a", column, value)
        else:
            for other in range(self.height):
                yield (other, column), ("b", row, value)

    def reduce(self, cell, factors):
        sides = {"a": {}, "b": {}}
        for side, at, value in factors:
            sides[side][at] = value
        shared = sides["a"].keys() & sides["b"].keys()
        if shared:
            yield cell, sum(sides["a"][at] * sides["b"][at] for at in shared)
