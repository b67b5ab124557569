"""The tables of the porting pages agree with the messages that refuse names of other frameworks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mapreduce import Job
from mapreduce.errors import JobLoadError
from mapreduce.user_code.class_check import check_job
from mapreduce.user_code.class_names import FOREIGN

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
# not the page on Hadoop Streaming: its names are options of a command, and not those of a class
PAGES = [HOW_TO / f"port-from-{name}.md" for name in ("mrjob", "hadoop", "pyspark")]
CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(r"[A-Za-z_]\w+")
EMPTY_WORDS = {"self", "key", "value", "values", "name", "run", "python"}


def _rows() -> list[tuple[str, str, str]]:
    """Return a foreign name, the cell that translates it, and its page, for each row."""
    found = []
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("| ") and not line.startswith("|--"):
                theirs, ours = line.strip("| ").split(" | ", 1)
                names = {name for code in CODE.findall(theirs) for name in NAME.findall(code)}
                found += [(name, ours, page.stem) for name in sorted(names & FOREIGN.keys())]
    return found


def _words(text: str) -> set[str]:
    codes = CODE.findall(text) or [text]
    return {name for code in codes for name in NAME.findall(code)} - EMPTY_WORDS


@pytest.mark.parametrize(("name", "ours", "page"), _rows(), ids=lambda each: str(each)[:30])
def test_a_name_of_the_table_is_refused_with_the_word_of_its_row(
    name: str, ours: str, page: str
) -> None:
    """A class with the name of the left column is refused, and the message has our word."""
    body: dict[str, Any] = {
        "__module__": "ported",
        "map": lambda self, key, value: [],
        name: lambda self, key, values: [],
    }
    with pytest.raises(JobLoadError) as refused:
        check_job(type("Ported", (Job,), body))
    assert f"Ported has `{name}`" in str(refused.value)
    assert _words(FOREIGN[name]) & _words(ours), f"{page}: {name}: {FOREIGN[name]!r}, {ours!r}"


def test_the_tables_hold_names_of_all_frameworks() -> None:
    """The rows are found: each page has names that are refused."""
    pages = {page for _, _, page in _rows()}
    assert pages == {page.stem for page in PAGES}
