"""Writes docs/command-line.md from the commands themselves: `python -m docs.generate`; a test keeps
it true.
"""

from __future__ import annotations

import re
from pathlib import Path

from driver.cli.app import app

PAGE = Path(__file__).resolve().parent / "command-line.md"
HEAD = "<!-- Written by `make docs`; change the commands, not this page. -->\n\n"


def page() -> str:
    """The page as it should be."""
    text = app.generate_docs(output_format="markdown")
    text = re.sub(
        r"^## Table of Contents\n.*?(?=^\*\*Commands)", "", text, flags=re.MULTILINE | re.DOTALL
    )
    usage = r"^(python -m driver|driver) ((stack )?[a-z-]+)( -m \S+)?"
    text = re.sub(usage, r"python -m driver \2", text, flags=re.MULTILINE)
    return HEAD + "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
