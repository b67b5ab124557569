"""The project's rules that a program can check: imports, entry points, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.unit.sources import tree_of

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("mapreduce", "services", "driver", "mapreduce_jobs", "examples")
PS, SERVING = "examples/parameter_server/", "examples/serving/"
ENTRY_POINTS = {
    "obstore": ("mapreduce/storage/", "driver/cloud/aws.py", f"{PS}deployed.py"),
    "duckdb": (
        *("mapreduce/check/reference_parquet.py", "mapreduce/formats/parquet"),
        *("mapreduce/columns/database.py", "mapreduce/formats/database.py"),
    ),
    "fsspec": ("mapreduce/formats/parquet",),
    "nanoarrow": (
        *("mapreduce/formats/arrow", "mapreduce/batch.py"),
        *("mapreduce/columns/table.py", "mapreduce/columns/packed.py"),
    ),
    "xxhash": (
        *(
            "mapreduce/partition.py",
            "mapreduce/engine/block_index.py",
            "mapreduce/formats/frames.py",
            "driver/spark/external_shuffle.py",
        ),
        "mapreduce/storage/digest.py",
    ),
    "jwt": ("mapreduce/wire/tokens.py",),
    "cryptography": ("mapreduce/wire/certificates.py",),
    "regex": ("mapreduce/words.py",),
    "fastapi": (
        *("services/", "driver/web/", "examples/albums/app.py", f"{PS}server.py"),
        *(f"{SERVING}model/app.py", f"{SERVING}model/service.py", f"{SERVING}router/app.py"),
    ),
    "uvicorn": (
        *("services/shell/serve.py", "services/shell/http/connections.py"),
        "driver/web/serve.py",
    ),
    "prometheus_client": ("services/shell/metrics.py",),
    "structlog": ("services/shell/", "services/stage/", "examples/albums/app.py", PS, SERVING),
    "pydantic_settings": ("services/shell/settings.py",),
    "httpx": ("driver/transport/http.py",),
    "cyclopts": ("driver/cli/",),
    "jinja2": ("driver/report/templating.py", "driver/web/pages.py"),
    "rich": ("driver/cli/", "driver/report/"),
    "boto3": (
        *("driver/cloud/aws.py", "services/guard/watch.py", "examples/deployed.py"),
        *(f"{PS}deployed.py", f"{SERVING}router/cloud_map.py"),
    ),
    "botocore": (
        *("driver/cloud/aws.py", "services/guard/watch.py", "examples/deployed.py"),
        f"{SERVING}router/cloud_map.py",
    ),
    "grpc": (f"{PS}wire/",),
    "google": (f"{PS}wire/",),
    "grpc_tools": (f"{PS}wire/generate.py",),
    "h11": ("services/shell/http/", f"{SERVING}router/connections.py"),
    "onnx": (f"{PS}export.py", f"{SERVING}sample.py"),
    "onnxruntime": (f"{SERVING}model/session.py",),
    "python_terraform": ("driver/cloud/stack.py",),
    "pip": ("driver/packages/pip.py",),
    "pyspark": ("driver/spark/session.py",),
    "py4j": ("driver/spark/session.py",),
}


def _files() -> Iterator[Path]:
    for folder in PACKAGES:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_fronts_of_the_packages_stay_small() -> None:
    """Beside its packages driver has at most 4 modules, and mapreduce 14."""
    counts = {name: len(list((ROOT / name).glob("*.py"))) for name in ("driver", "mapreduce")}
    assert counts["driver"] <= 4, counts
    assert counts["mapreduce"] <= 14, counts


def test_no_function_is_over_sixty_lines() -> None:
    """No function has more than 60 lines, from `def` to its end."""
    long = [
        f"{path.relative_to(ROOT)}: {node.name}, {length} lines"
        for path in _files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > 60
    ]
    assert long == []


def test_each_third_party_package_has_one_entry_point() -> None:
    """Each third-party package is imported only in its listed files."""
    wrong = [
        f"{name} imports {package}"
        for path in _files()
        if (name := path.relative_to(ROOT).as_posix())
        for package in _imported(path) & set(ENTRY_POINTS)
        if not name.startswith(ENTRY_POINTS[package])
    ]
    assert wrong == []


def test_jobs_use_only_public_names() -> None:
    """A ready-made job imports only the public interface of mapreduce."""
    inside = [
        f"{path.name}: from {node.module}"
        for path in sorted((ROOT / "mapreduce_jobs").glob("*.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mapreduce.")
    ]
    assert inside == []


def test_the_job_api_is_light() -> None:
    """The import of `mapreduce` loads no HTTP, store, database or cloud library."""
    heavy = "{'obstore', 'duckdb', 'cryptography', 'httpx', 'fastapi', 'boto3', 'uvicorn', 'rich'}"
    script = f"import sys, mapreduce; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_command_line_is_light() -> None:
    """The commands load no web server, template or cloud library before they need it."""
    heavy = "{'fastapi', 'uvicorn', 'jinja2', 'boto3', 'httpx', 'duckdb'}"
    script = f"import sys, driver.cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_the_command_line_prints() -> None:
    """Only the listed files print, because standard output is for documents."""
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert [
        place
        for place in printing
        if not place.startswith(("driver/cli/", "services/shell/settings.py", *PRINTING))
    ] == []


PRINTING = (f"{PS}bench.py", f"{PS}commands.py", f"{PS}export.py")
"""The files of the examples' commands that print."""
PREFIXES = ("maps", "chunks", "pairs", "reduce", "tasks", "runs", "jobs")


def test_object_keys_are_spelled_in_one_place() -> None:
    """Only one file spells the prefixes of object keys."""
    wrong = [
        f"{path.relative_to(ROOT)}: {prefix}"
        for path in _files()
        if path.name != "keys.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        for prefix in PREFIXES
        if isinstance(part, ast.Constant) and f"/{prefix}/" in str(part.value)
    ]
    assert wrong == []
