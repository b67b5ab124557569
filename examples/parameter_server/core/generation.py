"""One generation of a run at server 0: leases out, gradients in, the account of both."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from examples.parameter_server.core import ledger
from examples.parameter_server.core.leases import ATTEMPTS, Lease, Leases, MicroBatch
from examples.parameter_server.core.ledger import Ledger
from examples.parameter_server.core.shard import APPLIED
from examples.parameter_server.core.spec import Counts, RunSpec
from mapreduce.errors import UsageError

REMEMBERED = 8192
"""Verdicts of ended leases: a push whose answer was lost is sent again, and gets the same."""


@dataclass(frozen=True, slots=True)
class Push:
    """What a push says beside its gradient."""

    lease: int
    worker: str
    task: MicroBatch
    loss: float


class Generation:
    """The state of training since a cut.

    Args:
        run: the run's name.
        number: of the generation.
        spec: of the run.
        version: of the cut; 0 for the first parameters.
        applied: micro-batches of later clocks that are in the cut of every server.
        counts: the ledger at the cut.
    """

    def __init__(
        self,
        run: str,
        number: int,
        spec: RunSpec,
        version: int = 0,
        applied: Iterable[MicroBatch] = (),
        counts: Counts | None = None,
    ) -> None:
        self.run = run
        self.number = number
        self.spec = spec
        self.leases = Leases(spec, version, applied)
        self.ledger = Ledger(counts)
        self.problem = ""
        self.is_lost = False
        self.loss: float | None = None
        self._losses: defaultdict[int, dict[int, float]] = defaultdict(dict)
        self._verdicts: OrderedDict[int, str] = OrderedDict()

    @property
    def version(self) -> int:
        """Clocks whose gradients are all applied."""
        return self.leases.version

    def grant(self, worker: str, now_s: float) -> Lease | None:
        """Return a lease for a worker; None if there is nothing to compute now.

        A worker that asks again while it has one gets that one: the answer was lost.
        """
        if held := self.leases.held_by(worker, now_s):
            return held
        lease = self.leases.grant(worker, now_s)
        if lease is not None:
            self.ledger.lease(lease.number)
        return lease

    def earlier_verdict(self, push: Push) -> str | None:
        """Return the verdict on a lease that has ended; None if it is open.

        Raises:
            UsageError: there was no such lease, or it is another worker's or micro-batch's.
        """
        if push.lease in self._verdicts:
            return self._verdicts[push.lease]
        lease = self.leases.find(push.lease)
        if lease is None or (lease.worker, lease.task) != (push.worker, push.task):
            raise UsageError(f"{push.worker} has no lease {push.lease} of {push.task}")
        return None

    def end(self, push: Push, verdict: str, now_s: float) -> str:
        """Record what became of a lease; return the verdict for its worker.

        A micro-batch whose gradients are refused again and again ends the run: `problem` says why.
        If they are stale, a range is not at the version of the others: then `is_lost` is true.
        """
        lease = self.leases.find(push.lease)
        if lease is None:
            return ledger.DUPLICATE
        if verdict in (APPLIED, ledger.DUPLICATE):
            # after a restart a cut of this server alone may contain it, and others need it
            first = self.leases.finish(lease, now_s)
            verdict = APPLIED if first else ledger.DUPLICATE
            if first:
                self.ledger.apply(lease.number)
                self._record_loss(lease, push.loss)
            else:
                self.ledger.refuse(lease.number, verdict)
        else:
            self.ledger.refuse(lease.number, verdict)
            if self.leases.refuse(lease):
                pass
            elif verdict == ledger.STALE:
                self.is_lost = True
            else:
                self.problem = (
                    f"micro-batch {lease.micro_batch} of clock {lease.clock} was refused "
                    f"{ATTEMPTS} times, the last from worker {lease.worker}: {verdict}; lower "
                    "--learning-rate if the model diverges"
                )
        self._remember(lease.number, verdict)
        return verdict

    def hand_back(self, worker: str) -> int:
        """End the leases of a worker that leaves; return how many."""
        returned = self.leases.hand_back(worker)
        for lease in returned:
            self.ledger.refuse(lease.number, ledger.RETURNED)
            self._remember(lease.number, ledger.RETURNED)
        return len(returned)

    def _record_loss(self, lease: Lease, loss: float) -> None:
        self._losses[lease.clock][lease.micro_batch] = loss
        for clock in sorted(each for each in self._losses if each < self.leases.version):
            values = self._losses.pop(clock)
            self.loss = sum(values[number] for number in sorted(values)) / len(values)

    def _remember(self, number: int, verdict: str) -> None:
        self._verdicts[number] = verdict
        while len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)
