"""Run pages, and write the output of their commands into them: `python -m tests.docs docs/faq.md`.

An output block that holds `?` is filled. `? ledger reused` keeps the lines that begin with either
these words, and puts `...` in place of the others. Read the difference before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.carry_out import HOME, ROOT, run_page


def main(arguments: list[str]) -> None:
    """Fill the output blocks of each page."""
    for name in arguments:
        page = ROOT / name
        with tempfile.TemporaryDirectory() as folder:
            done = run_page(page, Path(folder))
            copy = str(Path(folder) / "mapreduce")
        lines = page.read_text(encoding="utf-8").split("\n")
        for each in reversed(done):
            block = each.block
            if each.exit_code != block.exit_code:
                sys.stderr.write(f"{name}:{block.line}: exit {each.exit_code}\n{each.output}\n")
            if block.output is None or not block.output.startswith("?"):
                continue
            printed = each.output.replace(copy, HOME).strip("\n").split("\n")
            kept = _kept([line.rstrip() for line in printed], block.output.split()[1:])
            end = block.output_line + len(block.output.split("\n"))
            lines[block.output_line : end] = kept
        page.write_text("\n".join(lines), encoding="utf-8")


def _kept(printed: list[str], words: list[str]) -> list[str]:
    if not words:
        return printed
    kept: list[str] = []
    for line in printed:
        if line.lstrip().startswith(tuple(words)):
            kept.append(line)
        elif kept[-1:] != ["..."]:
            kept.append("...")
    return kept


if __name__ == "__main__":
    main(sys.argv[1:])
