"""What parts of the example do not import."""

from __future__ import annotations

import ast
from pathlib import Path

import examples.parameter_server

ROOT = Path(examples.parameter_server.__file__).parent


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_core_is_pure() -> None:
    """What decides imports no network, no process, no clock and no store."""
    acting = {"asyncio", "time", "socket", "os", "grpc", "structlog", "threading", "random"}
    wrong = [path.name for path in sorted((ROOT / "core").glob("*.py")) if _imported(path) & acting]
    assert [] == wrong


def test_nothing_is_pickled() -> None:
    """Neither on the wire nor in the store."""
    assert [] == [path.name for path in ROOT.rglob("*.py") if "pickle" in _imported(path)]
