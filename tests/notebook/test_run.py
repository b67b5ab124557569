"""`run` in the cells of a notebook."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path

import psutil
import pytest

from tests.notebook.kernel import Kernel

IMPORTS = "import re, time\nfrom mapreduce import Job, Sum\nfrom driver import run"
JOB = r"""
WORD = re.compile(r"\w+")
STOP = {"is"}

def is_wanted(word):
    return word not in STOP

class WordCount(Job):
    min_length: int = 1
    reduce = Sum()

    def map(self, offset, line):
        for word in WORD.findall(line):
            if is_wanted(word) and len(word) >= self.min_length:
                self.count("words")
                yield (word, len(word)), 1
"""
SLOW = """
from pathlib import Path
HERE = Path.cwd()

class Slow(Job):
    reduce = Sum()

    def map(self, offset, line):
        (HERE / f"begun-{offset}").touch()
        time.sleep(0 if (HERE / "go").exists() else 60)
        yield line, 1
"""


def _answer(kernel: Kernel, code: str) -> object:
    shown = kernel.run(code)
    assert "" == shown.error
    return ast.literal_eval(shown.text)


@pytest.mark.parametrize("target", ["local", "inline"])
def test_a_class_of_a_cell_runs(kernel: Kernel, target: str) -> None:
    """A class of a cell runs with the imports, the function and the values that it uses."""
    kernel.run(IMPORTS)
    kernel.run(JOB)
    done = kernel.run(f"result = run(WordCount, 'roses.txt', target={target!r})\nresult")
    assert ("", "") == (done.error, done.stdout)
    assert "3 pairs" in done.text or "2 pairs" in done.text
    assert "<iframe" in done.result["text/html"]
    assert [(("a", 1), 3), (("rose", 4), 3)] == _answer(kernel, "list(result.pairs())")
    assert {"words": 6} == _answer(kernel, "dict(result.counters)")


def test_the_progress_is_one_line_that_changes(kernel: Kernel) -> None:
    """The progress is a display that is updated; neither stream gets any of it."""
    kernel.run(IMPORTS)
    kernel.run(JOB)
    done = kernel.run("result = run(WordCount, 'roses.txt', target='local')")
    lines = [each["text/plain"] for each in done.displays.values()]
    assert any("done in" in line for line in lines), lines
    assert done.updates > 0
    assert ("", "") == (done.stdout, done.stderr)
    quiet = kernel.run("result = run(WordCount, 'roses.txt', target='local', progress=False)")
    assert ({}, "", "") == (quiet.displays, quiet.stdout, quiet.stderr)


def test_the_newest_definition_counts(kernel: Kernel) -> None:
    """After a cell is run again, changed, the class and the function of the new text run."""
    kernel.run(IMPORTS)
    kernel.run(JOB)
    first = _answer(kernel, "run(WordCount, 'roses.txt', target='inline').to_dict()")
    kernel.run("def is_wanted(word):\n    return word == 'is'")
    second = _answer(kernel, "run(WordCount, 'roses.txt', target='inline').to_dict()")
    kernel.run(JOB.replace("len(word)), 1", "0), 1"))
    third = _answer(kernel, "run(WordCount, 'roses.txt', target='inline').to_dict()")
    assert {("a", 1): 3, ("rose", 4): 3} == first
    assert {("is", 2): 2} == second
    assert {("a", 0): 3, ("rose", 0): 3} == third


def test_the_same_cell_again_reuses_its_tasks(kernel: Kernel) -> None:
    """Equal definitions in other cells give equal tasks, which are reused."""
    kernel.run(IMPORTS)
    kernel.run(JOB)
    kernel.run("run(WordCount, 'roses.txt', target='local')")
    kernel.run("x = 1\n" + JOB)
    kernel.run("result = run(WordCount, 'roses.txt', target='local')")
    assert _answer(kernel, "result.document.reused_tasks == len(result.document.tasks)")


def test_an_error_is_short_and_names_the_cell(kernel: Kernel) -> None:
    """An error shows the author's frames with the cell and its line, and none of ours."""
    kernel.run(IMPORTS)
    kernel.run(
        "# a comment\nclass Fails(Job):\n    def map(self, offset, line):\n"
        "        yield line, 1 / (offset - 17)"
    )
    failed = kernel.run("run(Fails, 'roses.txt', target='local')")
    assert "StageFailed" == failed.error_name
    assert 'File "Cell In[2]", line 4, in map' in failed.error
    assert "ZeroDivisionError" in failed.error
    assert "record: 'is a rose'" in failed.error
    assert re.search(r"replay it: python -m driver replay \S+ map-0", failed.error)
    assert "calls.py" not in failed.error
    assert failed.error.count("\n") < 15
    assert "'is a rose'" == _answer(
        kernel,
        "try:\n    run(Fails, 'roses.txt', target='inline', progress=False)\n"
        "except Exception as exc:\n    kept = exc\nkept.failure.causes[0].record",
    )


def test_an_interrupt_ends_the_run(kernel: Kernel, tmp_path: Path) -> None:
    """An interrupt leaves no process; the run is recorded, and the same call goes on."""
    kernel.run(IMPORTS)
    kernel.run(SLOW)
    call = "run(Slow, 'roses.txt', target='local', chunks=2)"
    cell = kernel.begin(call)
    _wait_for(tmp_path, "begun-*")
    kernel.interrupt()
    ended = kernel.output_of(cell)
    assert "KeyboardInterrupt" == ended.error_name
    assert "the same call goes on" in ended.error
    _, alive = psutil.wait_procs(kernel.children(), timeout=5)
    assert alive == []
    states = kernel.run("!{__import__('sys').executable} -m driver runs --json")
    assert '"interrupted"' in states.stdout
    (tmp_path / "go").touch()
    again = kernel.run(f"{call}.to_dict()")
    assert {"a rose is a rose": 1, "is a rose": 1} == ast.literal_eval(again.text), again.error


def test_a_live_object_is_refused(kernel: Kernel) -> None:
    """A class that uses an open file of the notebook is refused, with the variable's name."""
    kernel.run(IMPORTS)
    kernel.run("log = open('log.txt', 'w')")
    kernel.run(
        "class Logs(Job):\n    def map(self, offset, line):\n        log.write(line)\n"
        "        yield line, 1"
    )
    refused = kernel.run("run(Logs, 'roses.txt', target='inline')")
    assert "JobLoadError" == refused.error_name
    assert "the variable `log`" in refused.error
    assert "map_setup" in refused.error


def test_the_caller_keeps_its_modules(kernel: Kernel, tmp_path: Path) -> None:
    """A module beside the notebook travels, and is the same object for the notebook afterwards."""
    (tmp_path / "helpers.py").write_text("SIGN = '!'\n")
    kernel.run(IMPORTS + "\nimport helpers, sys")
    kernel.run(
        "class Shout(Job):\n    def map(self, offset, line):\n        yield line + helpers.SIGN, 1"
    )
    kernel.run("path, before = list(sys.path), helpers")
    kernel.run("result = run(Shout, 'roses.txt', target='local')")
    assert {"a rose is a rose!": 1, "is a rose!": 1} == _answer(kernel, "result.to_dict()")
    assert _answer(kernel, "sys.path == path and sys.modules['helpers'] is before")


def test_the_result_converts_to_tables(kernel: Kernel) -> None:
    """The result becomes a table of Arrow, Polars and pandas with the columns key and value."""
    kernel.run(IMPORTS + "\nresult = run('word_count', 'roses.txt', target='local')")
    rows = [("a", 3), ("is", 2), ("rose", 3)]
    assert ["key", "value"] == _answer(kernel, "result.to_arrow().column_names")
    assert {"key": ["a", "is", "rose"], "value": [3, 2, 3]} == _answer(
        kernel, "result.to_arrow().to_pydict()"
    )
    assert rows == _answer(kernel, "result.to_polars().rows()")
    assert rows == _answer(kernel, "list(result.to_pandas().itertuples(index=False, name=None))")


def _wait_for(folder: Path, pattern: str) -> None:
    for _ in range(600):
        if any(folder.glob(pattern)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"there is no {pattern} in {folder}")
