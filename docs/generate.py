"""Write the pages that follow from the code: `python -m docs.generate`; a test keeps them true."""

from __future__ import annotations

import inspect
import re
from collections import ChainMap
from collections.abc import Callable, Iterator
from pathlib import Path

import mapreduce
from docs import documents, packages, tour
from driver import api as api_of_driver
from driver.cli.app import app, complete_help
from driver.cli.documents import DOCUMENTS

DOCS = Path(__file__).resolve().parent
HEAD = "<!-- Written by `make docs`; change {what}, not this page. -->\n\n"
USAGE = r"^(python -m driver|driver) ((stack )?[a-z-]+)( -m driver (stack )?[a-z-]+)?"
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
OF_THE_ENGINE = {
    "Job": {
        *("aggregation", "combines", "maps_batches", "maps_columns", "sql_of", "map_only"),
        *("passes_on", "check", "formats"),
    },
    "Chain": {"check"},
}
"""Names without an underscore that an author neither writes nor calls."""


def command_line() -> str:
    """Return the page of the commands, from the commands."""
    complete_help()
    text = app.generate_docs(output_format="markdown")
    contents = r"^## Table of Contents\n.*?(?=^\*\*)"
    text = re.sub(contents, "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(USAGE, r"python -m driver \2", text, flags=re.MULTILINE)
    for command in DOCUMENTS:
        text = _with_link(text, command)
    body = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    return HEAD.format(what="the commands") + body + "\n"


def _with_link(text: str, command: str) -> str:
    """Return the page with a link from a command's --fields to the fields of its document."""
    at = text.index(f"# driver {command}\n")
    link = f" [The fields](json.md#{command.replace(' ', '-')})."
    end = text.find("\n## ", at) if "\n## " in text[at:] else len(text)
    section = re.sub(r"(?m)^(\* `--fields STR`:.*)$", rf"\1{link}", text[at:end], count=1)
    return text[:at] + section + text[end:]


def json_documents() -> str:
    """Return the page of the JSON documents, from their classes."""
    return HEAD.format(what="the classes of the documents") + documents.page()


def api() -> str:
    """Return the page of the names that `mapreduce` exports, from their docstrings."""
    parts = [
        HEAD.format(what="the docstrings") + "# Python API",
        "These are the names that `mapreduce` exports, `from mapreduce import Job, Sum`, "
        "and those for\n[a program that runs a job](#from-a-program). "
        "[Jobs](jobs.md) explains how they work together;\n"
        "[Test and check a job](../how-to/test-and-check.md) has `mapreduce.testing.run`.",
    ]
    for name in sorted(mapreduce.__all__, key=lambda each: (each != "Job", each.lower())):
        thing = getattr(mapreduce, name)
        parts.append(f"## {name}\n\n{_signature(name, thing)}{_documented(thing)}")
        if inspect.isclass(thing):
            parts += _members(name, thing)
    parts.append(
        "# From a program\n\n`from driver import run, Result`: "
        "[Run a job from Python](../how-to/use-from-python.md) shows how they are used."
    )
    parts.append(f"## run\n\n{_documented(api_of_driver.run)}")
    parts.append(f"## Result\n\n{_documented(api_of_driver.Result)}")
    parts += _members("Result", api_of_driver.Result)
    return "\n\n".join(parts) + "\n"


def _signature(name: str, thing: object) -> str:
    if not callable(thing) or name in ("Job", "Chain"):
        return ""
    if rebuild := getattr(thing, "model_rebuild", None):
        rebuild()  # a model that is built late shows no fields before its first use
    try:
        shown = str(inspect.signature(thing))
    except ValueError:
        return ""
    shown = re.sub(r"'([A-Za-z_\[\], |.]+)'", r"\1", shown).replace(" -> None", "")
    return "" if shown == "()" and inspect.isclass(thing) else f"`{name}{shown}`\n\n"


def _members(owner: str, cls: type) -> Iterator[str]:
    shared = [vars(base) for base in cls.__bases__ if base.__name__.startswith("_")]
    for name, member in ChainMap(dict(vars(cls)), *map(dict, shared)).items():
        if name.startswith("_") or name in OF_THE_ENGINE.get(owner, ()):
            continue
        if isinstance(member, property):
            yield f"### {owner}.{name}\n\n{_documented(member)}"
        elif inspect.isfunction(member) and inspect.getdoc(member):
            shown = re.sub(r"'([^']+)'", r"\1", str(inspect.signature(member)))
            yield f"### {owner}.{name}\n\n`{name}{shown}`\n\n{_documented(member)}"


def _documented(thing: object) -> str:
    """Return a docstring as Markdown: its sections become lists."""
    lines = (inspect.getdoc(thing) or "").split("\n")
    shown: list[str] = []
    inside = False
    for line in lines:
        if section := SECTION.match(line):
            shown += [f"**{section[1]}**", ""]
            inside = True
        elif inside and (entry := re.match(r"^    (\*{0,2}\w+): (.*)", line)):
            shown.append(f"- `{entry[1]}`: {entry[2]}")
        elif inside and line.startswith("        "):
            shown.append(f"  {line.strip()}")
        elif inside and line.startswith("    "):
            shown.append(line.strip())
        else:
            shown.append(line)
    return _fenced("\n".join(shown).strip())


def _fenced(text: str) -> str:
    """Return the text with its indented examples as blocks."""

    def block(found: re.Match[str]) -> str:
        body = "\n".join(line.removeprefix("    ") for line in found[1].rstrip().split("\n"))
        return f"\n<!-- not run: an excerpt -->\n```python\n{body}\n```\n"

    return re.sub(r"(?<=\n)\n((?:    .*\n|\n(?=    ))+)(?=\n|\Z)", block, f"{text}\n").strip()


PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line.md": command_line,
    "reference/json.md": json_documents,
    **documents.SCHEMAS,
    "reference/api.md": api,
    "explanation/packages-before.svg": packages.before,
    "explanation/packages-after.svg": packages.after,
    "explanation/packages.md": packages.page,
    "explanation/tour.md": tour.page,
}
"""Each page, or picture, that is written, and what writes it."""


if __name__ == "__main__":
    for name, written in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(written(), encoding="utf-8")
