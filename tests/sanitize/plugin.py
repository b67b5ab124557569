"""A plugin of pytest that loads the sanitized extension in place of the usual one, before any
import.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from tests.sanitize import VARIABLE

NAME = "mapreduce.native.extension"


def _load(path: str) -> None:
    assert NAME not in sys.modules, f"{NAME} was imported before the sanitized one"
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[NAME] = module


def pytest_report_header() -> str:
    """Report which extension the tests use; fail if it is not the sanitized one."""
    from mapreduce import native

    assert native.extension is not None, native.why_not
    assert native.extension.__file__ == os.environ[VARIABLE]
    return f"extension: {native.extension.__file__}"


_load(os.environ[VARIABLE])
