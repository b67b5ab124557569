"""A replacement for the Dockerfiles' base image, made of Debian's packages, and wheels for the
build.

No registry is contacted. The Dockerfiles take the replacement's name as PYTHON_IMAGE; its pip knows
one source, a host name that does not exist. The build's HTTP_PROXY, which Docker keeps out of image
and cache, maps that name to a folder of wheels that this machine's pip has fetched.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from tests.e2e.log import CannotRun, StepFailed
from tests.e2e.machine import Engine
from tests.e2e.processes import Shell

NAME = "mapreduce-e2e/python"
SUITE = "bookworm"  # its Python is 3.11, as in the Dockerfiles
PYTHON = "3.11"
PACKAGES = ("python3", "python3-pip", "ca-certificates")
COMPILER = ("gcc", "libc6-dev", "python3-dev")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
PIP_CONF = """[global]
no-index = true
find-links = http://wheels.invalid/
trusted-host = wheels.invalid
disable-pip-version-check = true
"""
# files that the official slim image does not have either
TRIM = """
set -e
ln -sf python3 "$1/usr/bin/python"
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/cache/debconf/* "$1"/var/log/*.log
rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*
find "$1/usr" -name __pycache__ -type d -prune -exec rm -rf {} +
"""
# both tar and docker must succeed
IMPORT = """
set -eo pipefail
tar -C "$1" --numeric-owner -c . | docker import --change "LABEL mapreduce.e2e.recipe=$2" \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["python"]' - "$3"
"""


@dataclass(frozen=True, slots=True)
class BaseImages:
    """The names of the replacements: one for the shipped images, one for their build stage."""

    python: str
    builder: str


def base_images(engine: Engine, folder: Path) -> BaseImages:
    """Return both images; make those that are missing or were made by another recipe.

    Raises:
        CannotRun: Debian's packages are not available.
    """
    return BaseImages(
        python=_base_image(engine, folder, PACKAGES),
        builder=_base_image(engine, folder, (*PACKAGES, *COMPILER)),
    )


def _base_image(engine: Engine, folder: Path, packages: tuple[str, ...]) -> str:
    recipe = hashlib.sha256(repr((SUITE, packages, PIP_CONF, TRIM)).encode()).hexdigest()[:12]
    image = f"{NAME}:{recipe}"
    if recipe in engine.docker("images", "--quiet=false", "--format", "{{.Tag}}", NAME).split():
        return image
    root = folder / "base"
    try:
        engine.shell.run(
            *(
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                SUITE,
                root,
                mirror(),
            ),
        )
    except StepFailed as exc:
        raise CannotRun(f"debootstrap cannot make the base image: {exc}") from exc
    (root / "etc" / "pip.conf").write_text(PIP_CONF)
    engine.shell.run("bash", "-c", TRIM, "trim", root)
    engine.shell.run("bash", "-c", IMPORT, "import", root, recipe, image)
    engine.shell.run("rm", "-rf", "--one-file-system", root)
    return image


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """Return Debian's mirror from apt's lists, in either format."""
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for file in files:
        text = file.read_text(errors="replace") if file.is_file() else ""
        found = re.findall(r"^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(https?://\S+)", text, re.MULTILINE)
        for url in found:
            if urlsplit(url).path.rstrip("/").endswith("/debian"):
                return str(url)
    return DEFAULT_MIRROR


def fetch_wheels(shell: Shell, requirements: Sequence[Path], folder: Path) -> int:
    """Fetch the images' wheels with this machine's pip and its settings; return their number.

    Raises:
        CannotRun: pip cannot fetch them.
    """
    other = [] if sys.version_info[:2] == (3, 11) else ["--python-version", PYTHON]
    only = [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--quiet",
        "--disable-pip-version-check",
    ]
    try:
        for each in requirements:
            shell.run(
                *(sys.executable, "-m", "pip", "download", *only, *other),
                *("--requirement", each, "--dest", folder),
            )
    except StepFailed as exc:
        raise CannotRun(f"pip cannot fetch the images' packages: {exc}") from exc
    return len(list(folder.iterdir()))


class _Wheels(SimpleHTTPRequestHandler):
    """A folder for a client that uses this server as its proxy, and so requests whole URLs."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(urlsplit(path).path or "/")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as its base class has it
        """Log nothing."""


@dataclass(frozen=True, slots=True)
class Wheels:
    """A server of wheels on loopback."""

    port: int

    def build_options(self, images: BaseImages) -> str:
        """Return the options of `docker build`: the base images, and the proxy to the wheels."""
        proxy = f"http://127.0.0.1:{self.port}"
        bases = (
            f"--build-arg PYTHON_IMAGE={images.python} --build-arg BUILDER_IMAGE={images.builder}"
        )
        return f"--network host {bases} --build-arg HTTP_PROXY={proxy}"


@contextmanager
def served(folder: Path) -> Iterator[Wheels]:
    """Serve a folder on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Wheels, directory=os.fspath(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Wheels(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
