"""The driver's own command line, with a proxy before each service that does what the environment says.

MAPREDUCE_TEST_NETWORK='{"kind": "reset", "seed": 1, "log": "/path"}' python -m tests.faults.proxied_driver run ...
"""

from __future__ import annotations

import asyncio
import os
import runpy
from types import TracebackType

from driver.fleet import local
from driver.fleet.base import Endpoint
from mapreduce.messages import StageName
from tests.faults.network import Network, Proxy, Trouble

VARIABLE = "MAPREDUCE_TEST_NETWORK"


class ProxiedFleet(local.LocalFleet):
    """The local fleet, of which the driver sees only the proxies."""

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

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(proxy.close() for proxy in self._proxies.values()))
        await super().__aexit__(kind, exc, trace)

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        behind = await super().endpoints(stage)
        proxies = [self._proxies[endpoint.name] for endpoint in behind]
        return [proxy.endpoint for proxy in proxies if not proxy.gone]

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"drain_s": self._network.trouble.drain_s}


if __name__ == "__main__":
    local.LocalFleet = ProxiedFleet  # type: ignore[misc]
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
