"""A class that was changed after its definition is refused: its source says something else."""

from __future__ import annotations

import pytest

from mapreduce.errors import JobLoadError
from tests.unit.driver.api.live.notebook import Notebook

CELL = """
class Mine(Job):
    low: int = 1
    input_format = Csv(delimiter=";")
    reduce = Sum()
    _cache = [1, 2]

    def map(self, key, value):
        yield value, 1

    @staticmethod
    def split(text):
        return text
"""


@pytest.mark.parametrize(
    "change",
    [
        "Mine.low = 2",
        "Mine.low = True",
        "Mine.added = 1",
        "Mine.map = lambda self, key, value: []",
        "Mine.input_format = Csv()",
        "Mine.reduce = None",
        "Mine._cache.append(3)",
        "Mine.split = staticmethod(lambda text: [])",
    ],
)
def test_a_change_is_refused(notebook: Notebook, change: str) -> None:
    """An attribute that is set after the class's definition does not travel, and is named."""
    notebook.cell(CELL)
    notebook.gathered()
    notebook.cell(change)
    with pytest.raises(JobLoadError, match=change.replace(".", " = ").split(" = ")[1]):
        notebook.gathered()


def test_what_is_computed_is_accepted(notebook: Notebook) -> None:
    """A value that the body computes, and what a decorator adds, are as written."""
    notebook.cell("def plus(cls):\n    cls.more = 1\n    return cls")
    notebook.cell(f"@plus{CELL}")
    notebook.gathered()
    notebook.cell(CELL + "    n = 1 + len('x')\n    for i in range(2): pass\n")
    notebook.gathered()


@pytest.mark.parametrize(
    "text",
    [
        'input_format = Csv(encoding="latin-1")',
        'input_format = Csv(header=["a", "b"])',
        "reduce = Quantile(0.95)",
        "reduce = Quantile(quantile=0.95)",
    ],
)
def test_an_option_that_is_held_in_another_form_is_as_written(
    notebook: Notebook, text: str
) -> None:
    """The name of an encoding, a list and a number may be kept as another object."""
    notebook.cell("from mapreduce import Quantile")
    notebook.cell(CELL.replace('input_format = Csv(delimiter=";")', text))
    notebook.gathered()
