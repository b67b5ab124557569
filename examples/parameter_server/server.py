"""One server: its range and its calls over gRPC, and `/health` and `/metrics` over HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI, Response

from examples.parameter_server.change import Change
from examples.parameter_server.checkpoint import Runs
from examples.parameter_server.coordinator import Coordinator
from examples.parameter_server.core.workers import Workers
from examples.parameter_server.holder import Holder
from examples.parameter_server.metrics import TrainingMetrics
from examples.parameter_server.progress import Progress
from examples.parameter_server.servers import Servers
from examples.parameter_server.settings import ServerSettings
from examples.parameter_server.training import Training
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.client import AsyncPeer
from examples.parameter_server.wire.endpoint import Endpoint, Handler
from mapreduce.storage import Grants, open_storage
from mapreduce.version import VERSION
from services.shell.logs import configure_logs
from services.shell.metrics import CONTENT_TYPE
from services.shell.serve import State, Work, listen, serve
from services.shell.settings import refuse, settings_or_exit
from services.shell.supervisor import own_lifeline

GRACE_S = 1.0
log = structlog.get_logger()


class Server:
    """A server of the deployment; server 0 coordinates it.

    Args:
        settings: from the environment.
        state: of the process.
    """

    def __init__(self, settings: ServerSettings, state: State) -> None:
        self._settings = settings
        self._state = state
        storage = open_storage(Grants(writable=(settings.store,)))
        runs = Runs(storage, settings.store)
        self.metrics = TrainingMetrics(settings.stack)
        self._holder = Holder(runs, state)
        self._training: Training | None = None
        self._coordinator: Coordinator | None = None
        if settings.shard == 0:
            others = [AsyncPeer(address, settings.key) for address in settings.servers[1:]]
            workers, changed = Workers(), Change()
            progress = Progress(settings.total_workers_expected)
            servers = Servers(self._holder, others)
            self._training = Training(servers, runs, state, workers, progress, changed)
            self._coordinator = Coordinator(
                self._holder,
                self._training,
                workers,
                progress,
                changed,
                self.metrics,
                servers=len(servers),
                expected_workers=settings.total_workers_expected,
            )
        self.metrics.watch(lambda: self._holder.version, self._workers)

    def busy(self) -> int:
        """Return 1 while training would lose clocks if the process ended, else 0."""
        part = self._training or self._holder
        return 0 if part.may_end else 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer calls, and carry out runs."""
        endpoint = Endpoint(self._settings.key, self._handlers())
        address = f"{self._settings.server_host}:{self._settings.server_port}"
        await endpoint.start(address)
        log.info("answering calls", address=address, shard=self._settings.shard)
        work = asyncio.create_task(self._work()) if self._training else None
        try:
            yield
        finally:
            await endpoint.stop(GRACE_S)
            if work is not None:
                work.cancel()

    async def _work(self) -> None:
        assert self._training is not None, "server 0 trains"
        try:
            await self._training.work()
        except Exception:
            # the next process goes on from the last cut
            log.exception("training failed in a way that this program does not expect")
            self._state.stop()

    def _handlers(self) -> Mapping[str, Handler]:
        handlers: dict[str, Handler] = {
            "FetchParameters": self._holder.fetch,
            "Restore": self._holder.restore,
            "Checkpoint": self._holder.checkpoint,
            "ShardStatus": self._holder.status,
        }
        if self._coordinator is None:
            return {**handlers, "PushGradients": self._push}
        return {
            **handlers,
            "PushGradients": self._coordinator.push,
            "RegisterWorker": self._coordinator.register,
            "Lease": self._coordinator.lease,
            "JobFinished": self._coordinator.finished,
            "Train": self._coordinator.train,
            "Status": self._coordinator.status,
        }

    async def _push(self, request: ps.PushRequest) -> ps.PushReply:
        verdict = self._holder.push(request)
        self.metrics.push(verdict, request.micro_batch.clock - request.version)
        return ps.PushReply(verdict=verdict)

    def _workers(self) -> int:
        return self._coordinator.worker_count if self._coordinator else 0


def create_app(server: Server, settings: ServerSettings, state: State) -> FastAPI:
    """Return the app of health and metrics, which runs the server beside it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        async with server.running():
            yield

    app = FastAPI(
        title="parameter server", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan
    )

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {
            "ok": True,
            "shard": settings.shard,
            "draining": state.draining,
            "image_tag": settings.image_tag,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(server.metrics.registry.text(), media_type=CONTENT_TYPE)

    return app


def main() -> None:
    """Run a server with the environment's settings until it stops."""
    settings = settings_or_exit(ServerSettings)
    try:
        _check_free(settings.server_host, settings.server_port)
    except OSError as exc:
        refuse("SERVER_PORT", f"{settings.server_port} cannot be used: {exc.strerror}")
    try:
        listening = listen(settings)
    except OSError as exc:
        refuse("PS_PORT", f"{settings.port} cannot be used: {exc.strerror}")
    configure_logs(settings.log_level, f"parameter-server-{settings.shard}")
    state = State()
    server = Server(settings, state)
    serve(
        create_app(server, settings, state),
        settings,
        listening,
        state,
        work=Work(busy=server.busy),
        lifeline=own_lifeline(),
        store=settings.store,
    )


def _check_free(host: str, port: int) -> None:
    """Check that an address can be used: gRPC would say so in the middle of the start.

    Raises:
        OSError: it cannot.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC does
        probe.bind(address)
