"""The code of an author's module is that of its source, whatever byte code lies beside it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapreduce.code.from_source import from_source

ROOT = Path(__file__).resolve().parents[4]
ASK = """
import sys
from pathlib import Path
from mapreduce.code import import_job
print(import_job(Path(sys.argv[1]), sys.argv[2], "J", sys.argv[3]).said())
"""
JOB = """
from mapreduce import Count, Job
import beside
from package import inner
import elsewhere

OWN = 1


class J(Job):
    reduce = Count()

    @staticmethod
    def said():
        from package import late
        return (OWN, beside.OWN, inner.OWN, elsewhere.OWN, late.OWN)
"""


@pytest.mark.parametrize(("module", "file"), [("job", ""), ("job_of_mine", "job.py")])
def test_an_edit_within_a_second_counts(tmp_path: Path, module: str, file: str) -> None:
    """Byte code of the same length and second is older, of each module and whenever it loads."""
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "package").mkdir(parents=True)
    other.mkdir()
    files = {
        root / "job.py": JOB,
        root / "beside.py": "OWN = 1\n",
        root / "package" / "__init__.py": "",
        root / "package" / "inner.py": "OWN = 1\n",
        root / "package" / "late.py": "OWN = 1\n",
        other / "elsewhere.py": "OWN = 1\n",
    }
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHONDONT")
    }
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{other}"
    for number in 1, 2:
        for path, text in files.items():
            path.write_text(text.replace("OWN = 1", f"OWN = {number}"))
            os.utime(path, (1e9, 1e9))
        compiled = [sys.executable, "-m", "compileall", "-q", str(root), str(other)]
        if number == 1:
            subprocess.run(compiled, env=environment, check=True)
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(root), module, file],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert str((number,) * 5) == done.stdout.strip()


@pytest.mark.parametrize("folder", ["site-packages", "mine"])
def test_installed_packages_keep_their_byte_code(tmp_path: Path, folder: str) -> None:
    """Only what an author may edit is compiled anew."""
    path = tmp_path / folder / "module.py"
    spec = importlib.util.spec_from_file_location("module", path)
    assert spec is not None
    kept = spec.loader
    assert (from_source(spec).loader is kept) == (folder == "site-packages")
