"""The places of the guided tour: files, names in them, and how many lines these have;
`docs.generate` writes them.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = Path(__file__).with_name("explanation") / "tour.md"
BEGIN, END = "<!-- stops, written by `make docs` -->", "<!-- /stops -->"
MOST_FILES, MOST_LINES = 15, 1500
STOPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mapreduce_jobs/word_count.py", ("WordCount",)),
    ("driver/cli/run.py", ("run", "_watched")),
    ("driver/targets/start.py", ("carry_out", "_backend")),
    ("driver/plan/tasks.py", ("TaskSpec", "task_key", "_map_task", "reduce_tasks")),
    ("driver/run/pipeline.py", ("run_job", "check_ledger", "commit")),
    ("driver/run/stages.py", ("_map_and_reduce", "Stages")),
    ("driver/scheduling/scheduler.py", ("StageRun",)),
    ("driver/scheduling/policy.py", ("after_failure", "backup_after")),
    ("driver/transport/http.py", ("HttpTransport.run",)),
    ("services/stage/app.py", ("create_app",)),
    ("services/stage/task/task_process.py", ("task_main", "_run_and_answer")),
    (
        "mapreduce/engine/map_task.py",
        ("run_map", "_to_partitions", "MapStage.split", "MapStage._piece", "MapStage._batch"),
    ),
    ("mapreduce/formats/text.py", ("owned_blocks",)),
    ("mapreduce/engine/reduce_task.py", ("run_reduce", "reduce_blocks", "_own_results", "_groups")),
    ("mapreduce/engine/ledger.py", ("balance", "_input_rows", "_shuffle_rows")),
)
"""In the order of a run: a file, and what to read of it."""


def ranges(file: str, names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return the first and the last line of each name; raises KeyError for a name that does not
    exist.
    """
    found: dict[str, tuple[int, int]] = {}
    for node in ast.parse((ROOT / file).read_bytes()).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        found[node.name] = (node.lineno, node.end_lineno or node.lineno)
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{node.name}.{inner.name}"] = (
                    inner.lineno,
                    inner.end_lineno or inner.lineno,
                )
    return {name: found[name] for name in names}


def lines(file: str, names: tuple[str, ...]) -> int:
    """Return how many lines the names have together."""
    return sum(last - first + 1 for first, last in ranges(file, names).values())


def total() -> int:
    """Return how many lines the tour has."""
    return sum(lines(file, names) for file, names in STOPS)


def table() -> str:
    """Return the places as a table, with links to their lines."""
    rows = ["| stop | file | read | lines |", "|---|---|---|---|"]
    for number, (file, names) in enumerate(STOPS, start=1):
        places = ", ".join(
            f"[`{name}`](../../{file}#L{first}-L{last})"
            for name, (first, last) in ranges(file, names).items()
        )
        rows.append(f"| {number} | `{file}` | {places} | {lines(file, names)} |")
    rows.append(f"| | {len(STOPS)} files | | {total():,} |")
    return "\n".join(rows)


def page() -> str:
    """Return the tour with its table as it should be."""
    text = TEXT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"
