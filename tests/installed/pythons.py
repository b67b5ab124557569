"""The Pythons that the package is installed in: this one, and those of Debian's newer suites.

A suite lies in `build/debian`, kept between runs because debootstrap takes two minutes. Its
commands run in a mount namespace and a pid namespace of their own, so that neither a mount nor a
process outlives them. Root is needed for both.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.e2e.base_image import mirror

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "build" / "debian"
PACKAGES = ("python3", "python3-venv", "python3-dev", "gcc", "libc6-dev", "ca-certificates")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
# what a suite shares with this machine: names of hosts, and certificates
SHARED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl")
_INSIDE = """
set -e
root=$1 folder=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for path in $BOUND; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p "$root$path"
    else mkdir -p "$(dirname "$root$path")"; [ -e "$root$path" ] || : >"$root$path"; fi
    mount --rbind "$path" "$root$path"
done
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


class Failed(Exception):
    """A command that had to work did not; holds its output."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished command has printed."""

    stdout: str
    stderr: str
    code: int


class Machine(Protocol):
    """Where commands run."""

    @property
    def python(self) -> str:
        """The path of its Python."""

    def command(self, words: Sequence[str], folder: Path) -> list[str]:
        """Return the words that run a command in a folder there."""

    def variables(self) -> dict[str, str]:
        """Return the environment of a command there."""


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """This machine, and the Python of this process."""

    python: str = sys.executable

    def command(self, words: Sequence[str], folder: Path) -> list[str]:
        """Return the words as they are."""
        return list(words)

    def variables(self) -> dict[str, str]:
        """Return this process's environment without what concerns its Python."""
        drop = ("PYTHON", "VIRTUAL", "COVERAGE")
        return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of Debian in a folder; `shared` has the same path inside and outside."""

    root: Path
    shared: Path
    python: str = "/usr/bin/python3"

    def command(self, words: Sequence[str], folder: Path) -> list[str]:
        """Return the words that run a command inside."""
        own = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
        inside = ("bash", "-c", _INSIDE, "inside", str(self.root), str(folder))
        return [*own, *inside, *words]

    def variables(self) -> dict[str, str]:
        """Return an environment with this machine's settings of pip, and what is bound inside."""
        options, paths = pip_options()
        bound = [*SHARED, str(self.shared), *paths]
        return options | {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "BOUND": " ".join(shlex.quote(path) for path in bound),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_CACHE_DIR": "/var/cache/pip",
        }


def pip_options() -> tuple[dict[str, str], list[str]]:
    """Return this machine's settings of pip as variables, and the local paths in them."""
    listed = run([sys.executable, "-m", "pip", "config", "list"], ROOT).stdout.splitlines()
    options: dict[str, str] = {}
    for line in listed:  # the later ones win: files of the machine, of the user, the environment
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2].replace("-", "_").upper()
        options[f"PIP_{key}"] = json.loads(f'"{value[1:-1]}"')
    paths: list[str] = []
    for word in " ".join(options.values()).split():
        if word.startswith("file://"):  # an index, whose pages point to files beside it
            paths.append(str(Path(word.removeprefix("file://")).parent))
        elif word.startswith("/"):
            paths.append(word)
    return options, paths


def why_no_suite() -> str:
    """Return why suites of Debian cannot be made on this machine, or ""."""
    if os.geteuid() != 0:
        return "needs root, for debootstrap and chroot"
    if missing := [name for name in ("debootstrap", "unshare") if shutil.which(name) is None]:
        return f"needs {' and '.join(missing)}; on Debian: apt-get install debootstrap util-linux"
    return ""


def suite(name: str, shared: Path) -> Suite:
    """Return a suite of Debian with Python and a compiler; make it if it is missing."""
    recipe = hashlib.sha256(repr((name, PACKAGES)).encode()).hexdigest()[:8]
    root = DEBIAN / f"{name}-{recipe}"
    if not root.exists():
        made = root.with_name(f"{root.name}.making")
        shutil.rmtree(made, ignore_errors=True)
        made.parent.mkdir(parents=True, exist_ok=True)
        # a suite that is newer than debootstrap is made as `sid` is
        script = [] if (SCRIPTS / name).exists() else [str(SCRIPTS / "sid")]
        include = f"--include={','.join(PACKAGES)}"
        run(
            ["debootstrap", "--variant=minbase", include, name, str(made), mirror(), *script],
            DEBIAN,
        )
        shutil.rmtree(made / "var" / "cache" / "apt", ignore_errors=True)
        made.rename(root)
    return Suite(root, shared)


def run(
    command: Sequence[object],
    folder: Path,
    *,
    machine: Machine | None = None,
    may_fail: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """Run a command in a folder, with nothing of this process's Python in its environment.

    Raises:
        Failed: its exit code is not 0, unless it `may_fail`.
    """
    place = machine or ThisMachine()
    words = [str(word) for word in command]
    done = subprocess.run(
        place.command(words, folder),
        cwd=folder,
        env=place.variables() | {"NO_COLOR": "1"} | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode and not may_fail:
        raise Failed(
            f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return Done(done.stdout, done.stderr, done.returncode)
