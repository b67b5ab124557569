"""Read a job's `requirements` from its source: its packages are needed to import it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from mapreduce.errors import JobLoadError

_NAME = "requirements"


def requirements_of(path: Path, modules: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the requirements of the classes in a job's file and in the author's modules, sorted.

    Args:
        path: the job's file.
        modules: the author's modules that it imports.

    Raises:
        JobLoadError: one is an option of pip or a path.
    """
    files = sorted({path, *modules.values()})
    found = {each.strip() for file in files for each in _written_in(file)}
    for text in sorted(found):
        _check(text)
    return tuple(sorted(found))


def check_was_read(owner: str, value: Iterable[str], known: Collection[str]) -> None:
    """Refuse requirements that differ from those that were read in the source.

    Raises:
        JobLoadError: they are computed.
    """
    if unread := [each for each in value if each.strip() not in known]:
        raise JobLoadError(
            f"`requirements` of {owner} holds {unread[0]!r}, which is not written as a text in the "
            'class; write the list itself, `requirements = ["name"]`: it is read before the job is '
            "imported"
        )


def _written_in(path: Path) -> Iterator[str]:
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # the import says so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.bases:
            for each in node.body:
                yield from _texts(each)


def _texts(node: ast.stmt) -> Iterator[str]:
    """Yield the texts of `requirements = [...]`; a computed list is refused after the import."""
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return
    if any(isinstance(each, ast.Name) and each.id == _NAME for each in targets) and isinstance(
        value, ast.List | ast.Tuple
    ):
        for item in value.elts:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                yield item.value


def _check(text: str) -> None:
    if not text or text.startswith(("-", ".", "/", "~")) or "\n" in text:
        raise JobLoadError(
            f"`requirements` holds {text!r}; write the name of a package, such as "
            '"numpy" or "numpy>=2,<3"; pip\'s options belong into a file: --requirements FILE'
        )
