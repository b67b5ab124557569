"""PageRank (Brin and Page 1998): how likely a random walk over links is to be at each node.

    python -m driver run --job page_rank --input links.txt --param tolerance=1e-6

Input: lines `node<TAB>target,target,...`. A node without targets, or that is only a target, has no links: from it the
walk goes on anywhere. Several lines of a node are one, a target named twice counts once, and empty lines are passed
over. Output: node -> rank; the ranks add up to 1.

The steps: the graph once; then iterations until all ranks together move by less than `tolerance`; then the ranks alone.
Ranks are kept times the number of nodes, so that every node starts with 1.
"""

from collections.abc import Generator, Iterator
from math import fsum
from typing import Any

from mapreduce import Chain, Job, Max, StepResult

UNIT = 10**18
"""Counters are integers, so that their order cannot matter: sums of ranks are counted in units of 1e-18."""

Node = tuple[float, list[str]]


class Graph(Job):
    """Each node that occurs anywhere -> its first rank, and its targets."""

    def map(self, key: int, value: str) -> Iterator[tuple[str, list[str]]]:
        """A line's node with its targets, and each target as a node of its own."""
        if not value:
            return
        node, _, names = value.partition("\t")
        targets = [name for name in names.split(",") if name]
        yield node, targets
        for target in targets:
            yield target, []

    def reduce(self, key: str, values: Iterator[list[str]]) -> Iterator[tuple[str, Node]]:
        """One node with all its targets."""
        targets = sorted({target for some in values for target in some})
        self.count("dangling", 0 if targets else UNIT)
        yield key, (1.0, targets)


class Iteration(Job):
    """Each node -> its next rank, and its targets. `dangling` is the rank of all nodes without links, in `UNIT`s."""

    damping: float = 0.85
    nodes: int = 1
    dangling: int = 0

    group_by = 1

    def map(self, key: str, value: Node) -> Iterator[tuple[tuple[str, bool], Node | float]]:
        """The node itself, which sorts first (False before True), and each target's share of its rank."""
        rank, targets = value
        yield (key, False), value
        for target in targets:
            yield (target, True), rank / len(targets)

    def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, Node]]:
        """The node's shares, added up exactly and rounded once, so that their order does not matter."""
        rank, targets = next(values)
        shares = fsum(values) + self.dangling / UNIT / self.nodes
        new = 1 - self.damping + self.damping * shares
        self.count("moved", round(abs(new - rank) * UNIT))
        self.count("dangling", 0 if targets else round(new * UNIT))
        yield key, (new, targets)


class Ranks(Job):
    """Each node -> its rank as a share of 1. A node has one value; it is reduced so that the result is in key order."""

    nodes: int = 1

    reduce = Max()

    def map(self, key: str, value: Node) -> Iterator[tuple[str, float]]:
        """Leaves the targets away."""
        yield key, value[0] / self.nodes


class PageRank(Chain):
    """With the probability `damping` the walk follows a link, else it goes anywhere."""

    damping: float = 0.85
    tolerance: float = 1e-6
    max_iterations: int = 100

    def steps(self) -> Generator[Job, StepResult, None]:
        """The counters of each iteration say whether another is needed, and how much rank it has to spread."""
        result = yield Graph()
        nodes = result.records
        for _ in range(self.max_iterations):
            result = yield Iteration(
                damping=self.damping, nodes=nodes, dangling=result.counters.get("dangling", 0)
            )
            if result.counters.get("moved", 0) <= self.tolerance * nodes * UNIT:
                break
        yield Ranks(nodes=nodes)
