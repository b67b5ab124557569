"""The house's rules that a program can keep: who may import whom, one door per package, one place per name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("mapreduce", "services", "driver", "jobs")
ARROWS = {"mapreduce": set[str](), "services": {"mapreduce"}, "driver": {"mapreduce"}, "jobs": {"mapreduce"}}
DOORS = {
    "obstore": ("mapreduce/storage/", "driver/fleet/aws.py"),
    "duckdb": ("mapreduce/plain_parquet.py", "mapreduce/formats/parquet"),
    "fsspec": ("mapreduce/formats/parquet",),
    "nanoarrow": ("mapreduce/formats/parquet", "mapreduce/batch.py"),
    "xxhash": (
        *("mapreduce/partition.py", "mapreduce/formats/frames.py", "mapreduce/engine/pairwise.py"),
        "mapreduce/storage/digest.py",
    ),
    "jwt": ("mapreduce/tokens.py",),
    "regex": ("mapreduce/words.py",),
    "fastapi": ("services/",),
    "uvicorn": ("services/shell/serve.py", "services/shell/connections.py"),
    "prometheus_client": ("services/shell/metrics.py",),
    "structlog": ("services/shell/",),
    "pydantic_settings": ("services/shell/settings.py",),
    "httpx": ("driver/client.py",),
    "cyclopts": ("driver/cli/",),
    "rich": ("driver/cli/", "driver/report/"),
    "boto3": ("driver/fleet/aws.py",),
    "botocore": ("driver/fleet/aws.py",),
    "python_terraform": ("driver/stack.py",),
    "pyspark": ("driver/spark.py",),
    "py4j": ("driver/spark.py",),
}


def _files() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_imports_follow_the_arrows() -> None:
    """jobs, services and driver know mapreduce; mapreduce knows none of them; they do not know each other."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files()
        for name in _imported(path) & set(ROOMS)
        if name not in ARROWS[room := path.relative_to(ROOT).parts[0]] | {room}
    ]
    assert wrong == []


def test_each_package_enters_through_its_door() -> None:
    """A third-party package is imported in its own room only, so that changing it changes one place."""
    wrong = [
        f"{name} imports {package}"
        for path in _files()
        if (name := path.relative_to(ROOT).as_posix())
        for package in _imported(path) & set(DOORS)
        if not name.startswith(DOORS[package])
    ]
    assert wrong == []


def test_jobs_use_only_public_names() -> None:
    """A shipped job is what a user could have written: from mapreduce itself, not from its inside."""
    inside = [
        f"{path.name}: from {node.module}"
        for path in sorted((ROOT / "jobs").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mapreduce.")
    ]
    assert inside == []


def test_the_job_api_is_light() -> None:
    """Importing `mapreduce` alone loads no HTTP, no store, no database and no cloud."""
    heavy = "{'obstore', 'duckdb', 'httpx', 'fastapi', 'boto3', 'uvicorn', 'rich'}"
    script = f"import sys, mapreduce; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_command_line_prints() -> None:
    """Elsewhere a print would land in the middle of somebody's JSON."""
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _files()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [place for place in printing if not place.startswith(("driver/cli/", "services/shell/serve.py"))] == []


@pytest.mark.parametrize("prefix", ["maps", "chunks", "pairs", "reduce", "tasks", "runs", "jobs"])
def test_object_keys_are_spelled_in_one_place(prefix: str) -> None:
    """No other file builds a URL of the store by hand."""
    wrong = [
        str(path.relative_to(ROOT))
        for path in _files()
        if path.name != "keys.py"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.JoinedStr)
        and any(isinstance(part, ast.Constant) and f"/{prefix}/" in str(part.value) for part in node.values)
    ]
    assert wrong == []
