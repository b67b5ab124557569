"""The requirements of this machine: Debian's packages, a Docker engine, and a temporary folder."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import psutil

from tests.e2e import sealing
from tests.e2e.log import CannotRun, Note, StepFailed
from tests.e2e.processes import Running, Shell

PACKAGES = ("docker.io", "debootstrap", "iptables", "ca-certificates")
PROGRAMS = ("dockerd", "docker", "debootstrap", "iptables")
DATA_ROOT = Path("/var/lib/mapreduce-e2e")
"""The data of an engine that is started here. It is kept, because the base image in it takes a
minute to make."""

PREFIX = "mapreduce-e2e-"
START_LIMIT_S = 60.0
DEAD_PROXY = "http://127.0.0.1:9"
"""No process listens at this address, so an engine started here reaches no registry on the
internet."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine: the shell in which `docker` finds it, its bridge's address, and whether this
    proof has started it. The containers of one that it has started resolve names at that address.
    """

    shell: Shell
    gateway: str
    own: bool

    def docker(self, *arguments: str | Path) -> str:
        """Return the output of a docker command."""
        return self.shell.run("docker", *arguments).out.strip()

    def remove_containers(self, *filters: str) -> None:
        """Remove containers, running or not."""
        if found := self.docker("ps", "--all", "--quiet", *filters).split():
            self.docker("rm", "--force", "--volumes", *found)


@contextmanager
def temporary_shell() -> Iterator[Shell]:
    """Return a shell in a temporary folder; at the end unmount everything below it."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        temporary = Path(name)
        _sweep(temporary.parent)
        (temporary / "pid").write_text(str(os.getpid()))
        (temporary / "outputs").mkdir()
        environment = os.environ | {
            "DOCKER_CONFIG": str(temporary / "docker-config"),
            "NO_COLOR": "1",
        }
        try:
            yield Shell(temporary / "checkout", environment, temporary / "outputs")
        finally:
            _unmount_below(temporary)


def install_packages(shell: Shell, note: Note) -> None:
    """Install Docker and debootstrap if they are missing.

    Raises:
        CannotRun: they are missing and cannot be installed.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or _distribution() != "debian":
        raise CannotRun(f"{', '.join(missing)} missing; they are installed only as root on Debian")
    try:
        shell.run("apt-get", "update")
        shell.run("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
    except StepFailed as exc:
        raise CannotRun(
            f"{', '.join(missing)} missing, and apt-get could not install them: {exc}"
        ) from exc
    note(f"installed {' '.join(PACKAGES)}")


@contextmanager
def engine(shell: Shell, note: Note) -> Iterator[Engine]:
    """Return the machine's engine if there is one that answers, else start one that ends with the
    block.

    Raises:
        CannotRun: there is no engine, and none can be started.
    """
    if _version(shell):
        note(f"the machine's own engine, {_version(shell)}")
        yield Engine(shell, _gateway(shell), own=False)
        return
    if os.geteuid() != 0:
        raise CannotRun("no Docker engine answers, and only root can start one")
    with _lock(), _started(shell) as mine:
        note(f"an engine started for this, {_version(mine)}")
        made = Engine(mine, _gateway(mine), own=True)
        made.remove_containers()
        made.docker("image", "prune", "--all", "--force", "--filter", "until=168h")
        try:
            yield made
        finally:
            made.remove_containers()


@contextmanager
def _started(shell: Shell) -> Iterator[Shell]:
    """Return a shell in which `docker` uses an engine that was started here."""
    temporary = shell.outputs.parent
    inner = shell.having(DOCKER_HOST=f"unix://{temporary}/docker.sock")
    with _dockerd(shell, temporary) as running:
        if _answers(running, inner):
            yield inner
            return
        words = running.last_words()
    raise CannotRun(
        f"dockerd does not start: {words.splitlines()[-1] if words else 'it said nothing'}"
    )


@contextmanager
def _dockerd(shell: Shell, temporary: Path) -> Iterator[Running]:
    (temporary / "daemon.json").write_text("{}")
    bridge = bridge_choice(psutil.net_if_addrs())
    if bridge is None:
        raise CannotRun("this machine uses all networks from which Docker takes its bridge's")
    runtime = sealing.write_runtime(temporary / "sealing-runtime", str(bridge.ip))
    with shell.having(HTTP_PROXY=DEAD_PROXY, HTTPS_PROXY=DEAD_PROXY, NO_PROXY="127.0.0.1").start(
        "dockerd",
        *("--config-file", temporary / "daemon.json"),
        *("--data-root", DATA_ROOT),
        *("--exec-root", temporary / "exec"),
        *("--pidfile", temporary / "docker.pid"),
        *("--host", f"unix://{temporary}/docker.sock"),
        # chosen here, because the containers' resolver must be known before the bridge is there
        *("--bip", str(bridge), "--dns", str(bridge.ip)),
        *("--add-runtime", f"sealing={runtime}", "--default-runtime", "sealing"),
        alone=True,
    ) as running:
        yield running


def _answers(running: Running, shell: Shell) -> bool:
    until = time.monotonic() + START_LIMIT_S
    while running.alive and time.monotonic() < until:
        if _version(shell):
            return True
        time.sleep(0.3)
    return False


def _version(shell: Shell) -> str:
    if shutil.which("docker") is None:
        return ""
    finished = shell.run("docker", "version", "--format", "{{.Server.Version}}", ok=(0, 1))
    return finished.out.strip() if finished.code == 0 else ""


def _gateway(shell: Shell) -> str:
    """Return the bridge's address, by which containers and this machine both reach this machine."""
    network = json.loads(shell.run("docker", "network", "inspect", "bridge").out)[0]
    found = bridge_address(network, psutil.net_if_addrs())
    if found is None:
        raise CannotRun(
            "Docker's bridge has no address, "
            "neither in Docker's own account of it nor on its interface"
        )
    return found


def bridge_address(network: dict[str, Any], interfaces: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the IPv4 address of Docker's default bridge.

    An engine names no gateway until its second start on a data root; the bridge's interface has the
    address from the first one on.

    Args:
        network: what `docker network inspect bridge` says.
        interfaces: the machine's addresses, as `psutil.net_if_addrs` lists them.
    """
    gateways = [str(config.get("Gateway") or "") for config in network["IPAM"]["Config"] or ()]
    name = (network.get("Options") or {}).get("com.docker.network.bridge.name", "docker0")
    own = [str(one.address) for one in interfaces.get(name, ()) if one.family == socket.AF_INET]
    return next((address for address in (*gateways, *own) if "." in address), None)


def bridge_choice(interfaces: Mapping[str, Sequence[Any]]) -> IPv4Interface | None:
    """Return an address and network for Docker's bridge: those of a bridge that an engine has left
    behind, else the first of Docker's own networks that the machine does not use.

    Args:
        interfaces: the machine's addresses, as `psutil.net_if_addrs` lists them.
    """
    used = {
        name: IPv4Interface(f"{one.address}/{one.netmask}")
        for name, addresses in interfaces.items()
        for one in addresses
        if one.family == socket.AF_INET and one.netmask
    }
    if left := used.get("docker0"):
        return left
    pools = (IPv4Interface(f"172.{number}.0.1/16") for number in range(17, 32))
    taken = [one.network for one in used.values()]
    free = (pool for pool in pools if not any(pool.network.overlaps(one) for one in taken))
    return next(free, None)


@contextmanager
def _lock() -> Iterator[None]:
    """Hold the lock: only one engine at a time may use the data."""
    DATA_ROOT.mkdir(mode=0o710, parents=True, exist_ok=True)
    with (DATA_ROOT / "in-use").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another end-to-end run is using {DATA_ROOT}") from None
        yield


def _sweep(parent: Path) -> None:
    """Remove the folders of runs that were killed."""
    for pid in parent.glob(f"{PREFIX}*/pid"):
        if not Path("/proc", pid.read_text()).exists():
            _unmount_below(pid.parent)
            shutil.rmtree(pid.parent, ignore_errors=True)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    below = [mount for mount in mounts if mount.startswith(f"{folder}/")]
    for mount in sorted(below, reverse=True):
        os.spawnlp(os.P_WAIT, "umount", "umount", "--lazy", mount)


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""
