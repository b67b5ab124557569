"""The sizes of a system's images in the registry, and of the layers that they share."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e.log import Note, StepFailed
from tests.e2e.machine import Engine

ACCEPT = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json"
)


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in the registry: the digest and compressed size of each layer, and the whole size
    uncompressed, in bytes.
    """

    layers: tuple[tuple[str, int], ...]
    size: int


def measure(
    engine: Engine,
    registry: str,
    repositories: Sequence[str],
    tag: str,
    base: str,
    note: Note,
    *,
    most_mb: Mapping[str, int] | None = None,
    same: bool = False,
) -> None:
    """Note the sizes of the images, and check them.

    Args:
        engine: that has built them.
        registry: its host and port.
        repositories: names in the registry, STACK/ROLE.
        tag: of all images.
        base: name of the image that they are built on.
        note: of the step.
        most_mb: by role, how much an image may have above the base image.
        same: whether all must have the same layers.

    Raises:
        StepFailed: they do not, or one is larger.
    """
    pushed = {name: _pushed(engine, registry, name, tag) for name in repositories}
    base_size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", base))
    base_layers = len(
        json.loads(engine.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", base))
    )
    for name, image in pushed.items():
        compressed = sum(size for _, size in image.layers)
        own = sum(size for _, size in image.layers[base_layers:])
        note(
            f"{name.rpartition('/')[2]}: {_mb(image.size)} ({_mb(compressed)} compressed) in "
            f"{len(image.layers)} layers; "
            f"above the base image {_mb(image.size - base_size)} ({_mb(own)} compressed)"
        )
        check_size(name, image.size - base_size, most_mb or {})
    if not same:
        return
    if len({image.layers for image in pushed.values()}) != 1:
        raise StepFailed("the images are not the same layers")
    note(f"all layers are the same in all {len(pushed)}; only their configuration differs")


def check_size(repository: str, above: int, most_mb: Mapping[str, int]) -> None:
    """Check how much an image has above its base image, in bytes; raises `StepFailed`."""
    most = most_mb.get(repository.rpartition("/")[2])
    if most is not None and above > most * 1e6:
        raise StepFailed(f"{repository} has {_mb(above)} above the base image, and may have {most}")


def bills(engine: Engine, repository: Path, registry: str, tag: str, folder: Path) -> str:
    """Write the bills of materials of the images of a service, the guard and the driver; return
    what they list.

    Raises:
        StepFailed: a bill lists no package of the image.
    """
    names = [f"{registry}/{role}:{tag}" for role in ("mapper", "guard", "driver")]
    python = repository / ".venv" / "sbom-env" / "bin" / "python"
    shell = replace(engine.shell, folder=repository)
    shell.run(python, "-m", "requirements.sbom", "--image", *names, "--folder", folder)
    found = []
    for file in sorted(folder.glob("*.json")):
        listed = {part["name"] for part in json.loads(file.read_text())["components"]}
        found.append(f"{file.name} {len(listed)} components")
        if not listed & {"boto3", "fastapi"}:
            raise StepFailed(f"{file.name} lists neither fastapi nor boto3")
    return ", ".join(found)


def _pushed(engine: Engine, registry: str, repository: str, tag: str) -> Pushed:
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT}
    )
    with urllib.request.urlopen(request) as answer:
        manifest: dict[str, Any] = json.load(answer)
    layers = tuple((layer["digest"], int(layer["size"])) for layer in manifest["layers"])
    local = f"{registry}/{repository}:{tag}"
    return Pushed(layers, int(engine.docker("image", "inspect", "--format", "{{.Size}}", local)))


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
