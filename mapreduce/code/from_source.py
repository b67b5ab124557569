"""Import an author's module from its source, whatever byte code lies beside it.

Python takes byte code for current if the source has the same length and second of its last change.
An edit within that second, of equal length, would run as the code before it, under the identity of
the new one.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType

from mapreduce.code.modules import INSTALLED


class _FromSource(SourceFileLoader):
    """Compiles the source, and neither reads nor writes byte code."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of a module's source."""
        return self.source_to_code(self.get_data(self.path), self.path)


def from_source(spec: ModuleSpec) -> ModuleSpec:
    """Return the spec of a module, which is compiled anew unless it is of an installed package."""
    loader = spec.loader
    if type(loader) is SourceFileLoader and INSTALLED.isdisjoint(Path(loader.path).parts):
        spec.loader = _FromSource(loader.name, loader.path)
    return spec
