"""PageRank, compared with power iteration over a dense matrix."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import plain_answer
from mapreduce_jobs.page_rank import PageRank

Links = dict[str, set[str]]


def power_iteration(links: Links, damping: float, rounds: int = 400) -> dict[str, float]:
    """Return the probability of each node, by repeated multiplication with the walk's matrix."""
    names = sorted(set(links).union(*links.values())) if links else []
    size = len(names)
    matrix = []
    for name in names:
        targets = links.get(name) or set(names)
        matrix.append(
            [damping * (other in targets) / len(targets) + (1 - damping) / size for other in names]
        )
    rank = [1 / size] * size
    for _ in range(rounds):
        rank = [
            math.fsum(rank[row] * matrix[row][column] for row in range(size))
            for column in range(size)
        ]
    return dict(zip(names, rank, strict=True))


def page_rank(text: str, **parameters: float) -> dict[str, float]:
    """Return the chain's answer from the reference run."""
    return dict(plain_answer(PageRank(**parameters), [("file:///links", text.encode())]))


def text_of(links: Links) -> str:
    """Return a line for each node that has one."""
    return "".join(f"{node}\t{','.join(sorted(targets))}\n" for node, targets in links.items())


names = st.sampled_from("abcdefg")


@settings(max_examples=12, deadline=None)
@given(
    links=st.dictionaries(names, st.sets(names, max_size=4), min_size=1),
    damping=st.sampled_from([0.85, 0.5]),
)
def test_any_graph(links: Links, damping: float) -> None:
    """Ranks equal power iteration, with loops, islands, and nodes without links or lines."""
    found = page_rank(text_of(links), damping=damping, tolerance=1e-12, max_iterations=400)
    assert pytest.approx(power_iteration(links, damping), abs=1e-9) == found
    assert math.fsum(found.values()) == pytest.approx(1, abs=1e-12)


def test_a_chain_of_nodes_that_end_nowhere() -> None:
    """With damping d and one link from a to b, a has 1 / (2 + d) and b has (1 + d) / (2 + d)."""
    found = page_rank("a\tb\n", tolerance=1e-13)
    assert pytest.approx({"a": 1 / 2.85, "b": 1.85 / 2.85}, abs=1e-12) == found


def test_max_iterations() -> None:
    """Without an iteration all ranks are equal, and one iteration is one step of the walk."""
    assert {"a": 0.5, "b": 0.5} == page_rank("a\tb", max_iterations=0)
    one = page_rank("a\tb", max_iterations=1)
    assert pytest.approx({"a": 0.075 + 0.85 * 0.25, "b": 0.075 + 0.85 * 0.75}) == one


def test_odd_lines() -> None:
    """Empty lines, repeated targets and nodes, an empty target, carriage returns and a missing tab
    are accepted.
    """
    odd = page_rank("\r\na\tb,b,\r\n\r\na\tb,c\r\nc\r\n", tolerance=1e-12)
    assert pytest.approx(power_iteration({"a": {"b", "c"}, "c": set()}, 0.85), abs=1e-9) == odd


def test_nothing() -> None:
    """Without nodes there are no ranks."""
    assert {} == page_rank("")
