"""The page of the JSON documents that commands print, and their schemas; from the models."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from driver.cli.documents import DOCUMENTS, OTHERS, model_of
from driver.report.failure import ErrorDocument

INTRODUCTION = """\
# JSON documents

With `--json` a command prints one JSON document on standard output, and nothing else; progress and
notes go to standard error. `--fields a,b` prints only these fields of the document, and implies
`--json`. A command that ends with an error prints the [error](#error) document in place of its own,
with the same exit code as without `--json`. Fields may be added to a document; those that are here
keep their names and types.

Each document has a JSON Schema (draft 2020-12) in `schemas/`. `logs` prints JSON Lines:
one object a line, as the services have logged it.
"""
SAMPLE = """\
```console
python -m driver run book.txt --fields run_id,records,result_urls
python -m driver verify --fields equal
```
"""


def _models() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each document's name and class: those of the commands, then that of an error."""
    yield from ((command, model_of(command)) for command in DOCUMENTS | OTHERS)
    yield "error", ErrorDocument


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a document as it is printed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="serialization"),
    }


def _schema_text(model: Callable[[], type[BaseModel]]) -> str:
    return json.dumps(schema(model()), indent=2) + "\n"


def _file(name: str) -> str:
    return f"schemas/{name.replace(' ', '-')}.json"


def page() -> str:
    """Return the page without its head."""
    found = {name: schema(model) for name, model in _models()}
    parts: dict[str, dict[str, Any]] = {}
    for each in found.values():
        parts |= each.get("$defs", {})
    shown = [INTRODUCTION, "<!-- not run: needs a book -->", SAMPLE]
    for name, each in found.items():
        shown.append(f"## {name}\n\n{_described(each)}\n\nSchema: [{_file(name)}]({_file(name)})\n")
        shown.append(_table(each))
    shown.append("## Parts of documents\n")
    for name in sorted(parts):
        shown.append(f"### {name}\n\n{_described(parts[name])}\n")
        shown.append(_table(parts[name]) if "properties" in parts[name] else "")
    return "\n".join(shown).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _described(each: dict[str, Any]) -> str:
    """Return the docstring of a model, without its list of attributes' indentation."""
    lines = [line.strip() for line in str(each.get("description", "")).split("\n")]
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(_paragraph(text) for text in paragraphs)


def _paragraph(text: str) -> str:
    head, colon, rest = text.partition(":\n")
    if head == "Attributes" and colon:
        return "\n".join(f"- {line}" for line in rest.split("\n"))
    return textwrap.fill(text.replace("\n", " "), 100, break_on_hyphens=False)


def _table(each: dict[str, Any]) -> str:
    rows = ["| field | type |", "|---|---|"]
    for name, of in each.get("properties", {}).items():
        told = f": {of['description']}" if "description" in of and "$ref" not in of else ""
        rows.append(f"| `{name}` | {type_text(of)}{told} |")
    return "\n".join(rows) + "\n"


def type_text(of: dict[str, Any]) -> str:
    """Return a type of JSON Schema in words."""
    if "$ref" in of:
        name = str(of["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in of:
        return " or ".join(map(type_text, of["anyOf"]))
    if "enum" in of:
        return ", ".join(f"`{value}`" for value in of["enum"])
    if "const" in of:
        return f"`{of['const']}`"
    if "prefixItems" in of:
        return f"[{', '.join(map(type_text, of['prefixItems']))}]"
    if of.get("type") == "array":
        return f"list of {type_text(of.get('items', {}))}"
    if of.get("type") == "object" and isinstance(of.get("additionalProperties"), dict):
        return f"object of {type_text(of['additionalProperties'])} by name"
    return str(of.get("type", "any JSON value"))


SCHEMAS: Mapping[str, Callable[[], str]] = {
    f"reference/{_file(command)}": partial(_schema_text, partial(model_of, command))
    for command in DOCUMENTS | OTHERS
} | {f"reference/{_file('error')}": partial(_schema_text, lambda: ErrorDocument)}
"""Each schema's file, and what writes it."""
