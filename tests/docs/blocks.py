"""Find the code blocks of a Markdown page, and how to run them.

A block is fenced with three backticks. Its first line and the line before say how a test treats
it:

    ```bash                      a command block: it runs
    ```text  after it            what the commands print, in order; `...` stands for anything
    ```python                    a program: it runs
    ```python title="job.py"     a file: it is written, and imported
    ```csv title="users.csv"     a file: it is written
    <!-- not run: WHY -->        the block after it does not run
    <!-- exit code 1 -->         the last command of the block after it ends with this code
    <!-- hidden: COMMAND -->     a command that runs here, and that a reader does not see
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
TITLE = re.compile(r'title="([^"]+)"')
COMMENT = re.compile(r"^<!-- (?P<word>not run|exit code|hidden):? ?(?P<rest>.*?) -->$")
RUNS = ("bash", "python")


@dataclass
class Block:
    """One block of a page.

    Attributes:
        line: the line of its fence, from 1.
        language: the first word behind the fence.
        title: the name of its file, or "".
        text: its content.
        not_run: why no test runs it, or "".
        exit_code: the last command's exit code.
        output: the output that the page shows, or None.
        output_line: the line of the output's fence.
    """

    line: int
    language: str
    title: str
    text: str
    not_run: str = ""
    exit_code: int = 0
    output: str | None = None
    output_line: int = 0


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page in order; an output is part of the block that it belongs to."""
    last: Block | None = None
    for block in _fenced(text):
        if last is not None and _is_output(block, last):
            last.output, last.output_line = block.text, block.line
            yield last
            last = None
            continue
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last


def _is_output(block: Block, last: Block) -> bool:
    return block.language == "text" and not block.title and last.language in RUNS


def _fenced(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    number = 0
    said: dict[str, str] = {}
    while number < len(lines):
        line = lines[number]
        number += 1
        comment = COMMENT.match(line)
        if comment and comment["word"] == "hidden":
            yield Block(number, "bash", "", comment["rest"])
        elif comment:
            said[comment["word"]] = comment["rest"]
        elif fence := FENCE.match(line):
            start, indent = number, fence["indent"]
            while lines[number].strip() != "```":
                number += 1
            body = [each.removeprefix(indent) for each in lines[start:number]]
            number += 1
            info = fence["info"].strip()
            title = TITLE.search(info)
            yield Block(
                start,
                info.split(" ")[0],
                title[1] if title else "",
                "\n".join(body),
                said.get("not run", ""),
                int(said.get("exit code", "0")),
            )
            said = {}
        elif line.strip():
            said = {}


def pages(root: Path) -> list[Path]:
    """Return every page that a reader follows; not the decisions, nor the page of `make bench`."""
    found = [root / "README.md", root / "CONTRIBUTING.md", root / "terraform" / "README.md"]
    found += sorted((root / "docs").rglob("*.md"))
    left_out = ("docs/decisions/", "docs/benchmarks.md", "docs/reference/command-line.md")
    return [page for page in found if not page.relative_to(root).as_posix().startswith(left_out)]
