"""Build the site from the pages: `python -m docs.site`, which `make docs` runs in an environment of
its own.

The pages are Markdown that reads well on a code host. A link to a file outside of `docs/` becomes a
link to a page that shows the file, so the site needs no network. Only the standard library is
imported here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "docs"
PAGES = BUILD / "pages"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
COMMENT = re.compile(r"^<!-- .*? -->\n", re.MULTILINE)
LANGUAGES = {
    ".py": "python",
    ".tf": "hcl",
    ".sh": "bash",
    ".c": "c",
    ".toml": "toml",
    ".txt": "text",
}
OUTSIDE = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "terraform/README.md", "books/README.md"),
    *(page.relative_to(ROOT).as_posix() for page in sorted(ROOT.glob("examples/*/README.md"))),
)
"""Markdown outside of `docs/` that is a page of the site too."""


def main() -> int:
    """Lay the pages out in `build/docs` and build the site into `build/docs/site`; return the
    builder's code.
    """
    shutil.rmtree(BUILD, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for source in sorted((ROOT / "docs").rglob("*")):
        name = source.relative_to(ROOT / "docs").as_posix()
        if source.suffix == ".md":
            _write(name, source)
        elif source.suffix in (".svg", ".png", ".ipynb"):
            target = PAGES / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    for name in OUTSIDE:
        _write(f"project/{name}", ROOT / name)
    for picture in ROOT.glob("examples/*/*.svg"):
        shutil.copy(picture, PAGES / "project" / picture.relative_to(ROOT))
    shutil.copy(ROOT / "docs" / "zensical.toml", BUILD / "zensical.toml")
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=BUILD, env=environment, check=False).returncode


def _write(name: str, source: Path) -> None:
    target = PAGES / name
    target.parent.mkdir(parents=True, exist_ok=True)
    text = COMMENT.sub("", source.read_text(encoding="utf-8"))
    target.write_text(
        LINK.sub(lambda link: f"[{link[1]}]({_led(link[2], source, name)})", text),
        encoding="utf-8",
    )


def _led(link: str, source: Path, name: str) -> str:
    """Return where a link of a page leads on the site."""
    path, mark, anchor = link.partition("#")
    if "://" in link or not path:
        return link
    target = Path(os.path.normpath(source.parent / path))
    if target.is_dir():
        target /= "README.md"
    inside = target.relative_to(ROOT).as_posix()
    if inside.startswith("docs/"):
        page = inside.removeprefix("docs/")
    elif inside in OUTSIDE:
        page = f"project/{inside}"
    else:
        page, mark, anchor = _shown(target, inside), "", ""
    return f"{os.path.relpath(page, Path(name).parent)}{mark}{anchor}"


def _shown(target: Path, inside: str) -> str:
    """Return the page that shows a file, and write it."""
    page = f"source/{inside}.md"
    written = PAGES / page
    if not written.exists():
        written.parent.mkdir(parents=True, exist_ok=True)
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        language = LANGUAGES.get(target.suffix, "text")
        fence = "````" if target.suffix == ".md" else "```"
        written.write_text(f"# {inside}\n\n{fence}{language}\n{text}\n{fence}\n", encoding="utf-8")
    return page


if __name__ == "__main__":
    sys.exit(main())
