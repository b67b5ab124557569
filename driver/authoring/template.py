"""The job that `new` writes, and its test."""

from __future__ import annotations

import re
from pathlib import Path

from mapreduce.errors import UsageError

_JOB = '''"""What {name} counts: say it in a line."""

from mapreduce import Job, Sum, words


class {name}(Job):
    """How often each word of at least `min_length` letters occurs."""

    min_length: int = 1  # a parameter: --param min_length=3
    reduce = Sum()  # or a method: def reduce(self, key, values): yield key, ...

    def map(self, offset, line):
        """Yields (key, value) pairs for one line; its byte offset in the file comes with it."""
        for word in words(line):
            if len(word) >= self.min_length:
                yield word, 1
            else:
                self.count("too short")  # a counter: the run's report shows its sum
'''

_TEST = '''"""{name}, against what a person can count."""

from {module} import {name}

from mapreduce.testing import run


def test_counts_words():
    """Wherever the input is split, the answer is the same."""
    for splits in (1, 2, 5):
        answer = run({name}(), ["a rose is a rose", "is a rose"], splits=splits)
        assert dict(answer.pairs) == {{"a": 3, "rose": 3, "is": 2}}


def test_leaves_out_what_is_short():
    """The counter says how many words that were."""
    answer = run({name}(min_length=2), ["a rose"])
    assert dict(answer.pairs) == {{"rose": 1}}
    assert answer.counters == {{"too short": 1}}
'''


def write_job(path: Path) -> list[Path]:
    """Write a job and its test; return both files.

    Raises:
        UsageError: the name is not a module's, or a file exists already.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"{path}: a job is a Python module; name it like my_job.py")
    test = path.with_name(f"test_{path.name}")
    name = "".join(part.capitalize() for part in re.split("_+", path.stem))
    for target in (path, test):
        if target.exists():
            raise UsageError(f"{target} exists already; nothing was written, name another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_JOB.format(name=name), encoding="utf-8")
    test.write_text(_TEST.format(name=name, module=path.stem), encoding="utf-8")
    return [path, test]
