"""Waits, in the middle of a run, for new credentials when those of AWS have ended.

SSO sessions, assumed roles and the keys of courses end after hours. A run that needs AWS then waits
for the user to sign in again; tasks that run have credentials of their own, and go on.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from driver.cloud.aws import Aws, explained
from driver.cloud.patient_storage import PatientStorage
from driver.plan import events
from driver.plan.events import Observer
from driver.transport.endpoint import SignInEnded
from mapreduce.errors import FleetError
from mapreduce.storage import Storage

LOOK_S = 5
"""Seconds between looks for new credentials."""
TICK_S = 1.0
"""Seconds in which Ctrl-C ends the wait."""


class SignIn:
    """Waits for a sign-in, in the thread whose request has failed.

    Args:
        aws: the session, which reads new credentials.
        account: the number of the account that the run uses; "" if any will do.
        emit: receives that the run is paused, and that it goes on.
        limit_s: how long to wait.
        interrupted: whether the user has ended the run.
        now: a clock, in seconds.
        pause: waits for a number of seconds.
    """

    def __init__(
        self,
        aws: Aws,
        account: str,
        emit: Observer,
        limit_s: float,
        interrupted: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._aws = aws
        self._account = account
        self._emit = emit
        self._limit_s = limit_s
        self._interrupted = interrupted
        self._now = now
        self._pause = pause
        self._one_at_a_time = threading.Lock()

    def renewed(self, seen: int) -> bool:
        """Return whether a request that has failed may succeed with other credentials, after a wait
        for them; False when the credentials were not the cause.

        Args:
            seen: the session's `renewals` when the request was made.

        Raises:
            SignInEnded: there were no new credentials in time, or the user has ended the run.
        """
        with self._one_at_a_time:
            if self._aws.renewals != seen:
                return True
            try:
                self._check()
            except SignInEnded as exc:
                if not self._works_anew():
                    self._wait(str(exc))
                return True
            except FleetError:
                return False  # AWS cannot be asked: the request's own error says more
            return False

    def _check(self) -> None:
        """Ask AWS whose the credentials are; raises `SignInEnded`, or another `FleetError`."""
        with explained():
            account = self._aws.sts.get_caller_identity()["Account"]
        if self._account and account != self._account:
            raise SignInEnded(
                f"the AWS credentials are those of account {account}, and the stack is in account "
                f"{self._account}; sign in to that account"
            )

    def _works_anew(self) -> bool:
        """Read the credentials anew; return whether those of now work.

        New keys may take some seconds to work: they are asked for again, also when they are not
        newer than at the last look.
        """
        self._aws.renew()
        try:
            self._check()
        except FleetError:
            return False
        return True

    def _wait(self, why: str) -> None:
        began = self._now()
        if self._interrupted():
            raise SignInEnded(why)
        self._emit(events.SignInNeeded(at=time.time(), why=why, limit_s=self._limit_s))
        ticks = 0
        while self._now() - began < self._limit_s and not self._interrupted():
            self._pause(TICK_S)
            ticks += 1
            if ticks % LOOK_S == 0 and self._works_anew():
                self._emit(events.SignedIn(at=time.time(), seconds=self._now() - began))
                return
        raise SignInEnded(f"{why}; then run the same command again, which continues the run")


@contextmanager
def patient(
    storage: Storage, aws: Aws, account: str, emit: Observer, limit_s: float
) -> Iterator[None]:
    """Let requests to a store wait for a sign-in within the block, which runs in an asyncio task.

    Ctrl-C cancels the task, and that ends the wait.
    """
    task = asyncio.current_task()
    sign_in = SignIn(
        aws, account, emit, limit_s, interrupted=lambda: task is not None and task.cancelling() > 0
    )
    if not isinstance(storage, PatientStorage):
        yield
        return
    with storage.waiting_for(sign_in.renewed):
        yield
