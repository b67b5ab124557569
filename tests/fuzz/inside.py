"""The fuzzed process: it loads the harness, and the instrumented extension instead of the usual
one.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def main() -> None:
    """Fuzz; the arguments are the library's path and libFuzzer's options."""
    library, *options = sys.argv[1:]
    name = "mapreduce.native.extension"
    sys.modules[name] = _loaded(name, library)
    from tests.fuzz import targets  # imports what is loaded above

    assert targets.extension is sys.modules[name], "the usual extension would be fuzzed"
    sys.exit(_loaded("harness", library).run(["fuzz", *options], targets.one_input))


def _loaded(name: str, library: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
