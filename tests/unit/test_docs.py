"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generate import page
from driver.cli.app import app
from services.shell.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "terraform").rglob("*.md")]


def test_the_command_line_page_is_what_the_commands_say() -> None:
    """`make docs` writes it."""
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == page()


def test_commands_in_the_docs_exist() -> None:
    """Every `python -m driver X` that a page shows is a command."""
    known = {name for name in app if not name.startswith("-")}
    shown = {
        found
        for path in PAGES
        for found in re.findall(r"python -m driver ([a-z]\w*)", path.read_text(encoding="utf-8"))
    }
    assert shown - known == set()


def test_make_targets_in_the_docs_exist() -> None:
    """Every `make X` at the start of a command line is a target."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {
        found
        for path in PAGES
        for found in re.findall(
            r"^    make ([a-z0-9-]+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert shown - targets == set()


def test_links_lead_somewhere() -> None:
    """Every relative link of a page is a file or folder of the project."""
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in PAGES
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_setting_of_a_service_is_documented() -> None:
    """And no page documents one that is gone."""
    text = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
    known = {f"MAPREDUCE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"`(MAPREDUCE_[A-Z_]+)`", text)) == known


def test_the_readme_job_runs_as_it_stands(tmp_path: Path) -> None:
    """The first job of one's own is a job."""
    from mapreduce.code import find_job
    from mapreduce.testing import plain_answer

    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "longest.py").write_text(code)
    _, job = find_job(str(tmp_path / "longest.py"))
    assert plain_answer(job(), [("file:///x", b"apple avocado bee\n")]) == [("a", 7), ("b", 3)]
