"""Seal the emulator's containers as Fargate does: the emulator ignores these settings of the task
definition.

Docker starts every container through an OCI runtime. The runtime here forwards all commands to
runc. Before that it seals each container that the emulator started for ECS: the root is read-only,
all capabilities are dropped, and the memory is limited to the task's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RUNTIME = """#!{python} -I
import os, sys
sys.path.insert(0, {folder!r})
from {module} import seal_bundle
if "create" in sys.argv:
    seal_bundle(sys.argv[sys.argv.index("--bundle") + 1] if "--bundle" in sys.argv else ".")
os.execvp("runc", ["runc", *sys.argv[1:]])
"""
MARK = "ECS_CONTAINER_METADATA_URI_V4="
MEMORY = "MAPREDUCE_MEMORY_MB="
CAPABILITIES = ("bounding", "effective", "permitted", "inheritable", "ambient")


def write_runtime(path: Path) -> Path:
    """Write the program with which Docker starts containers."""
    text = RUNTIME.format(
        python=sys.executable, folder=str(Path(__file__).parent), module=Path(__file__).stem
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def seal_bundle(folder: str) -> None:
    """Change the configuration of a container of ECS before it is created."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_bytes())
    if any(variable.startswith(MARK) for variable in config["process"].get("env", ())):
        path.write_text(json.dumps(sealed(config)))


def sealed(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with a read-only root, no capability, and the memory that the task
    has on Fargate.
    """
    process = config["process"] | {"capabilities": {kind: [] for kind in CAPABILITIES}}
    resources = dict(config["linux"].get("resources", {}))
    for variable in process["env"]:
        if variable.startswith(MEMORY):
            resources["memory"] = {"limit": int(variable.removeprefix(MEMORY)) << 20}
    return config | {
        "process": process,
        "root": config["root"] | {"readonly": True},
        "linux": config["linux"] | {"resources": resources},
    }
