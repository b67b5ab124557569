"""The services' images in ECR, and the registry's password."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from driver.cloud.aws import Aws, ClientError, explained
from driver.transport.endpoint import ROLES

IMAGES = (*ROLES.values(), "guard")
"""The images of a stack: one for each service, and the idle guard's."""


@dataclass(frozen=True, slots=True)
class Image:
    """One service's image: its full name in the registry, and whether it exists."""

    role: str
    reference: str
    pushed: bool


def images_of(aws: Aws, name: str, tag: str) -> list[Image]:
    """Return the images of a stack under one tag; their repositories must exist."""
    with explained():
        return [_image(aws, f"{name}/{role}", role, tag) for role in IMAGES]


def registry_password(aws: Aws) -> str:
    """Return a password for the account's registry, for user AWS."""
    with explained():
        (data,) = aws.ecr.get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]


def _image(aws: Aws, repository: str, role: str, tag: str) -> Image:
    (found,) = aws.ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    return Image(role, f"{found['repositoryUri']}:{tag}", _is_pushed(aws, repository, tag))


def _is_pushed(aws: Aws, repository: str, tag: str) -> bool:
    try:
        return bool(
            aws.ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])[
                "imageDetails"
            ]
        )
    except ClientError as exc:
        if exc.response.get("Error", {}).get("Code") == "ImageNotFoundException":
            return False
        raise
