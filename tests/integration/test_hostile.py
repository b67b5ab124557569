"""A job that tries to reach what is not its own, in a real service with TLS: what is refused, and
what remains. The page docs/explanation/security.md says the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mapreduce.wire.messages import Done, parse_event
from tests.integration.one_mapper import Mapper, has_in_memory, running_mapper

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and ptrace are Linux's")

KEY = "".join(f"{number:02x}" for number in range(100, 132))
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
"""As in the container: a job's service has no capability, also when root runs the tests."""
PEM = b"MC4CAQAwBQYDK2VwBCIEI"
"""How the text of a private key of this kind begins."""
ROLE = "/v2/credentials/of-the-task"
HOSTILE = '''\
import ctypes, http.client, os, socket, ssl, subprocess, sys
from mapreduce import Job, Sum

SEIZE, PIDFD_OPEN, PIDFD_GETFD = 0x4206, 434, 438
# by the kernel's tables: x86-64, and those that share one, as ARM64
PTRACE, VM_READV = (101, 310) if os.uname().machine == "x86_64" else (117, 270)
libc = ctypes.CDLL(None, use_errno=True)


class Bytes(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def system(number, *given):
    """A system call: its numbers are long, and ctypes would pass them as int."""
    whole = [ctypes.c_long(each) if isinstance(each, int) else each for each in given]
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(ctypes.c_long(number), *whole)


def parent(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def family():
    """The service, the fork server, the worker and the template, by their place above this one."""
    above = [os.getpid()]
    while above[-1] > 1:
        above.append(parent(above[-1]))
    ours = [pid for pid in above if b"services.mapper" in open(f"/proc/{pid}/cmdline", "rb").read()]
    return ours[-1], ours[-2], ours[1:-2]


def memory(pid):
    """All readable private memory of a process."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in maps:
            place, rights = line.split()[:2]
            first, last = (int(part, 16) for part in place.split("-"))
            if rights.startswith("rw"):
                try:
                    file.seek(first)
                    yield file.read(last - first)
                except OSError:
                    continue


def peeked(pid, address):
    own = ctypes.create_string_buffer(8)
    ours, theirs = Bytes(ctypes.addressof(own), 8), Bytes(address, 8)
    called(system(VM_READV, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0))
    return own.raw


def stolen(pid):
    """Take a copy of each open file of a process."""
    there = called(system(PIDFD_OPEN, pid, 0))
    found = 0
    for number in range(40):
        if system(PIDFD_GETFD, there, number, 0) >= 0:
            found += 1
    if not found:
        raise PermissionError
    return found


def opened(pid):
    found = 0
    for number in range(40):
        try:
            os.close(os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY))
            found += 1
        except OSError:
            continue
    if not found:
        raise PermissionError
    return found


def content(path):
    with open(path, "rb") as file:
        return file.read()


class Plain(http.client.HTTPConnection):
    def __init__(self, connection):
        super().__init__("m")
        self.sock = connection


def answered(connection, method, path, headers={}):
    asking = Plain(connection)
    asking.request(method, path, b"{}" if method == "POST" else None, headers)
    return asking.getresponse().status


def by_tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port)))


def by_health_socket(port):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"\\0service-health-{port}")
    return connection


def taken(port):
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()


class Slow(Job):
    port: int = 0
    reduce = Sum()

    def map(self, key, value):
        if key:
            return
        service, fork_server, others = family()
        address = int(content("/proc/self/maps").partition(b"-")[0], 16)
        # a program is not hidden: what is refused elsewhere is seen to work on it
        with subprocess.Popen(["sleep", "60"]) as program:
            found = {"service": service, "fork server": fork_server, "program": program.pid}
            found |= {"template": others[0], "worker": others[-1]}
            for name, pid in found.items():
                self.attempt_all(name, pid)
            program.kill()
        self.attempt("own memory", lambda: peeked(os.getpid(), address))
        self.attempt("port of the service", lambda: taken(self.port))
        self.attempt("signal to the service", lambda: os.kill(service, 0))
        role = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        self.attempt("address of the role's credentials", lambda: os.environ[role])
        self.count("cryptography is loaded", int("cryptography" in sys.modules))
        self.call_service()
        yield value, 1

    def attempt_all(self, name, pid):
        for what in ("environ", "maps", "auxv", "syscall"):
            self.attempt(f"{what} of the {name}", lambda what=what: content(f"/proc/{pid}/{what}"))
        self.attempt(f"memory of the {name}", lambda: sum(map(len, memory(pid))))
        self.attempt(f"files of the {name}", lambda: opened(pid))
        self.attempt(f"copies of files of the {name}", lambda: stolen(pid))
        self.attempt(f"seizing of the {name}", lambda: called(system(PTRACE, SEIZE, pid, 0, 0)))

    def attempt(self, name, attempt):
        try:
            attempt()
            outcome = "reached"
        except PermissionError:
            outcome = "refused"
        except OSError as exc:
            outcome = exc.strerror
        self.count(f"{name}: {outcome}")

    def call_service(self):
        forged = {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
        for name, connect in {"TLS": by_tls, "the health socket": by_health_socket}.items():
            for path in ("/map", "/health"):
                for kind, headers in {"unsigned": {}, "forged": forged}.items():
                    method = "POST" if path == "/map" else "GET"
                    status = answered(connect(self.port), method, path, headers)
                    self.count(f"{kind} {path} by {name}: {status}")
'''


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapper]:
    """A mapper with TLS and without capabilities, as in its container."""
    with running_mapper(
        tmp_path_factory.mktemp("mapper"),
        before=WITHOUT_RIGHTS if os.geteuid() == 0 else (),
        slow=HOSTILE,
        MAPREDUCE_TLS="true",
        MAPREDUCE_SIGNING_KEY=KEY,
        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=ROLE,
        AWS_ACCESS_KEY_ID="none",
    ) as made:
        yield made


@pytest.fixture(scope="module")
def outcomes(mapper: Mapper) -> dict[str, int]:
    """What the hostile job has reached, as its counters."""
    answer = mapper.post(mapper.task(port=mapper.port), key=KEY)
    last = parse_event.validate_json(answer.text.splitlines()[-1])
    assert isinstance(last, Done), answer.text
    counters: dict[str, int] = last.result.model_dump()["counters"]
    return counters


ATTEMPTS = (
    *("environ", "maps", "auxv", "syscall", "memory", "files", "copies of files", "seizing"),
)


@pytest.mark.parametrize("whose", ["service", "fork server", "worker", "template"])
@pytest.mark.parametrize("what", ATTEMPTS)
def test_the_other_processes_are_out_of_reach(
    outcomes: dict[str, int], what: str, whose: str
) -> None:
    """A job's code reaches neither memory nor environment nor open files of a process of the
    service.
    """
    assert {f"{what} of the {whose}: refused": 1} == _of(outcomes, f"{what} of the {whose}")


@pytest.mark.parametrize(
    "what",
    [
        *(f"{what} of the program" for what in ATTEMPTS),
        "own memory",
        "signal to the service",
        "address of the role's credentials",
    ],
)
def test_what_remains_in_reach(outcomes: dict[str, int], what: str) -> None:
    """A job reaches itself, its own programs, the role, and can signal its service.

    So the refusals above are not those of a broken attempt.
    """
    assert {f"{what}: reached": 1} == _of(outcomes, what)


def test_the_port_of_the_service_cannot_be_shared(outcomes: dict[str, int]) -> None:
    """No other process of the container can listen on the service's port beside it."""
    name = "port of the service"
    assert {f"{name}: Address already in use": 1} == _of(outcomes, name)


def test_a_job_is_any_other_caller_to_its_service(outcomes: dict[str, int]) -> None:
    """On loopback and on the health check's socket a job's requests are refused as a stranger's."""
    for way in ("TLS", "the health socket"):
        for kind in ("unsigned", "forged"):
            assert outcomes[f"{kind} /map by {way}: 401"] == 1
            assert outcomes[f"{kind} /health by {way}: 200"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look into hidden processes")
def test_the_secrets_are_in_one_process(mapper: Mapper, outcomes: dict[str, int]) -> None:
    """Seen by root, only the service holds the signing key and the library of certificates; no
    other process holds a private key, or is readable for its user.
    """
    service = psutil.Process(mapper.process.pid)
    below = service.children(recursive=True)
    assert len(below) >= 3  # fork server, worker, template
    assert outcomes["cryptography is loaded"] == 0
    family = {one.pid: Path(f"/proc/{one.pid}/maps").read_text() for one in (service, *below)}
    assert {service.pid} == {pid for pid, maps in family.items() if "cryptography" in maps}
    assert {service.pid} == {pid for pid in family if has_in_memory(pid, KEY.encode())}
    assert not any(has_in_memory(one.pid, PEM) for one in below)


def _of(outcomes: dict[str, int], what: str) -> dict[str, int]:
    return {name: count for name, count in outcomes.items() if name.startswith(f"{what}: ")}
