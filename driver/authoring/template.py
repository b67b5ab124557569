"""The job that `new` writes, and its test."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from mapreduce.errors import UsageError

_TEMPLATES = Path(__file__).parent / "templates"


def write_job(path: Path) -> list[Path]:
    """Write a job and its test; return both files.

    Raises:
        UsageError: the name is not a module's, or a file exists already.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"{path}: a job is a Python module; name it like my_job.py")
    test = path.with_name(f"test_{path.name}")
    name = "".join(part.capitalize() for part in re.split("_+", path.stem))
    for target in (path, test):
        if target.exists():
            raise UsageError(f"{target} exists already; nothing was written, name another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, template in ((path, "job.py.txt"), (test, "test_job.py.txt")):
        text = Template((_TEMPLATES / template).read_text(encoding="utf-8"))
        target.write_text(text.substitute(name=name, module=path.stem), encoding="utf-8")
    return [path, test]
