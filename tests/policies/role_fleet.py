"""The local services, each role with an environment and a scratch folder of its own, as in AWS.

MAPREDUCE_TEST_SPLITTER, ..._MAPPER and ..._REDUCER hold the variables of a role as JSON: the
endpoint of S3, or credentials. `role_driver` starts it in place of services.local_fleet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from services import local_fleet

if TYPE_CHECKING:
    from services.stage.serve import AppFactory


def variables_of(roles: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the driver's variables that give each role its variables."""
    return {_name(role): json.dumps(dict(given)) for role, given in roles.items()}


def _name(role: str) -> str:
    return f"MAPREDUCE_TEST_{role.upper()}"


def serve_role(
    service: local_fleet.ServiceSpec,
    spec: local_fleet.FleetSpec,
    app: AppFactory,
    listening: int,
    lifeline: int,
) -> None:
    """Give a service the variables and the folder of its role: none finds the code that another has
    fetched.
    """
    os.environ.update(json.loads(os.environ[_name(service.role)]))
    scratch = Path(spec.settings["scratch"]) / service.role
    scratch.mkdir(exist_ok=True)
    own = spec.model_copy(update={"settings": spec.settings | {"scratch": str(scratch)}})
    _serve_one(service, own, app, listening, lifeline)


_serve_one = local_fleet.serve_one

if __name__ == "__main__":
    local_fleet.serve_one = serve_role
    local_fleet.main()
    os._exit(0)  # as services.local_fleet does
