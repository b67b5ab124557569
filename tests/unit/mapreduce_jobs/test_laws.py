"""The ready-made jobs keep the laws of `check`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mapreduce import Job
from mapreduce.check.laws import check
from mapreduce.testing import PlainInput
from mapreduce_jobs.distinct import Distinct
from mapreduce_jobs.friend_recommendation import FriendRecommendation
from mapreduce_jobs.grep import Grep
from mapreduce_jobs.inverted_index import InvertedIndex
from mapreduce_jobs.join import Join
from mapreduce_jobs.k_means import Assign
from mapreduce_jobs.log_statistics import LogStatistics
from mapreduce_jobs.n_grams import NGrams
from mapreduce_jobs.page_rank import Graph
from mapreduce_jobs.sort import Sort
from mapreduce_jobs.top_k import Ranking
from mapreduce_jobs.word_count import WordCount
from mapreduce_jobs.word_count_batch import WordCountBatch

TEXT = "".join(
    f"{number % 7}\t{number * 7 % 5},{number * 3 % 11} a b{'é' * (number % 3)} a\n"
    for number in range(60)
)
GRAPH = "".join(
    f"{number}\t{','.join(str(other) for other in range(9) if other != number)}\n"
    for number in range(9)
)
LOG = "".join(
    f'h - - [d] "GET /{number % 3} HTTP/1.0" 200 {number * 7 % 11}\n' for number in range(60)
)
POINTS = "".join(f"{number * 0.1},{number * 7 % 5}\n" for number in range(40))
TABLE = "id,n\n" + "".join(f"{number % 5},{number}\n" for number in range(20))


class Scores(Ranking):
    """`Ranking` for lines instead of pairs."""

    def map(self, key: int, value: str) -> list[tuple[str, tuple[int, str]]]:  # type: ignore[override]
        return list(super().map(value, key % 7))


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (Distinct, {"": TEXT}),
        (FriendRecommendation, {"": GRAPH}),
        (lambda: Grep(pattern="3"), {"": TEXT, "other": TEXT[40:]}),
        (InvertedIndex, {"": TEXT, "other": TEXT[40:]}),
        (lambda: Join(how="left"), {"left": TABLE, "right": TABLE[:60]}),
        (lambda: Assign(centres=((0.0, 0.0), (2.0, 2.0))), {"": POINTS}),
        (LogStatistics, {"": LOG}),
        (NGrams, {"": TEXT}),
        (Graph, {"": TEXT}),
        (Sort, {"": TEXT}),
        (lambda: Sort(field=1), {"": TEXT}),
        (lambda: Scores(k=3), {"": TEXT}),
        (WordCount, {"": TEXT}),
        (WordCountBatch, {"": TEXT}),
    ],
)
def test_laws(make: Callable[[], Job], inputs: dict[str, str]) -> None:
    """The answer does not depend on splits, partitions, spills, combining, or the order of work."""
    given = [PlainInput(f"{name}.txt", text.encode(), name) for name, text in inputs.items()]
    assert [] == [f"{breach.law.name}: {breach.way}" for breach in check(make, given)]
