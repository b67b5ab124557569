"""The names that the router and the model servers share: paths, headers, and keys in the store.

The paths are those of the Open Inference Protocol, version 2, over HTTP.
"""

from __future__ import annotations

import re

SERVED_BY = "served-by"
"""The header that names the task and the container which answered."""
LIVE = "/v2/health/live"
READY = "/v2/health/ready"
SERVER = "/v2"
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""A model's name or version: a part of a path, of an object's key and of a DNS name alike."""


def model_path(name: str, version: str | None = None) -> str:
    """Return the path of a model's metadata, of one version or of the one that is served."""
    return f"/v2/models/{name}" + (f"/versions/{version}" if version else "")


def infer_path(name: str, version: str | None = None) -> str:
    """Return the path that answers inference requests."""
    return model_path(name, version) + "/infer"


def manifest_url(store: str, name: str, version: str) -> str:
    """Return the URL of the object that describes one version of a model."""
    return f"{store.rstrip('/')}/models/{name}/{version}/model.json"


def file_url(store: str, name: str, version: str, sha256: str) -> str:
    """Return the URL of a model's file, which its digest names."""
    return f"{store.rstrip('/')}/models/{name}/{version}/{sha256}.onnx"
