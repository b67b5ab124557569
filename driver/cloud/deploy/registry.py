"""An image registry, asked for the digest of a tag by the registry API, version 2, without a login.

It pulls no image.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from driver.cloud.deploy.base_images import DOCKER_HUB, BaseImage
from mapreduce.errors import FleetError

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ARCHITECTURES = frozenset({"amd64", "arm64"})
TIMEOUT_S = 20
MANIFEST_BYTES = 4 << 20  # the size up to which a registry must accept a manifest
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_FIELD = re.compile(r'(\w+)="([^"]*)"')


def digest_of(image: BaseImage) -> str:
    """Return the digest of the index that an image's tag names now.

    An index names the image of each architecture, so one digest suits all of them. The digest is
    computed from the index, and not taken from the registry's word.

    Raises:
        FleetError: the registry cannot be reached, refuses, or has no image for each architecture.
    """
    url = f"{_origin(image.registry)}/v2/{image.repository}/manifests/{image.tag}"
    kind, body = _manifest(url, image)
    if kind not in INDEX_TYPES:
        raise FleetError(f"{image.tagged} is an image of one architecture ({kind}), and no index")
    missing = ARCHITECTURES - _architectures(image, body)
    if missing:
        raise FleetError(f"{image.tagged} has no image for {', '.join(sorted(missing))}")
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _manifest(url: str, image: BaseImage) -> tuple[str, bytes]:
    """Return type and bytes of a manifest; answer one challenge for a token."""
    headers = {"Accept": ", ".join(INDEX_TYPES)}
    try:
        return _get(url, headers)
    except urllib.error.HTTPError as exc:
        challenge = exc.headers.get("WWW-Authenticate", "")
        if exc.code != 401 or not challenge.lower().startswith("bearer "):
            raise FleetError(_refusal(image, exc)) from exc
    except (OSError, ValueError) as exc:
        raise FleetError(_unreachable(image, exc)) from exc
    try:
        token = _token(challenge, image)
        return _get(url, headers | {"Authorization": f"Bearer {token}"})
    except urllib.error.HTTPError as exc:
        raise FleetError(_refusal(image, exc)) from exc
    except (OSError, ValueError) as exc:
        raise FleetError(_unreachable(image, exc)) from exc


def _token(challenge: str, image: BaseImage) -> str:
    """Return the anonymous token that a challenge offers."""
    fields = dict(_FIELD.findall(challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://") and urlsplit(realm).hostname not in _LOOPBACK:
        raise FleetError(f"{image.registry} offers a token without TLS: {realm or 'no realm'}")
    fields.setdefault("scope", f"repository:{image.repository}:pull")
    query = urlencode({name: fields[name] for name in ("service", "scope") if name in fields})
    _, body = _get(f"{realm}?{query}", {})
    answer: dict[str, Any] = json.loads(body)
    return str(answer.get("token") or answer.get("access_token") or "")


def _get(url: str, headers: Mapping[str, str]) -> tuple[str, bytes]:
    request = urllib.request.Request(url, headers=dict(headers))
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return answer.headers.get_content_type(), answer.read(MANIFEST_BYTES)


def _architectures(image: BaseImage, body: bytes) -> set[str]:
    try:
        manifests = json.loads(body)["manifests"]
        platforms = [one.get("platform") or {} for one in manifests]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise FleetError(f"{image.registry} answered no index for {image.tagged}") from exc
    return {str(one.get("architecture")) for one in platforms if one.get("os") == "linux"}


def _origin(registry: str) -> str:
    """Return a registry's address; without TLS only on loopback, as Docker has it."""
    scheme = "http" if registry.rpartition(":")[0] in _LOOPBACK else "https"
    return f"{scheme}://{registry}"


def _refusal(image: BaseImage, exc: urllib.error.HTTPError) -> str:
    remedy = "correct the name in its Dockerfile" if exc.code in (401, 403, 404) else ""
    if exc.code == 429:
        hint = ", or take the image from public.ecr.aws" if image.registry == DOCKER_HUB else ""
        remedy = f"too many requests; try again later{hint}"
    return f"{image.registry} answers {exc.code} for {image.tagged}; {remedy or 'try again later'}"


def _unreachable(image: BaseImage, exc: Exception) -> str:
    return f"the registry {image.registry} cannot be asked for {image.tagged}: {exc}"
