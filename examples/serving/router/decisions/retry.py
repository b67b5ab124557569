"""Whether a failed attempt is followed by another one: once, and within a budget.

An answer is read whole before its first byte goes to the caller. So an attempt that fails in any
way has shown the caller nothing, and an inference changes nothing in the model: another replica may
answer. The budget keeps retries a small share of the requests: without it an overload would be
answered by twice the load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal

Outcome = Literal["good", "refused", "failed", "denied", "unreached"]
"""An attempt's outcome: an answer for the caller, "not now" (503), a failure of the replica, a
refused signature (401), or no connection, so that nothing was sent.

The caller shows no token, so a 401 is about the router's. Whether the replica is to blame, with
another key or clock, shows when another one takes the same request: else one caller whose request
no replica accepts would have them all ejected.
"""
MOST_ATTEMPTS = 2
_FAILURES = frozenset(
    {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def outcome_of(status: int) -> Outcome:
    """Return the outcome of an attempt that was answered with a status.

    An answer that blames the request (400, 404, 413) is a good one: another replica says the same.
    """
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "refused"
    if status == HTTPStatus.UNAUTHORIZED:
        return "denied"
    return "failed" if status in _FAILURES else "good"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many retries the router may make now.

    Attributes:
        retries: those it may make; each request adds a part of one.
        share: that part, so in the long run the retries' share of the requests.
        most: the most that quiet times save up. All requests in flight at one replica, when it is
            killed, are retried at once.
    """

    retries: float = 20.0
    share: float = 0.2
    most: float = 20.0

    def earned(self) -> Budget:
        """Return the budget after one more request."""
        return replace(self, retries=min(self.most, self.retries + self.share))

    def spent(self) -> Budget:
        """Return the budget after one more retry."""
        return replace(self, retries=self.retries - 1)

    def allows(self, outcome: Outcome, attempts: int, *, is_free: bool) -> bool:
        """Return whether a request gets another attempt.

        Args:
            outcome: of its last attempt.
            attempts: how many attempts it had that reached a replica. One that did not has cost no
                replica anything, so it does not count.
            is_free: whether the attempt has cost the replicas that answer next nothing, so that the
                budget does not matter.
        """
        may_repeat = outcome != "good" and attempts < MOST_ATTEMPTS
        return may_repeat and (is_free or self.retries >= 1)
