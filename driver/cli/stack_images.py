"""`stack base-images`, `image-digests`: what deploy.sh knows images by, and what they are made
from.
"""

from __future__ import annotations

import os
from pathlib import Path

from driver.cli.options import Flag, SystemName
from driver.cli.stack import BUILD_OPTIONS_VARIABLE, ROOT, next_settings
from driver.cli.terminal import answer, say
from driver.program.command_name import COMMAND
from mapreduce.errors import UsageError


def base_images(*, check: Flag = False, missing: Flag = False) -> int:
    """Write the digests of the base images into the Dockerfiles, of the examples too.

    The digests come from the images' registry, without a login. A digest names the index of an
    image, so it suits both architectures. With another base image the services' images get another
    tag at the next `./deploy.sh`.

        python -m driver stack base-images
        python -m driver stack base-images --check

    Args:
        check: Change nothing; exit code 1 if a tag names another image by now, or if a digest is
            missing.
        missing: Write only digests that are missing, and none of an image that
            MAPREDUCE_BUILD_OPTIONS replaces; deploy.sh does this.
    """
    from driver.cloud.deploy.base_images import base_images as named
    from driver.cloud.deploy.base_images import dockerfiles, not_replaced, with_digests
    from driver.cloud.deploy.registry import digest_of

    if check and missing:
        raise UsageError("--check and --missing exclude each other")
    texts = {path: path.read_text(encoding="utf-8") for path in dockerfiles(ROOT)}
    images = named(texts.values())
    if missing:
        options = os.environ.get(BUILD_OPTIONS_VARIABLE, "")
        images = [image for image in not_replaced(images, options) if image.digest is None]
    now = {image.tagged: digest_of(image) for image in images}
    old = [image for image in images if image.digest != now[image.tagged]]
    for image in images:
        newer = now[image.tagged]
        answer(
            f"{image.tagged}: {image.digest or 'no digest'} -> {newer}"
            if image in old
            else f"{image.tagged}: {newer} is the newest"
        )
    if check:
        if old:
            answer(f"to take them: {COMMAND} stack base-images")
        return 1 if old else 0
    for path, text in texts.items():
        _write(path, text, with_digests(text, now))
    return 0


def image_digests(*, system: SystemName = None) -> int:
    """Add the digests of the pushed images to the settings of this deployment.

    Terraform's task definitions then name each image by its digest. With the registry of an
    emulator (MAPREDUCE_REGISTRY_HOST) they name it by its tag.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.images import digests_of, images_of

    of, path, made = next_settings(system)
    if os.environ.get("MAPREDUCE_REGISTRY_HOST"):
        say("the images come from another host than their name says: the tasks name them by tag")
        return 0
    digests = digests_of(
        images_of(Aws(made.region), of.images, made.name, made.image_tag), of.deploy
    )
    changed = made.model_copy(update={"image_digests": digests})
    path.write_text(changed.model_dump_json(indent=2) + "\n")
    for role, digest in digests.items():
        answer(f"{role}: {digest}")
    return 0


def _write(path: Path, before: str, after: str) -> None:
    """Write a file if it changes."""
    if after != before:
        path.write_text(after, encoding="utf-8")
        answer(f"wrote {path}", style="green")
