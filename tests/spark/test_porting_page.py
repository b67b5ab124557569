"""The program of PySpark that a page shows prints what its port yields."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import blocks
from tests.spark.cluster import ROOT

PAGE = ROOT / "docs" / "how-to" / "port-from-pyspark.md"


def test_the_two_programs_of_the_page_yield_the_same(tmp_path: Path) -> None:
    """The two best customers of Spark's program are those of the chain."""
    shown = list(blocks(PAGE.read_text("utf-8")))
    for block in shown:
        if block.title:
            (tmp_path / block.title).write_text(block.text + "\n", "utf-8")
    (theirs,) = [each.text for each in shown if "SparkContext(" in each.text]
    printed = _run(tmp_path, "-c", theirs)
    job = ("--job", "best_customers.py", "--input", "sales.csv", "--target", "inline")
    _run(tmp_path, "-m", "driver", "run", *job, "--output", "best.jsonl")
    (row,) = map(json.loads, (tmp_path / "best.jsonl").read_text().splitlines())
    ours = [(name, (count, total)) for total, name, count in row["value"]]
    assert ast.literal_eval(printed) == ours
    assert ours == [("eva", (1, 30)), ("ada", (2, 15))]


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
