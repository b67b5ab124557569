"""Call pip, which resolves requirements and downloads wheels: its own configuration is obeyed.

pip runs as `python -m pip` with this interpreter, and no source package is ever built: that would
run code of the package, and for a platform that may not be this one.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from email.parser import BytesParser
from importlib.util import find_spec
from pathlib import Path

from driver.packages.platforms import Platform, canonical, is_like_here
from driver.program.module_path import own_process
from driver.text import BLOCK_LIMIT, shown
from mapreduce.errors import JobLoadError

ROUNDS = 5
"""How often what pip has left out for another platform is requested, until nothing is missing."""
_MISSING = re.compile(r"No matching distribution found for (.+?)(?: \(from .*)?$", re.MULTILINE)
_ERROR = re.compile(r"^(?:ERROR: )?(.+)$")
NO_PIP = (
    "the job has requirements, and this Python has no pip to resolve them; give it one: "
    "python -m ensurepip (with uv: uv pip install pip; with pipx: pipx inject "
    "mapreduce-on-fargate pip)"
)


def downloaded(
    texts: Sequence[str],
    file: Path | None,
    platform: Platform,
    pins: Sequence[str],
    folder: Path,
) -> list[Path]:
    """Download the wheels of requirements and all that these require; return the files.

    Args:
        texts: requirements, as pip takes them.
        file: a requirements file of the user.
        platform: where they are imported.
        pins: the only versions that may be chosen, as `name==version`.
        folder: an empty folder.

    Raises:
        JobLoadError: there is no pip, or it finds no such wheels; nothing has been started.
    """
    if find_spec("pip") is None:
        raise JobLoadError(NO_PIP)
    wanted = list(texts)
    for _ in range(ROUNDS):
        _download(wanted, file, platform, pins, folder)
        wheels = sorted(folder.glob("*.whl"))
        missing = [] if is_like_here(platform) else _left_out(wanted, wheels, platform)
        if not missing:
            return wheels
        wanted += missing
    raise JobLoadError(f"the requirements of the job need more and more packages: {wanted[-1]}")


def metadata_of(wheel: Path) -> tuple[str, str, list[str]]:
    """Return a wheel's name and version, and its requirements; raises `JobLoadError`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(
                each
                for each in archive.namelist()
                if each.count("/") == 1 and each.endswith(".dist-info/METADATA")
            )
            found = BytesParser().parsebytes(archive.read(name), headersonly=True)
    except (zipfile.BadZipFile, StopIteration, OSError) as exc:
        raise JobLoadError(f"{wheel.name} is not a valid wheel") from exc
    return str(found["Name"]), str(found["Version"]), list(found.get_all("Requires-Dist") or ())


def _download(
    texts: Sequence[str],
    file: Path | None,
    platform: Platform,
    pins: Sequence[str],
    folder: Path,
) -> None:
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("".join(f"{pin}\n" for pin in pins))
        command = [*own_process("pip"), "download", "--only-binary=:all:", "--no-input"]
        command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder)]
        command += [*platform.options, "--constraint", str(constraints)]
        command += ["--requirement", str(file)] if file else []
        done = subprocess.run(
            [*command, "--", *texts] if texts else command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        raise JobLoadError(_why(done.stdout + done.stderr, platform, pins))


def _why(said: str, platform: Platform, pins: Sequence[str]) -> str:
    """Return what pip could not do, and what to do about it."""
    missing = _MISSING.findall(said)
    conflict = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    if "ResolutionImpossible" in said or (conflict and not missing):
        lines = "\n".join(f"  {shown(line)}" for line in conflict[:8])
        ours = sorted(pin for pin in pins if pin.partition("==")[0] in said.lower())
        why = f"; the services bring {', '.join(ours)}, which cannot be replaced" if ours else ""
        return f"the requirements of the job contradict each other{why}:\n{lines}"
    if missing:
        name = shown(missing[-1])
        pinned = [pin for pin in pins if canonical(name).startswith(pin.partition("==")[0] + "=")]
        if pinned:
            return f"the job requires {name}, and the services bring {pinned[0]}; require that one"
        return (
            f"there is no wheel of {name} for {platform.name}: check the name. Only wheels are "
            "used: a source package would run code to be built. Require a version that has one, "
            "or build it: "
            f"python -m pip wheel {name} --wheel-dir wheels, and PIP_FIND_LINKS=wheels"
        )
    printed = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in printed if line.startswith("ERROR")] or printed[-1:]
    return (
        f"pip could not resolve the job's requirements:\n{shown(chr(10).join(errors), BLOCK_LIMIT)}"
    )


def _left_out(texts: Sequence[str], wheels: Sequence[Path], platform: Platform) -> list[str]:
    """Return what pip has left out: it reads markers for the interpreter that it runs in."""
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

    here = {canonical(metadata_of(wheel)[0]): wheel for wheel in wheels}
    waiting = [(text, frozenset[str]()) for text in texts]
    waiting += [(text, frozenset[str]()) for wheel in wheels for text in metadata_of(wheel)[2]]
    seen, missing = set[tuple[str, frozenset[str]]](), dict[str, None]()
    while waiting:
        text, extras = waiting.pop()
        if (text, extras) in seen:
            continue
        seen.add((text, extras))
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue  # pip says so
        values = [{**platform.markers, "extra": extra} for extra in ("", *sorted(extras))]
        if wanted.marker is not None and not any(map(wanted.marker.evaluate, values)):
            continue
        name = canonical(wanted.name)
        if name in platform.provided:
            continue
        if name not in here:
            extra = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
            missing[f"{wanted.name}{extra}{wanted.specifier}"] = None
        elif wanted.extras:
            chosen = frozenset(wanted.extras)
            waiting += [(each, chosen) for each in metadata_of(here[name])[2]]
    return [text for text in missing if text not in texts]
