"""A class of a notebook becomes a module with all that it uses, or is refused by name."""

from __future__ import annotations

import pytest

from mapreduce.errors import JobLoadError
from tests.unit.driver.api.live.notebook import Notebook, rows

YIELDS = "class Mine(Job):\n    def map(self, key, value):\n        yield {}, 1"


@pytest.mark.parametrize(
    ("cells", "used", "expected"),
    [
        (["import math"], "math.floor(2.5)", 2),
        (["import xml.etree.ElementTree as tree"], "tree.Element(value).tag", "a"),
        (["import xml.etree.ElementTree"], "xml.etree.ElementTree.Element(value).tag", "a"),
        (["from math import floor as low"], "low(2.5)", 2),
        (["N = 3"], "N", 3),
        (["import re\nWORD = re.compile('b|a', re.I)"], "WORD.findall('xAB')", ["A", "B"]),
        (["def twice(x): return x * 2"], "twice(value)", "aa"),
        (["def one(x): return two(x)\ndef two(x): return x + '!'"], "one(value)", "a!"),
        (["low = lambda text: text.lower()"], "low('A')", "a"),
        (["def f(x): return x\ng = f"], "g(value)", "a"),
        (["from functools import lru_cache\n@lru_cache\ndef f(x): return x"], "f(value)", "a"),
        (["class Word(str):\n    def up(self): return self.upper()"], "Word(value).up()", "A"),
        (["def f(x): return x\nTABLE = {'f': f}"], "TABLE['f'](value)", "a"),
        (["import enum\nclass Kind(enum.Enum):\n    A = 1", "K = Kind.A"], "K.name", "A"),
        (["def f(x, by=len): return by(x)"], "f(value)", 1),
        (["sum = max"], "sum([1, 3])", 3),
        (["N = 1\ndef f():\n    def g(): return N\n    return g()"], "f()", 1),
        (["N = 2"], "[N * x for x in range(2)]", [0, 2]),
        (["if True:\n    def f():\n        return 7"], "f()", 7),
    ],
)
def test_what_the_class_uses_comes_with_it(
    notebook: Notebook, cells: list[str], used: str, expected: object
) -> None:
    """Imports, values, functions and classes that a job names run in the gathered module."""
    for each in cells:
        notebook.cell(each)
    notebook.cell(YIELDS.format(used))
    assert [(expected, 1)] == rows(notebook.loaded(), "a")


def test_bases_and_steps_come_with_it(notebook: Notebook) -> None:
    """A base class precedes the class that inherits from it; a chain brings its steps."""
    notebook.cell("class Last(Job):\n    reduce = Sum()\n    def map(self, k, v): yield Mine, v")
    notebook.cell("class Base(Chain):\n    def steps(self): return [Last()]")
    notebook.cell("class Mine(Base):\n    low: int = 3")
    loaded = notebook.loaded()
    assert 3 == loaded().low
    assert "Last" == type(loaded().steps()[0]).__name__


def test_classes_that_name_each_other_are_gathered(notebook: Notebook) -> None:
    """A base whose method names its subclass still comes first."""
    notebook.cell("class Base(Job):\n    def map(self, k, v): yield Mine.__name__, 1")
    notebook.cell("class Mine(Base):\n    pass")
    assert [("Mine", 1)] == rows(notebook.loaded(), "")
    notebook.cell("class Base2(Job):\n    def map(self, k, v): yield Sub.__name__, 1")
    notebook.cell("class Sub(Base2):\n    pass")
    assert [("Sub", 1)] == rows(notebook.loaded("Base2"), "")


def test_a_decorator_has_what_it_calls(notebook: Notebook) -> None:
    """What a decorator uses precedes the class that it decorates."""
    notebook.cell("def mark(cls):\n    cls.sign = sign()\n    return cls\ndef sign(): return '!'")
    notebook.cell("@mark\nclass Mine(Job):\n    def map(self, k, v): yield self.sign, 1")
    assert [("!", 1)] == rows(notebook.loaded(), "")


def test_the_newest_definition_counts(notebook: Notebook) -> None:
    """A function of a cell that ran again is the one that travels."""
    notebook.cell("def f(): return 1")
    notebook.cell(YIELDS.format("f()"))
    notebook.cell("def f(): return 2")
    assert [(2, 1)] == rows(notebook.loaded(), "")


def test_equal_definitions_give_equal_texts(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order and the number of cells change nothing in the module."""
    cells = ["N = 1", "WORDS = {'b', 'a', 'c'}", "def f(): return N", YIELDS.format("f(), WORDS")]
    other = Notebook(monkeypatch)
    other.cell("from mapreduce import Job")
    for each in cells:
        notebook.cell(each)
    for each in reversed(cells):
        other.cell(f"\n\n{each}\nunused = 7")
    assert other.gathered().text == notebook.gathered().text


def test_lines_have_their_cells(notebook: Notebook) -> None:
    """Each line of a definition leads to its cell and its line there."""
    notebook.cell("# first\ndef f():\n    return 1")
    notebook.cell("\n\n\n" + YIELDS.format("f()"))
    found = notebook.gathered()
    lines = found.text.split("\n")
    places = {
        lines[number - 1].strip(): (each.file, each.line + number - each.first)
        for each in found.origins
        for number in range(each.first, each.last + 1)
    }
    assert ("Cell In[2]", 3) == places["return 1"]
    assert ("Cell In[3]", 6) == places["yield f(), 1"]


def test_annotations_stay_texts(notebook: Notebook) -> None:
    """A cell with the future import of annotations keeps its meaning."""
    notebook.cell(
        "from __future__ import annotations\n"
        "class Mine(Job):\n    def map(self, key: Nowhere, value):\n        yield 1, 1"
    )
    assert [(1, 1)] == rows(notebook.loaded(), "")


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("import io\nused = io.StringIO()", "`used`, which is a _io.StringIO"),
        ("used = [1, object()]", "`used`, which is a list with a object"),
        ("used = object()", "`used`, which is a object"),
        ("used = []\nused.append(used)", "`used`"),
        ("used = 'x' * 2_000_000", "`used`, which is"),
        ("used = list(range(400_000))", "`used`, which is"),
        ("def make():\n    def inner(): return 1\n    return inner\nused = make()", "used"),
        ("def make():\n    def used(): return 1\n    return used\nused = make()", "used"),
        ("import types\nused = types.ModuleType('made')", "module used"),
        ("exec('def used(): return 1')", "function used"),
    ],
)
def test_what_cannot_travel_is_refused(notebook: Notebook, cell: str, named: str) -> None:
    """A live object, a value that is too large, and code without a source are refused by name."""
    notebook.cell(cell)
    notebook.cell(YIELDS.format("used"))
    with pytest.raises(JobLoadError, match=named.replace("(", r"\(")):
        notebook.gathered()


def test_a_class_within_a_function_is_refused(notebook: Notebook) -> None:
    """A worker cannot find a class within a function."""
    notebook.cell("def make():\n    class Inner(Job): pass\n    return Inner\nMine = make()")
    with pytest.raises(JobLoadError, match="within a function"):
        notebook.gathered()


def test_a_class_without_a_function_is_found(notebook: Notebook) -> None:
    """A class whose body has no function is looked for in the newest cells first."""
    notebook.cell("class Base(Job):\n    def map(self, k, v): yield self.low, 1")
    notebook.cell("class Mine(Base):\n    low: int = 1")
    notebook.cell("class Mine(Base):\n    low: int = 2")
    assert [(2, 1)] == rows(notebook.loaded(), "")


def test_builtins_of_ipython_are_left_out(notebook: Notebook) -> None:
    """IPython's own `open` stands for Python's, which a worker has."""

    def fake() -> None: ...

    fake.__module__ = "IPython.core.interactiveshell"
    notebook.names["open"] = fake
    notebook.cell(YIELDS.format("open.__name__"))
    assert [("open", 1)] == rows(notebook.loaded(), "")
