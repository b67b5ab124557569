"""The version of this program."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

DISTRIBUTION = "mapreduce-on-fargate"
_PROJECT_FILE = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


def version() -> str:
    """Return the version: of the clone that this file lies in, else of the installed package."""
    return f"{DISTRIBUTION} {clone_version(_PROJECT_FILE) or installed_version() or 'unknown'}"


def installed_version() -> str | None:
    """Return the version in the metadata of the installed package; None without one."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def clone_version(project_file: Path) -> str | None:
    """Return the version in a project's file; None when it cannot be read."""
    import tomllib

    try:
        project = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
        return str(project["version"]) if project["name"] == DISTRIBUTION else None
    except (OSError, ValueError, KeyError):
        return None
