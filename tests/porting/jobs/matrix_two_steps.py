"""The product of two sparse matrices in two steps: join by the shared index, then add up."""

from mapreduce import Chain, Csv, Job, Step, Sum


class Products(Job):
    input_format = {"a": Csv(), "b": Csv()}

    def map(self, offset, cell):
        row, column, value = int(cell["row"]), int(cell["column"]), int(cell["value"])
        if self.input == "a":
            yield column, ("a", row, value)
        else:
            yield row, ("b", column, value)

    def reduce(self, shared, cells):
        cells = list(cells)
        for _, row, left in (cell for cell in cells if cell[0] == "a"):
            for _, column, right in (cell for cell in cells if cell[0] == "b"):
                yield (row, column), left * right


class MatrixTwoSteps(Chain):
    def steps(self):
        return [Products(), Step(reduce=Sum())]
