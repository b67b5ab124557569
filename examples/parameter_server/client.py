"""Server 0 as the command line sees it: begin a run, follow it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from pydantic import ValidationError

from examples.parameter_server.core.spec import RunSpec, RunStatus
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.client import Peer
from mapreduce.errors import FleetError, TaskLost

CALL_S = 10.0
POLL_S = 0.1
PATIENCE_S = 120.0
"""A server that is replaced on Fargate answers again within a minute or so."""


class Client:
    """Server 0.

    Args:
        address: host:port.
        key: the signing key.
        find: returns the address anew while the server does not answer: a task that was replaced
            has another. None: it stays.
    """

    def __init__(self, address: str, key: str, find: Callable[[], str] | None = None) -> None:
        self._peer = Peer(address, key)
        self._key = key
        self._find = find

    def status(self) -> RunStatus:
        """Return the status of the present or the last run; errors as of `Peer.call`."""
        reply = self._peer.call(ps.StatusRequest(), ps.StatusReply, CALL_S)
        try:
            return RunStatus.model_validate_json(reply.status)
        except ValidationError as exc:
            raise FleetError(
                f"the server at {self._peer.address} answers as another version does; deploy again"
            ) from exc

    def begin(self, spec: RunSpec, patience_s: float = PATIENCE_S, *, abandon: bool = False) -> str:
        """Begin a run, or find the same one in progress; return its name.

        Args:
            spec: the run.
            patience_s: how long the server may be silent.
            abandon: give up a run in progress, the same one too.

        Raises:
            UsageError: the server refuses the run, or has another in progress.
            FleetError: it does not answer.
        """
        end_s = time.monotonic() + patience_s
        while (found := self._patiently(patience_s)).state == "starting":
            if time.monotonic() > end_s:
                raise FleetError(found.problem or "the server does not find its store")
            time.sleep(POLL_S)
        is_busy = found.state in ("waiting", "training", "writing")
        if is_busy and found.spec == spec and not abandon:
            return found.run  # an earlier command has begun it
        # sent once: the server may have begun the run although no answer came
        request = ps.TrainRequest(spec=spec.model_dump_json(), abandon=abandon)
        return self._peer.call(request, ps.TrainReply, CALL_S).run

    def follow(
        self,
        run: str,
        tell: Callable[[RunStatus], None] = lambda _: None,
        patience_s: float = PATIENCE_S,
    ) -> RunStatus:
        """Return the status of a run at its end.

        Args:
            run: the run's name.
            tell: called with each status on the way.
            patience_s: how long the server may be silent.

        Raises:
            FleetError: the server does not answer, or has another run.
        """
        while True:
            status = self._patiently(patience_s)
            if status.run == run:
                tell(status)
            elif status.run:
                raise FleetError(f"the server has begun run {status.run}; {run} is over")
            if status.run == run and status.state in ("done", "failed"):
                return status
            time.sleep(POLL_S)

    def train(
        self,
        spec: RunSpec,
        tell: Callable[[RunStatus], None] = lambda _: None,
        *,
        abandon: bool = False,
    ) -> RunStatus:
        """Begin a run and follow it to its end; `abandon` as of `begin`."""
        return self.follow(self.begin(spec, abandon=abandon), tell)

    def close(self) -> None:
        """Close the connection."""
        self._peer.close()

    def _patiently(self, patience_s: float) -> RunStatus:
        end_s = time.monotonic() + patience_s
        while True:
            try:
                return self.status()
            except TaskLost as exc:
                if time.monotonic() > end_s:
                    raise FleetError(
                        f"{exc}; is the server up? its log says more, and the command goes on when "
                        "you repeat it"
                    ) from exc
                self._look_again()
            time.sleep(POLL_S)

    def _look_again(self) -> None:
        if self._find is None:
            return
        with suppress(FleetError):  # no task runs at the moment
            address = self._find()
            if address != self._peer.address:
                self._peer.close()
                self._peer = Peer(address, self._key)
