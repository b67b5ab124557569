"""One server's range of the parameters: gradients in, parameters and cuts out.

With a bound on staleness, a clock is applied when all its gradients are there and all earlier
clocks are applied: one ordered sum, the same bits for every order of arrival. Without a bound
(ASP) each gradient is applied when it comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from examples.parameter_server.compress import Payload, decode
from examples.parameter_server.core import ledger
from examples.parameter_server.core.clock import is_fresh
from examples.parameter_server.core.leases import MicroBatch
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.update import Rule, Vector, ordered_mean

APPLIED = "applied"
KEPT_CUTS = 4
"""A shard may be ahead of server 0 by some cuts; older ones are given up."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A range at the moment when `version` clocks are applied.

    Attributes:
        ahead: micro-batches of later clocks that are applied too (in ASP).
    """

    version: int
    theta: Vector
    velocity: Vector
    ahead: tuple[MicroBatch, ...] = ()


class Shard:
    """A range in training.

    Args:
        spec: of the run.
        cut: where it begins.
    """

    def __init__(self, spec: RunSpec, cut: Cut) -> None:
        self._spec = spec
        self._rule = Rule(spec.learning_rate, spec.momentum)
        self._push_rule = self._rule.of_one_push(spec.micro_batches)
        self._held: defaultdict[int, dict[int, Vector]] = defaultdict(dict)
        self._seen: defaultdict[int, set[int]] = defaultdict(set)
        for clock, micro_batch in cut.ahead:
            self._seen[clock].add(micro_batch)
        self._velocity = cut.velocity
        self._wanted: set[int] = set()
        self._before: Vector | None = None
        self.theta = cut.theta
        self.version = cut.version
        self.updates = 0
        self.applied = cut.version * spec.micro_batches + len(cut.ahead)
        self.cuts: dict[int, Cut] = {cut.version: cut}

    @property
    def is_done(self) -> bool:
        """Whether all clocks of the run are applied."""
        return self.version >= self._spec.clocks

    @property
    def is_finite(self) -> bool:
        """Whether training has not diverged."""
        return bool(np.isfinite(self.theta).all())

    @property
    def ahead(self) -> tuple[MicroBatch, ...]:
        """The applied micro-batches of clocks that are not complete: in ASP alone there are any."""
        if self._spec.staleness is not None:
            return ()
        return tuple(
            sorted((clock, each) for clock, numbers in self._seen.items() for each in numbers)
        )

    def at(self, version: int) -> Vector | None:
        """Return the parameters of the present version or the one before; None for others.

        A range may have all gradients of a clock before server 0 has: a worker that died between
        its pushes left one there. Its next worker needs the same parameters for server 0.
        """
        if version == self.version:
            return self.theta
        return self._before if version == self.version - 1 else None

    def want_cut(self, version: int) -> None:
        """Make a cut at this version too, beside each `checkpoint_every` clocks."""
        self._wanted.add(version)
        if version == self.version:
            self._cut()

    def push(self, clock: int, micro_batch: int, version: int, payload: Payload) -> str:
        """Add the gradient of a micro-batch; return "applied", or why it is not added.

        Args:
            clock: of the micro-batch.
            micro_batch: its number in the clock.
            version: clocks in the parameters that the gradient was computed from.
            payload: this range of the gradient.
        """
        if not 0 <= micro_batch < self._spec.micro_batches or not 0 <= clock < self._spec.clocks:
            return ledger.MALFORMED
        if clock < self.version or micro_batch in self._seen[clock]:
            return ledger.DUPLICATE
        if payload.size != len(self.theta):
            return ledger.MALFORMED
        if not is_fresh(clock, version, self._spec.staleness):
            return ledger.STALE
        try:
            gradient = decode(payload)
        except ValueError:
            return ledger.MALFORMED
        if not np.isfinite(gradient).all():
            return ledger.NOT_FINITE
        self._seen[clock].add(micro_batch)
        if self._spec.staleness is None:
            self._step(self._push_rule, gradient)
            self.applied += 1
        else:
            self._held[clock][micro_batch] = gradient
        self._advance()
        return APPLIED

    def _advance(self) -> None:
        while len(self._seen[self.version]) == self._spec.micro_batches:
            del self._seen[self.version]
            held = self._held.pop(self.version, None)
            self._before = self.theta
            if held is not None:
                self._step(self._rule, ordered_mean([held[number] for number in sorted(held)]))
                self.applied += self._spec.micro_batches
            self.version += 1
            every = self.version % self._spec.checkpoint_every == 0
            if every or self.version == self._spec.clocks or self.version in self._wanted:
                self._cut()

    def _step(self, rule: Rule, gradient: Vector) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # looked for in `is_finite`
            self.theta, self._velocity = rule.step(self.theta, self._velocity, gradient)
        self.updates += 1

    def _cut(self) -> None:
        # arrays are replaced and never written to, so a cut needs no copy
        self.cuts[self.version] = Cut(self.version, self.theta, self._velocity, self.ahead)
        while len(self.cuts) > KEPT_CUTS:
            del self.cuts[min(self.cuts)]


def in_all(ahead: Iterable[Iterable[MicroBatch]]) -> frozenset[MicroBatch]:
    """Return the micro-batches that every shard's cut contains; the others are leased again."""
    found = [frozenset(each) for each in ahead]
    return frozenset.intersection(*found) if found else frozenset()
