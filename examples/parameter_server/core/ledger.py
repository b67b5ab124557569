"""The account of a run's leases: each ends exactly once, applied or refused for a reason."""

from __future__ import annotations

from collections import Counter

from examples.parameter_server.core.spec import Counts
from mapreduce.errors import LedgerError

DUPLICATE = "duplicate"
STALE = "stale"
NOT_FINITE = "not finite"
MALFORMED = "malformed"
RETURNED = "returned"
UNANSWERED = "unanswered"
"""Why a lease's gradient is not added: another copy came first; its parameters were too old; it has
NaN or infinity; it has another shape; its worker handed it back; no push came before the end.
"""


class Ledger:
    """Counts leases. A lease number ends once; what comes for it later changes nothing."""

    def __init__(self, counts: Counts | None = None) -> None:
        before = counts or Counts()
        self._leased = before.leased
        self._applied = before.applied
        self._refused = Counter(before.refused)
        self._open: set[int] = set()

    @property
    def open(self) -> int:
        """The leases that have not ended."""
        return len(self._open)

    @property
    def counts(self) -> Counts:
        """The counts so far."""
        return Counts(leased=self._leased, applied=self._applied, refused=dict(self._refused))

    def lease(self, number: int) -> None:
        """Record that a lease was granted."""
        self._leased += 1
        self._open.add(number)

    def apply(self, number: int) -> bool:
        """Record that a lease's gradient is added; return False if the lease had ended before."""
        if number not in self._open:
            return False
        self._open.remove(number)
        self._applied += 1
        return True

    def refuse(self, number: int, reason: str) -> bool:
        """Record that a lease ended without a gradient; return False if it had ended before."""
        if number not in self._open:
            return False
        self._open.remove(number)
        self._refused[reason] += 1
        return True

    def close(self) -> None:
        """End all open leases: their run or its generation is over."""
        for number in tuple(self._open):
            self.refuse(number, UNANSWERED)

    def at_cut(self, applied: int) -> Counts:
        """Return the counts as a cut has them: leases that are open, or not in the cut, are left
        out.

        Args:
            applied: gradients in the cut.
        """
        refused = dict(self._refused)
        return Counts(leased=applied + sum(refused.values()), applied=applied, refused=refused)


def check(counts: Counts, gradients: int) -> None:
    """Check the account of a run that has ended.

    Args:
        counts: of the run.
        gradients: clocks times micro-batches.

    Raises:
        LedgerError: a gradient is missing or was added twice, or a lease has no end.
    """
    refused = sum(counts.refused.values())
    if counts.leased != counts.applied + refused:
        raise LedgerError(
            f"{counts.leased} leases, but {counts.applied} applied and {refused} refused: the "
            "model is not marked as done; train again"
        )
    if counts.applied != gradients:
        raise LedgerError(
            f"{counts.applied} gradients were applied where the run has {gradients}: the model is "
            "not marked as done; train again"
        )
