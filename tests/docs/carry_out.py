"""Run the blocks of one page in order, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import RUNS, Block, blocks

ROOT = Path(__file__).resolve().parents[2]
HOME = "/home/you/mapreduce"
"""The folder of the project, as pages show it."""
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", ".mapreduce", "build", ".*_cache", ".hypothesis"),
    *(".terraform", "tests", "*.tfstate*"),
)
MADE = ("ready", "kernel")
"""Files by which make knows that the environment and the native extension are up to date."""
TIMEOUT_S = 100.0
VARIES = (
    (re.compile(r"run-\d{8}-\d{6}-[a-z]+-[a-z]+"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "WHEN"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms)\b|\b\d+\.\d+ x\b"), "TIME"),
    (re.compile(r"\b\d+\.\d+ [KMG]iB free"), "SPACE"),
    (re.compile(r"\b3\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "DIGEST"),
    (re.compile(r"-{4,}|={4,}|─{2,}|━{2,}"), "LINE"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Done:
    """A block that was run, its output, and its exit code."""

    block: Block
    output: str
    exit_code: int


def copy_of_the_project(folder: Path) -> Path:
    """Copy the files of a clone and those that `make` builds; link the environment."""
    copy = folder / "mapreduce"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    (copy / "build").mkdir()
    environment = copy / ".venv"
    environment.mkdir()
    for each in (ROOT / ".venv").iterdir():
        if each.name not in MADE:
            (environment / each.name).symlink_to(each)
    for name in MADE:
        (environment / name).touch()
    return copy


def run_page(page: Path, folder: Path) -> list[Done]:
    """Run the blocks of a page in order; write its files into the page's folder."""
    copy = copy_of_the_project(folder)
    done: list[Done] = []
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.not_run:
            continue
        if block.title:
            target = copy / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text + "\n", encoding="utf-8")
            if block.language == "python" and not target.name.startswith("test_"):
                done.append(_run(block, [sys.executable, "-c", _import(block.title)], copy))
        elif block.language in RUNS:
            done.append(_run(block, _command(block), copy))
    return done


def problems(done: Done, copy: Path) -> list[str]:
    """Return the differences from the page: the exit code, and lines of the output."""
    block = done.block
    if done.exit_code != block.exit_code:
        return [f"line {block.line}: exit code {done.exit_code}\n{done.output}"]
    if block.output is None or block.title:
        return []
    real = iter(_same(done.output.replace(str(copy), HOME)).split("\n"))
    for line in _same(block.output).split("\n"):
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        if line.strip() and not any(re.fullmatch(pattern, each) for each in real):
            return [f"line {block.output_line}: not printed: {line!r}\nprinted:\n{done.output}"]
    return []


def _same(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        for pattern, word in VARIES:
            line = pattern.sub(word, line)
        lines.append(line.strip())
    return "\n".join(lines)


def _import(title: str) -> str:
    return f"import runpy; runpy.run_path({title!r}, run_name='imported')"


def _command(block: Block) -> list[str]:
    if block.language == "python":
        return [sys.executable, "-c", block.text]
    return ["bash", "-euo", "pipefail", "-c", block.text]


def _run(block: Block, command: list[str], copy: Path) -> Done:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAPREDUCE_", "AWS_", "PYTEST_", "PYTHON"))
    }
    environment |= {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(copy) if block.title else "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "100",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ended = subprocess.run(
        command,
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Done(block, ended.stdout, ended.returncode)
