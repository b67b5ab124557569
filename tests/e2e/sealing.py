"""Seal the emulator's containers as Fargate does: the emulator ignores these settings of the task
definition.

Docker starts every container through an OCI runtime. The runtime here forwards all commands to
runc. Before that it seals each container that the emulator started for ECS: the root is read-only,
all capabilities are dropped, and the memory is limited to the task's.
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RUNTIME = """#!{python} -I
import os, sys
sys.path.insert(0, {folder!r})
from {module} import seal_bundle
if "create" in sys.argv:
    bundle = sys.argv[sys.argv.index("--bundle") + 1] if "--bundle" in sys.argv else "."
    seal_bundle(bundle, {host!r})
os.execvp("runc", ["runc", *sys.argv[1:]])
"""
MARK = "ECS_CONTAINER_METADATA_URI_V4="
TARGET = "AmazonEC2ContainerServiceV20141113.DescribeTasks"
TIMEOUT_S = 10.0
CAPABILITIES = ("bounding", "effective", "permitted", "inheritable", "ambient")


def write_runtime(path: Path, host: str) -> Path:
    """Write the program with which Docker starts containers.

    Args:
        path: of the program.
        host: the address at which the emulator will listen.
    """
    text = RUNTIME.format(
        python=sys.executable,
        folder=str(Path(__file__).parent),
        module=Path(__file__).stem,
        host=host,
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def seal_bundle(folder: str, host: str) -> None:
    """Change the configuration of a container of ECS before it is created."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_bytes())
    for variable in config["process"].get("env", ()):
        if variable.startswith(MARK):
            memory_mb = task_memory_mb(variable.removeprefix(MARK), host)
            path.write_text(json.dumps(sealed(config, memory_mb)))


def sealed(config: dict[str, Any], memory_mb: int) -> dict[str, Any]:
    """Return the configuration with a read-only root, no capability, and the memory that the task
    has on Fargate.
    """
    process = config["process"] | {"capabilities": {kind: [] for kind in CAPABILITIES}}
    limit = {"memory": {"limit": memory_mb << 20}}
    resources = config["linux"].get("resources", {}) | limit
    return config | {
        "process": process,
        "root": config["root"] | {"readonly": True},
        "linux": config["linux"] | {"resources": resources},
    }


def task_memory_mb(metadata: str, host: str) -> int:
    """Return the memory of a task, of its containers together, in MiB.

    Args:
        metadata: the address at which a container asks about itself, by a name that only
            containers know.
        host: the emulator's address on this machine.
    """
    url = urlsplit(metadata)
    connection = HTTPConnection(host, url.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{url.path}/task")
        task = json.load(connection.getresponse())
        question = {"cluster": task["Cluster"], "tasks": [task["TaskARN"]]}
        headers = {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1"}
        connection.request("POST", "/", json.dumps(question), headers)
        return int(json.load(connection.getresponse())["tasks"][0]["memory"])
    finally:
        connection.close()
