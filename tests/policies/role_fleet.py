"""The local services, each role with an environment and a scratch folder of its own, as in AWS.

MAPREDUCE_TEST_SPLITTER, ..._MAPPER and ..._REDUCER hold the variables of a role as JSON: the
endpoint of S3, or credentials. `role_driver` starts it in place of services.local_fleet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from services import local_fleet


def variables_of(roles: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the driver's variables that give each role its variables."""
    return {_name(role): json.dumps(dict(given)) for role, given in roles.items()}


def _name(role: str) -> str:
    return f"MAPREDUCE_TEST_{role.upper()}"


class RoleSupervisor(local_fleet.Supervisor):
    """Gives each service the variables and the folder of its role: none finds the code that
    another has fetched.
    """

    def _become(self, service: local_fleet.ServiceSpec, lifeline: int) -> NoReturn:
        os.environ.update(json.loads(os.environ[_name(service.role)]))
        scratch = Path(self._spec.settings["scratch"]) / service.role
        scratch.mkdir(exist_ok=True)
        settings = self._spec.settings | {"scratch": str(scratch)}
        self._spec = self._spec.model_copy(update={"settings": settings})
        super()._become(service, lifeline)


if __name__ == "__main__":
    local_fleet.Supervisor = RoleSupervisor  # type: ignore[misc]
    local_fleet.main()
    os._exit(0)  # as services.local_fleet does
