"""Run pages and write what their commands print into them: `python -m tests.docs docs/faq.md`.

An output block that holds `?` alone is filled, all others with `--all`. Read the difference before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.carry_out import HOME, ROOT, run_page


def main(arguments: list[str]) -> None:
    """Fill the output blocks of each page."""
    every = "--all" in arguments
    for name in [each for each in arguments if not each.startswith("--")]:
        page = ROOT / name
        with tempfile.TemporaryDirectory() as folder:
            done = run_page(page, Path(folder))
            copy = str(Path(folder) / "mapreduce")
        lines = page.read_text(encoding="utf-8").split("\n")
        for each in reversed(done):
            block = each.block
            if each.exit_code != block.exit_code:
                sys.stderr.write(f"{name}:{block.line}: exit {each.exit_code}\n{each.output}\n")
            if block.output is None or not (every or block.output.strip() == "?"):
                continue
            shown = [line.rstrip() for line in each.output.replace(copy, HOME).strip("\n").split("\n")]
            end = block.output_line + len(block.output.split("\n"))
            lines[block.output_line : end] = shown
        page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
