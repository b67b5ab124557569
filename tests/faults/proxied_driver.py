"""The driver's command line, with a faulty proxy in front of each service; the environment has the
settings.

MAPREDUCE_TEST_NETWORK='{"kind": "reset", "seed": 1, "log": "/path"}' python -m
tests.faults.proxied_driver run ...
"""

from __future__ import annotations

import asyncio
import os
import random
import runpy
from collections.abc import AsyncGenerator
from typing import ClassVar

from driver.plan.tasks import AnyTask
from driver.targets import local_fleet as local
from driver.transport import http as client
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.wire.messages import AnyEvent, StageName
from tests.faults.network import Network, Proxy, Trouble

VARIABLE = "MAPREDUCE_TEST_NETWORK"


class ProxiedFleet(local.LocalFleet):
    """The local fleet, whose endpoints are the proxies."""

    refresh_s = 0.25

    def __init__(self, config: local.LocalFleetConfig) -> None:
        super().__init__(config)
        self._network = Network(Trouble.model_validate_json(os.environ.get(VARIABLE, "{}")))
        self._proxies: dict[str, Proxy] = {}

    async def __aenter__(self) -> ProxiedFleet:
        await super().__aenter__()
        for stage in ("split", "map", "reduce"):
            for endpoint in await super().endpoints(stage):
                self._proxies[endpoint.name] = await self._network.before(endpoint)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*(proxy.close() for proxy in self._proxies.values()))
        await super().__aexit__(*exc)

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        if self._network.trouble.kind == "look" and self._network.fails():
            self._network.say("a look-up of the fleet failed")
            raise OSError("the network is unreachable")
        behind = await super().endpoints(stage)
        proxies = [self._proxies[endpoint.name] for endpoint in behind]
        return [proxy.endpoint for proxy in proxies if not proxy.gone]

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"drain_s": self._network.trouble.drain_s}


class OddTransport(HttpTransport):
    """Sometimes raises an exception that a transport must not raise."""

    network: ClassVar[Network]

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        if task.stage != "split" and self.network.fails():
            self.network.say("an unforeseen exception")
            raise random.choice(
                (KeyError("odd"), UnicodeError("odd"), AssertionError(), OSError(5, "odd"))
            )
        async for event in super().run(endpoint, task, heard):
            yield event


if __name__ == "__main__":
    trouble = Trouble.model_validate_json(os.environ.get(VARIABLE, "{}"))
    if trouble.kind == "odd":
        OddTransport.network = Network(trouble)
        client.HttpTransport = OddTransport  # type: ignore[misc]
    local.LocalFleet = ProxiedFleet  # type: ignore[misc]
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
