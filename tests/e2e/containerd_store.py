"""Push an image from Docker's containerd store to a registry of immutable tags:
`python -m tests.e2e.containerd_store`.

A fresh Docker 29 keeps its images in that store, and Debian 13's Docker 26 can be told to. There an
image with an attestation is an index, and its push writes the tag three times. The engine and its
client come from Debian 13, into a folder of their own, and run in a mount namespace of their own;
root is needed, and no registry on the internet is asked.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import base_image, machine
from tests.e2e.log import CannotRun, Log, Note, StepFailed, box
from tests.e2e.processes import Shell
from tests.e2e.registry import Registry, registry

SUITE = "trixie"
PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "iptables", "ca-certificates")
FOLDER = machine.DATA_ROOT / SUITE
"""Debian 13 with its Docker; kept, because it takes two minutes to make."""

START_LIMIT_S = 60.0
SOCKET = f"/srv/docker-{os.getpid()}.sock"
DOCKERFILE = "FROM scratch\nCOPY file /file\n"
WITHOUT_ATTESTATION = "BUILDX_NO_DEFAULT_ATTESTATIONS"
# Mounts of this namespace alone. The engine has no network of its own: it only builds and pushes.
DAEMON = """
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/var/lib/docker"
echo '{"features": {"containerd-snapshotter": true}}' >"$1/run/daemon.json"
exec chroot "$1" /usr/sbin/dockerd --config-file /run/daemon.json --host "unix://$2" \\
    --iptables=false --ip6tables=false --bridge=none
"""


@dataclass(frozen=True, slots=True)
class Client:
    """The client in the folder of Debian 13, whose engine runs."""

    shell: Shell
    root: Path

    def docker(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> int:
        """Return the exit code of a docker command."""
        command = ("docker", "--host", f"unix://{SOCKET}", *arguments)
        return self.shell.run("chroot", self.root, *command, ok=ok).code

    def push(self, image: str) -> bool:
        """Build an image, push it, and return whether the registry has taken it."""
        context = self.root / "srv" / f"context-{os.getpid()}"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(DOCKERFILE)
        (context / "file").write_text(image)
        self.docker("build", "--quiet", "--tag", image, f"/srv/{context.name}")
        return self.docker("push", "--quiet", image, ok=(0, 1)) == 0


def prove(client: Client, place: Registry, note: Note) -> None:
    """Push with and without an attestation; raise `StepFailed` if it does not go as it must."""
    taken = client.push(f"{place.host}/mapreduce/mapper:attested")
    if taken or "attested" not in place.refused:
        raise StepFailed("an image with an attestation can be pushed: the test shows nothing")
    note(
        f"with an attestation: the tag is written {place.written.count('attested')} times, refused"
    )
    plain = Client(client.shell.having(**{WITHOUT_ATTESTATION: "1"}), client.root)
    if not plain.push(f"{place.host}/mapreduce/mapper:plain") or "plain" in place.refused:
        raise StepFailed(f"an image without an attestation is refused: {place.refused}")
    if (times := place.written.count("plain")) != 1:
        raise StepFailed(f"its tag is written {times} times")
    note(f"with {WITHOUT_ATTESTATION}=1, as deploy.sh has it: the tag is written once")


def debian(shell: Shell, note: Note) -> Path:
    """Return the folder of Debian 13 with Docker; make it if it is missing."""
    done = FOLDER / "done"
    if not done.exists():
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise CannotRun(
                "debootstrap and root are needed; on Debian: apt-get install debootstrap"
            )
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.parent.mkdir(mode=0o710, parents=True, exist_ok=True)
        include = f"--include={','.join(PACKAGES)}"
        try:
            shell.run(
                "debootstrap", "--variant=minbase", include, SUITE, FOLDER, base_image.mirror()
            )
        except StepFailed as exc:
            raise CannotRun(f"debootstrap cannot install Debian 13's Docker: {exc}") from exc
        done.touch()
        note(f"installed in {FOLDER}")
    return FOLDER


@contextmanager
def engine(shell: Shell, root: Path) -> Iterator[Client]:
    """Run Debian 13's engine with the containerd store until the end of the block."""
    (root / "var" / "lib" / "docker").mkdir(parents=True, exist_ok=True)
    own = ("unshare", "--mount", "--propagation", "private")
    with shell.start(*own, "bash", "-c", DAEMON, "daemon", root, SOCKET) as running:
        client = Client(shell, root)
        until = time.monotonic() + START_LIMIT_S
        while client.docker("version", ok=(0, 1)):
            if not running.alive or time.monotonic() > until:
                raise CannotRun(f"Docker does not start:\n{running.last_words()}")
            time.sleep(0.3)
        yield client


def main() -> int:
    """Run both pushes; return the exit code."""
    log = Log()
    try:
        with machine.temporary_shell() as made:
            made.folder.mkdir()
            environment = {
                name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ
            }
            shell = Shell(made.folder, environment, made.outputs)
            with log.step("machine: Debian 13's Docker") as note:
                root = debian(shell, note)
            with (
                log.step("push from the containerd store") as note,
                registry(made.folder / "registry", immutable=True) as place,
                engine(shell, root) as client,
            ):
                prove(client, place, note)
    except CannotRun as exc:
        box(str(exc))
        return 1
    except StepFailed as exc:
        return log.summary(stopped_by=exc)
    return log.summary()


if __name__ == "__main__":
    sys.exit(main())
