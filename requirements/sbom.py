"""Write bills of materials as CycloneDX JSON: `make sbom`.

It runs in an environment of its own (requirements/sbom.in). The bill of a Python environment is
cyclonedx-py's. That of an image comes from the image's own files: Debian's list of packages, the
metadata of Python's packages, and the variables of the base image. Each bill is held against
CycloneDX's schema before it is written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import IO

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "sbom"
TOOL = Path(sys.executable).with_name("cyclonedx-py")
DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
PYTHON_VERSION = "PYTHON_VERSION="
"""The variable in which Python's official images name what they compiled."""


class NoBill(Exception):
    """A bill cannot be written; the text says why."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its name, its id (a digest), and its environment variables."""

    name: str
    id: str
    environment: Sequence[str]


def bill_of_environment(environment: Path) -> str:
    """Return the bill of a virtual environment, with the project as its main component."""
    command = [TOOL, "environment", "--output-reproducible", "--pyproject", "pyproject.toml"]
    done = subprocess.run(
        [*map(str, command), str(environment)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        raise NoBill(f"cyclonedx-py failed for {environment}: {done.stderr.strip()}")
    return done.stdout


def bill_of_image(image: Image, files: IO[bytes]) -> str:
    """Return the bill of an image.

    Args:
        image: the image.
        files: all its files, as a stream in tar's format.

    Raises:
        NoBill: it has no list of Debian's packages, or no Python package.
    """
    system: dict[str, str] = {}
    debian: list[Component] = []
    python: list[Component] = []
    with tarfile.open(fileobj=files, mode="r|") as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            content = tar.extractfile(entry) if entry.isreg() and _is_wanted(name) else None
            if content is None:
                continue
            text = content.read().decode(errors="replace")
            if name in OS_RELEASE:
                system = _variables(text)
            elif name == DPKG_STATUS:
                debian = list(_of_debian(text))
            else:
                python.append(_of_python(text))
    if not debian or not python:
        raise NoBill(f"{image.name} has no {'Debian' if not debian else 'Python'} packages")
    main = Component(
        name=image.name, version=image.id, type=ComponentType.CONTAINER, bom_ref=image.name
    )
    bom = Bom(components=[*_of_system(system), *_of_base(image), *debian, *python])
    bom.metadata.component = main
    bom.register_dependency(main, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def checked(text: str) -> str:
    """Return a bill; raise `NoBill` if it does not follow CycloneDX's schema."""
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        raise NoBill(f"the bill does not follow CycloneDX's schema: {fault}")
    return text


def _is_wanted(name: str) -> bool:
    return name in (DPKG_STATUS, *OS_RELEASE) or name.endswith(".dist-info/METADATA")


def _variables(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}


def _of_debian(status: str) -> Iterator[Component]:
    """Yield Debian's installed packages."""
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if not str(fields["Status"] or "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        qualifiers = {"arch": fields["Architecture"]}
        purl = PackageURL("deb", "debian", name, version, qualifiers=qualifiers)
        yield Component(
            name=name,
            version=version,
            purl=purl,
            bom_ref=str(purl),
            supplier=OrganizationalEntity(name=fields["Maintainer"]),
        )


def _of_python(metadata: str) -> Component:
    """Return a Python package."""
    fields = HeaderParser().parsestr(metadata)
    name, version = fields["Name"], fields["Version"]
    purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
    stated = fields["License-Expression"] or (fields["License"] or "").splitlines()
    text = stated if isinstance(stated, str) else next(iter(stated), "")
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[DisjunctiveLicense(name=text)] if text else [],
    )


def _of_system(release: dict[str, str]) -> Iterator[Component]:
    if release:
        yield Component(
            name=release.get("ID", "linux"),
            version=release.get("VERSION_ID"),
            description=release.get("PRETTY_NAME"),
            type=ComponentType.OPERATING_SYSTEM,
            bom_ref="operating-system",
        )


def _of_base(image: Image) -> Iterator[Component]:
    """Yield the Python that the base image has compiled, and that no list of packages names."""
    for variable in image.environment:
        if variable.startswith(PYTHON_VERSION):
            version = variable.removeprefix(PYTHON_VERSION)
            purl = PackageURL("generic", None, "python", version)
            yield Component(name="python", version=version, purl=purl, bom_ref=str(purl))


def write_image(name: str, folder: Path = FOLDER) -> Path:
    """Write the bill of an image that Docker has; return its file.

    Raises:
        NoBill: Docker has no such image.
    """
    (found,) = json.loads(_docker("image", "inspect", name))
    image = Image(name, found["Id"], found["Config"].get("Env") or ())
    with _exported(name) as files:
        return write(bill_of_image(image, files), folder / f"{_file_name(name)}.json")


def write(bill: str, file: Path) -> Path:
    """Write a bill, once it is checked."""
    text = checked(bill)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return file


def _file_name(image: str) -> str:
    """Return an image's name without its registry and tag, as one word: mapreduce-mapper."""
    path = image.partition("@")[0].split("/")
    if len(path) > 1 and ("." in path[0] or ":" in path[0]):
        path = path[1:]
    return "-".join([*path[:-1], path[-1].partition(":")[0]])


@contextmanager
def _exported(name: str) -> Iterator[IO[bytes]]:
    """Yield the files of an image, from a container that never starts."""
    container = _docker("create", name, "none").strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            yield export.stdout
            export.stdout.read()  # tar ends before the stream does
    finally:
        _docker("rm", container)


def _docker(*arguments: str) -> str:
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoBill("docker is not installed; install Docker, or leave out --image") from None
    if done.returncode:
        raise NoBill(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def main(argv: Sequence[str] | None = None) -> int:
    """Write the bills that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m requirements.sbom", description=__doc__)
    parser.add_argument("--image", nargs="*", default=[], help="images that Docker has")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(argv)
    try:
        bill = bill_of_environment(given.environment.resolve())
        print(write(bill, given.folder / "python.json"))
        for name in given.image:
            print(write_image(name, given.folder))
    except NoBill as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
