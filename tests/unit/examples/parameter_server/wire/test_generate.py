"""The generated code is that of ps.proto."""

from __future__ import annotations

from pathlib import Path

from examples.parameter_server.wire.generate import FOLDER, MODULES, ROOT, generate


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """The compiler writes the modules that are checked in."""
    generate(tmp_path)
    for name in MODULES:
        written = tmp_path / FOLDER.relative_to(ROOT) / name
        assert written.read_text() == (FOLDER / name).read_text()
