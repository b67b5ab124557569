"""The base images that the Dockerfiles name, and their digests there; asks no registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mapreduce.errors import UsageError

DOCKER_HUB = "registry-1.docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ARGUMENT = re.compile(r"^ARG (\w+_IMAGE)=(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image as an `ARG` line of a Dockerfile names it: its name with tag, and a digest."""

    argument: str
    tagged: str
    digest: str | None

    @property
    def reference(self) -> str:
        """The whole name, with the digest if there is one."""
        return f"{self.tagged}@{self.digest}" if self.digest else self.tagged

    @property
    def registry(self) -> str:
        """The registry's host; Docker Hub's for a name without one."""
        host, slash, _ = self.tagged.partition("/")
        return host if slash and _is_host(host) else DOCKER_HUB

    @property
    def repository(self) -> str:
        """The repository in its registry."""
        name = self.tagged.rpartition(":")[0]
        host, slash, rest = name.partition("/")
        if slash and _is_host(host):
            return rest
        return name if slash else f"library/{name}"

    @property
    def tag(self) -> str:
        """The tag."""
        return self.tagged.rpartition(":")[2]


def dockerfiles(root: Path) -> list[Path]:
    """Return the Dockerfiles of all images, those of the examples too."""
    patterns = ("driver/Dockerfile", "services/*/Dockerfile", "examples/**/Dockerfile")
    return sorted(file for pattern in patterns for file in root.glob(pattern))


def base_images(texts: Iterable[str]) -> list[BaseImage]:
    """Return the base images that Dockerfiles name, each once.

    Raises:
        UsageError: a name has no tag, or its digest is none.
    """
    found = {}
    for text in texts:
        for argument, reference in _ARGUMENT.findall(text):
            image = _parsed(argument, reference)
            found[image.argument, image.reference] = image
    return list(found.values())


def with_digests(text: str, digests: Mapping[str, str]) -> str:
    """Return a Dockerfile whose base images have these digests.

    Args:
        text: the Dockerfile.
        digests: by name with tag; an image that is not among them stays as it is.
    """

    def line(found: re.Match[str]) -> str:
        image = _parsed(found[1], found[2])
        digest = digests.get(image.tagged)
        return f"ARG {image.argument}={image.tagged}@{digest}" if digest else found[0]

    return _ARGUMENT.sub(line, text)


def not_replaced(images: Iterable[BaseImage], build_options: str) -> list[BaseImage]:
    """Return the base images that no `--build-arg` among the build options replaces."""
    words = build_options.replace("--build-arg=", "--build-arg ").split()
    return [one for one in images if not _is_set(one.argument, words)]


def _is_set(argument: str, words: Sequence[str]) -> bool:
    return any(word.startswith(f"{argument}=") for word in words)


def _parsed(argument: str, reference: str) -> BaseImage:
    tagged, at, digest = reference.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise UsageError(f"in a Dockerfile: {argument}={reference}: {digest} is no digest")
    if ":" not in tagged.rpartition("/")[2]:
        raise UsageError(
            f"in a Dockerfile: {argument}={reference} has no tag; write one before the digest"
        )
    return BaseImage(argument, tagged, digest or None)


def _is_host(word: str) -> bool:
    return "." in word or ":" in word or word == "localhost"
