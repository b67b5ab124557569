"""A worker that breaks now and then: `python -m tests.faults.systems.parameter_server.worker`.

Arguments: the fault, the file where each injection adds a line, one in how many micro-batches
breaks, and the servers' addresses.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from examples.parameter_server.numerics import pin

pin()  # before NumPy is imported

import numpy as np  # noqa: E402

from examples.parameter_server import worker as product  # noqa: E402
from examples.parameter_server.core.update import Vector  # noqa: E402
from examples.parameter_server.data import Rows  # noqa: E402
from examples.parameter_server.settings import Settings  # noqa: E402
from examples.parameter_server.wire import ps_pb2 as ps  # noqa: E402
from examples.parameter_server.wire.calls import OldGeneration  # noqa: E402
from mapreduce.errors import MapReduceError  # noqa: E402
from services.shell.logs import configure_logs  # noqa: E402
from services.shell.serve import end_with  # noqa: E402
from services.shell.supervisor import own_lifeline  # noqa: E402

HUNG_S = 3.0
SLOW_S = 0.4
STRUCK_BY = 10  # the chance of a worker to strike that it takes, if none of them has struck before


class Breaker:
    """Decides when to break, and records that it does: by chance, and once in any case."""

    def __init__(self, fault: str, record: Path, one_in: int) -> None:
        self._fault = fault
        self._record = record
        self._one_in = one_in
        self._chances = 0

    def strikes(self, fault: str) -> bool:
        """Return whether to break now."""
        if fault != self._fault:
            return False
        self._chances += 1
        is_last = self._chances == STRUCK_BY and not self._record.stat().st_size
        if random.randrange(self._one_in) and not is_last:
            return False
        with self._record.open("a") as file:
            file.write(f"{fault}\n")
        return True

    def kill(self, fault: str) -> None:
        """End this process at once, if it is to break now."""
        if self.strikes(fault):
            os.kill(os.getpid(), signal.SIGKILL)


class BrokenModel:
    """A model that is slow, hangs, dies, or gives no number."""

    def __init__(self, model: Any, breaker: Breaker) -> None:
        self._model = model
        self._breaker = breaker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def gradient(self, theta: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the model's gradient, or break."""
        self._breaker.kill("killed before its push")
        if self._breaker.strikes("hung"):
            time.sleep(HUNG_S)
        if self._breaker.strikes("slow"):
            time.sleep(SLOW_S)
        loss, gradient = self._model.gradient(theta, rows)
        if self._breaker.strikes("NaN gradient"):
            return loss, np.where(np.arange(len(gradient)) % 2, gradient, np.nan)
        return loss, gradient


class BrokenAssignment(product.Assignment):
    """An assignment whose pushes break."""

    breaker: Breaker

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._model = BrokenModel(self._model, self.breaker)

    def _commit(
        self, lease: ps.LeaseReply, request: ps.PushRequest, residual: Vector | None = None
    ) -> ps.LeaseReply:
        self.breaker.kill("killed between its pushes")
        if self.breaker.strikes("generation of before"):
            self._push_of_before(lease, request)
        reply = super()._commit(lease, request, residual)
        self.breaker.kill("killed after its push")
        if self.breaker.strikes("push's answer lost"):
            return super()._commit(lease, request, residual)
        return reply

    def _push_of_before(self, lease: ps.LeaseReply, request: ps.PushRequest) -> None:
        old = ps.PushRequest()
        old.CopyFrom(request)
        self._address(old, lease)
        old.generation.number -= 1
        try:
            self._peers[0].call(old, ps.PushReply, product.CALL_S)
        except OldGeneration:
            return
        raise AssertionError("a push of the generation before was taken")

    def _address(self, request: ps.PushRequest, lease: ps.LeaseReply) -> None:
        super()._address(request, lease)
        length = len(request.values.data) // 8
        if self.breaker.strikes("NaN pushed"):
            request.values.data = np.full(length, np.nan).tobytes()
        elif self.breaker.strikes("wrong length"):
            request.values.data = request.values.data[8:]
            request.values.shape[:] = [max(0, length - 1)]
        elif self.breaker.strikes("wrong type"):
            request.values.dtype = "|O"
        elif self.breaker.strikes("too large"):
            request.values.data = bytes(70 << 20)


def main() -> None:
    """Work, and break."""
    fault, record, one_in, addresses = sys.argv[1:]
    settings = Settings(PARAMETER_SERVER_ADDRESS=addresses)
    configure_logs(settings.log_level, "worker")
    end_with(own_lifeline())
    BrokenAssignment.breaker = Breaker(fault, Path(record), int(one_in))
    name = product.worker_name()
    worker = product.Worker(name, settings.servers, settings.key, BrokenAssignment)
    try:
        worker.run()
    except MapReduceError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
