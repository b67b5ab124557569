"""The fixture `run_job` runs an author's test in several ways."""

from __future__ import annotations

from collections.abc import Callable

from mapreduce.pytest_plugin import WAYS, run_job
from mapreduce.testing import Answer
from mapreduce_jobs.word_count import WordCount

__all__ = ["run_job"]


def test_counts(run_job: Callable[..., Answer], request: object) -> None:
    """The answer is the same in each way, and has as many parts as the way has partitions."""
    answer = run_job(WordCount(), ["a rose is a rose", "is a rose"])
    assert dict(answer.pairs) == {"a": 3, "is": 2, "rose": 3}
    assert len(answer.parts) in {partitions for _, partitions in WAYS}
