"""The services' images in ECR with their digests, and the registry's password."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from driver.cloud.aws import Aws, ClientError, explained
from mapreduce.errors import FleetError


@dataclass(frozen=True, slots=True)
class Image:
    """One service's image: its full name in the registry, and its digest there if it exists."""

    role: str
    reference: str
    digest: str | None

    @property
    def state(self) -> str:
        """`there` with the digest, or `missing`."""
        return f"there {self.digest}" if self.digest else "missing"


def images_of(aws: Aws, roles: Iterable[str], name: str, tag: str) -> list[Image]:
    """Return the images of a stack under one tag; their repositories must exist."""
    with explained():
        return [_image(aws, f"{name}/{role}", role, tag) for role in roles]


def digests_of(images: Iterable[Image], deploy: str) -> dict[str, str]:
    """Return the digests of images by role.

    Args:
        images: the images.
        deploy: the command that pushes them.

    Raises:
        FleetError: an image is missing.
    """
    found = {}
    for image in images:
        if image.digest is None:
            raise FleetError(f"{image.reference} is not in the registry; run {deploy}")
        found[image.role] = image.digest
    return found


def registry_password(aws: Aws) -> str:
    """Return a password for the account's registry, for user AWS."""
    with explained():
        (data,) = aws.ecr.get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]


def _image(aws: Aws, repository: str, role: str, tag: str) -> Image:
    (found,) = aws.ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    return Image(role, f"{found['repositoryUri']}:{tag}", _digest(aws, repository, tag))


def _digest(aws: Aws, repository: str, tag: str) -> str | None:
    """Return the digest that a tag names, or None if there is no such tag."""
    try:
        details = aws.ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])[
            "imageDetails"
        ]
    except ClientError as exc:
        if exc.response.get("Error", {}).get("Code") == "ImageNotFoundException":
            return None
        raise
    return str(details[0]["imageDigest"]) if details else None
