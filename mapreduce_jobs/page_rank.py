"""PageRank (Brin and Page 1998): the probability that a random walk over links is at each node.

    python -m driver run --job page_rank --input links.txt --param tolerance=1e-6

Input: lines `node<TAB>target,target,...`. A node without targets, or that is only a target, has no
links: from it the walk continues at any node. Several lines of a node are merged, a target named
twice counts once, and empty lines are skipped. Output: node -> rank; the ranks add up to 1.

The steps: the graph once; then iterations until all ranks together move by less than `tolerance`;
then the ranks alone. Ranks are kept times the number of nodes, so that every node starts with 1.
"""

from collections.abc import Generator, Iterator
from math import fsum
from typing import Any

from mapreduce import Chain, Job, Max, Step, StepResult

UNIT = 10**18
"""Counters are integers, so that their order does not matter: sums of ranks count units of 1e-18.
"""

Node = list[Any]
"""A rank, and the targets in one text, as the input has them: a list of both is read from the store
in a third of the time of a tuple with a list in it.
"""


class Graph(Job):
    """Each node of the input -> its first rank and its targets."""

    def map(self, key: int, value: str) -> Iterator[tuple[str, list[str]]]:
        """Yield a line's node with its targets, and each target as a node."""
        if not value:
            return
        node, _, names = value.partition("\t")
        targets = [name for name in names.split(",") if name]
        yield node, targets
        for target in targets:
            yield target, []

    def reduce_setup(self) -> None:
        """Begin to count nodes without targets."""
        self._dangling = 0

    def reduce(self, key: str, values: Iterator[list[str]]) -> Iterator[tuple[str, Node]]:
        """Merge the targets of one node."""
        targets = sorted({target for some in values for target in some})
        self._dangling += not targets
        yield key, [1.0, ",".join(targets)]

    def reduce_cleanup(self) -> None:
        """Count once for all nodes."""
        self.count("dangling", self._dangling * UNIT)


class Iteration(Job):
    """Each node -> its next rank and its targets. Joins the step before it, so that only shares of
    ranks are shuffled, and no targets.

    `dangling` is the rank of all nodes without links, in `UNIT`s.
    """

    damping: float = 0.85
    nodes: int = 1
    dangling: int = 0

    def map(self, key: str, value: Node) -> Iterator[tuple[str, float]]:
        """Yield each target's share of the node's rank."""
        rank, names = value
        if names:
            targets = names.split(",")
            share = rank / len(targets)
            for target in targets:
                yield target, share

    def reduce_setup(self) -> None:
        """Begin to add up ranks."""
        self._moved = self._dangling = 0

    def reduce(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, Node]]:
        """Add the node's shares, which follow the joined node, exactly and round once, so that
        their order does not matter.
        """
        rank, targets = next(values)
        shares = fsum(values) + self.dangling / UNIT / self.nodes
        new = 1 - self.damping + self.damping * shares
        self._moved += round(abs(new - rank) * UNIT)
        if not targets:
            self._dangling += round(new * UNIT)
        yield key, [new, targets]

    def reduce_cleanup(self) -> None:
        """Count once for all nodes."""
        self.count("moved", self._moved)
        self.count("dangling", self._dangling)


class Ranks(Job):
    """Each node -> its rank as a share of 1. The reduce serves only to sort the result by key."""

    nodes: int = 1

    reduce = Max()

    def map(self, key: str, value: Node) -> Iterator[tuple[str, float]]:
        """Drop the targets."""
        yield key, value[0] / self.nodes


class PageRank(Chain):
    """With probability `damping` the walk follows a link, else it continues at any node."""

    damping: float = 0.85
    tolerance: float = 1e-6
    max_iterations: int = 100

    def steps(self) -> Generator[Job | Step, StepResult, None]:
        """Iterate while the counters of the last iteration report movement beyond `tolerance`."""
        result = yield Graph()
        nodes = result.records
        for _ in range(self.max_iterations):
            dangling = result.counters.get("dangling", 0)
            step = Iteration(damping=self.damping, nodes=nodes, dangling=dangling)
            result = yield Step(step, joins="previous")
            if result.counters.get("moved", 0) <= self.tolerance * nodes * UNIT:
                break
        yield Ranks(nodes=nodes)
