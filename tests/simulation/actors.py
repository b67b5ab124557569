"""Actors in virtual time: threads of which one runs at a time, until it sleeps or ends.

Blocking code, as that over a store, is simulated by them as it is. The order is that of virtual
time, so the same actors always give the same run.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

KILLED = -9


class Killed(BaseException):
    """The process of this actor was killed: unwinds its thread."""


@dataclass(eq=False)
class Process:
    """Actors that are killed and suspended together.

    Attributes:
        name: for messages.
        code: its exit code; None while it runs.
        paused_until: its actors do nothing before this virtual time.
    """

    name: str
    code: int | None = None
    paused_until: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether its actors do nothing more."""
        return self.code == KILLED

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.code = KILLED if self.code is None else self.code


@dataclass(eq=False)
class _Actor:
    process: Process
    thread: threading.Thread
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Actors:
    """Runs actors.

    Args:
        limit_s: virtual seconds after which a simulation counts as hanging.

    Attributes:
        now: the virtual time, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self.now = 0.0
        self._limit_s = limit_s
        self._due: list[tuple[float, int, _Actor]] = []
        self._numbers = count()
        self._back = threading.Semaphore(0)
        self._current: _Actor | None = None
        self._failure: BaseException | None = None

    @property
    def process(self) -> Process:
        """The process whose actor runs now."""
        assert self._current is not None
        return self._current.process

    def start(self, process: Process, work: Callable[[], None], after_s: float = 0.0) -> None:
        """Let an actor of a process begin."""
        thread = threading.Thread(target=self._carry_out, args=(process, work), daemon=True)
        self._push(_Actor(process, thread), self.now + after_s)

    def sleep(self, seconds: float) -> None:
        """Let the others run meanwhile; called by an actor. Raises `Killed`."""
        actor = self._current
        assert actor is not None
        if not actor.process.killed:
            self._push(actor, self.now + seconds)
            self._back.release()
            actor.turn.acquire()
        if actor.process.killed:
            raise Killed

    def run(self) -> bool:
        """Run all actors until they end; return whether they did within the limit.

        Raises:
            BaseException: what an actor has raised, except `Killed`.
        """
        in_time = True
        while self._due:
            at, _, actor = heapq.heappop(self._due)
            if actor.process.paused_until > at and not actor.process.killed:
                self._push(actor, actor.process.paused_until)
                continue
            self.now = max(self.now, at)
            in_time = in_time and self.now <= self._limit_s
            if not in_time or self._failure is not None:
                actor.process.code = KILLED
            self._let(actor)
        if self._failure is not None:
            raise self._failure
        return in_time

    def _let(self, actor: _Actor) -> None:
        """Let an actor go on until it sleeps or ends."""
        if actor.thread.ident is None and actor.process.killed:
            return
        self._current = actor
        if actor.thread.ident is None:
            actor.thread.start()
        else:
            actor.turn.release()
        self._back.acquire()

    def _carry_out(self, process: Process, work: Callable[[], None]) -> None:
        try:
            work()
        except Killed:
            pass
        except BaseException as exc:  # noqa: BLE001 - raised again by `run`
            self._failure = self._failure or exc
            process.kill()
        finally:
            self._back.release()

    def _push(self, actor: _Actor, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), actor))
