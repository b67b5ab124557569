"""A driver holds what is proportional to M + R: 15 million blocks, with a fake fleet and store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return the figures of a run in a process of its own, whose memory counts."""
    path = tmp_path_factory.mktemp("scale") / "figures.json"
    options = ["--maps", "15000", "--reducers", "1000", "--json", str(path)]
    subprocess.run([sys.executable, "-m", "bench.shuffle_scale", *options], cwd=ROOT, check=True)
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_the_memory_of_the_driver(figures: dict[str, int]) -> None:
    """15 million blocks take at most 300 MB, with the interpreter."""
    assert figures["memory_bytes"] <= 300 * 10**6


def test_the_messages_of_the_driver(figures: dict[str, dict[str, int]]) -> None:
    """All requests have at most 50 MB, and one for a reduce task has the length of any other."""
    assert sum(figures["request_bytes"].values()) <= 50 * 10**6
    assert figures["longest_request_bytes"]["reduce"] <= 1024
    assert (
        1000 * figures["longest_request_bytes"]["reduce"]
        <= 1.1 * figures["request_bytes"]["reduce"]
    )


def test_answers_do_not_grow_with_the_partitions(figures: dict[str, int]) -> None:
    """16,001 tasks answer with at most 2 KB each, whatever the number of blocks."""
    assert figures["answer_bytes"] <= 16_001 * 2_000
