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
ROLE = "/v2/credentials/of-the-task"
HOSTILE = '''\
import ctypes, http.client, os, socket, ssl, sys
from mapreduce import Job, Sum

PTRACE_ATTACH, PTRACE_SEIZE, PIDFD_OPEN, PIDFD_GETFD = 16, 0x4206, 434, 438
# by the kernel's tables: x86-64, and those that share one, as ARM64
PTRACE, VM_READV = (101, 310) if os.uname().machine == "x86_64" else (117, 270)
PEM_BACKWARDS = "IEICBwV2KDYQBwAQAC4CM"  # how the PEM text of a private key of this kind begins
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
    for number in range(3, 40):
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
    connection.connect(f"\\0mapreduce-health-{port}")
    return connection


def taken(port):
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()


class Slow(Job):
    port: int = 0
    yek: str = ""
    reduce = Sum()

    def map(self, key, value):
        if key:
            return
        service, fork_server, others = family()
        address = int(content("/proc/self/maps").partition(b"-")[0], 16)
        forged = {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
        for name, attempt in {
            **{f"{what} of the service": lambda what=what: content(f"/proc/{service}/{what}")
               for what in ("environ", "maps", "auxv", "stack", "syscall")},
            "memory of the service": lambda: sum(map(len, memory(service))),
            "memory of the service by its address": lambda: peeked(service, address),
            "open files of the service": lambda: opened(service),
            "copies of the service's files": lambda: stolen(service),
            "tracing the service": lambda: called(system(PTRACE, PTRACE_ATTACH, service, 0, 0)),
            "seizing the service": lambda: called(system(PTRACE, PTRACE_SEIZE, service, 0, 0)),
            "the service's port": lambda: taken(self.port),
            # what this code can do to a process that is not hidden, and to itself
            "environ of the fork server": lambda: content(f"/proc/{fork_server}/environ"),
            "memory of the fork server": lambda: sum(map(len, memory(fork_server))),
            "copies of the fork server's files": lambda: stolen(fork_server),
            "own memory by its address": lambda: peeked(os.getpid(), address),
            "a signal to the service": lambda: os.kill(service, 0),
            "the address of the role's credentials":
                lambda: os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
        }.items():
            try:
                attempt()
                outcome = "reached"
            except PermissionError:
                outcome = "refused"
            except OSError as exc:
                outcome = exc.strerror
            self.count(f"{name}: {outcome}")
        for name, backwards in {"the key": self.yek, "a private key": PEM_BACKWARDS}.items():
            sought = backwards[::-1].encode()
            held = sum(sought in block for pid in (fork_server, *others) for block in memory(pid))
            self.count(f"{name} in the memory of the others", held)
        self.count("processes between", len(others))
        self.count("cryptography is loaded", int("cryptography" in sys.modules))
        for name, connect in {"TLS": by_tls, "the health socket": by_health_socket}.items():
            for path in ("/map", "/health"):
                for kind, headers in {"unsigned": {}, "forged": forged}.items():
                    method = "POST" if path == "/map" else "GET"
                    status = answered(connect(self.port), method, path, headers)
                    self.count(f"{kind} {path} by {name}: {status}")
        yield value, 1
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
    answer = mapper.post(mapper.task(port=mapper.port, yek=KEY[::-1]), key=KEY)
    last = parse_event.validate_json(answer.text.splitlines()[-1])
    assert isinstance(last, Done), answer.text
    counters: dict[str, int] = last.result.model_dump()["counters"]
    return counters


@pytest.mark.parametrize(
    "what",
    [
        *(f"{what} of the service" for what in ("environ", "maps", "auxv", "stack", "syscall")),
        "memory of the service",
        "memory of the service by its address",
        "open files of the service",
        "copies of the service's files",
        "tracing the service",
        "seizing the service",
    ],
)
def test_the_service_itself_is_out_of_reach(outcomes: dict[str, int], what: str) -> None:
    """A job's code reaches neither memory nor environment nor files of the service."""
    assert {f"{what}: refused": 1} == _of(outcomes, what)


def test_the_port_of_the_service_cannot_be_shared(outcomes: dict[str, int]) -> None:
    """No other process of the container can listen on the service's port beside it."""
    assert {"the service's port: Address already in use": 1} == _of(outcomes, "the service's port")


@pytest.mark.parametrize(
    "what",
    [
        "environ of the fork server",
        "memory of the fork server",
        "copies of the fork server's files",
        "own memory by its address",
        "a signal to the service",
        "the address of the role's credentials",
    ],
)
def test_what_remains_in_reach(outcomes: dict[str, int], what: str) -> None:
    """The same attempts work on processes that hold no secret; the role and signals are in reach.

    So the refusals above are not those of a broken attempt.
    """
    assert {f"{what}: reached": 1} == _of(outcomes, what)


def test_the_processes_in_reach_hold_no_private_key(outcomes: dict[str, int]) -> None:
    """Fork server, worker and template, whose memory a job can read, have no key of either kind."""
    assert outcomes["processes between"] >= 1
    assert outcomes["the key in the memory of the others"] == 0
    assert outcomes["a private key in the memory of the others"] == 0
    assert outcomes["cryptography is loaded"] == 0


def test_a_job_is_any_other_caller_to_its_service(outcomes: dict[str, int]) -> None:
    """On loopback and on the health check's socket a job's requests are refused as a stranger's."""
    for way in ("TLS", "the health socket"):
        for kind in ("unsigned", "forged"):
            assert outcomes[f"{kind} /map by {way}: 401"] == 1
            assert outcomes[f"{kind} /health by {way}: 200"] == 1


def test_seen_from_outside_the_secrets_are_in_one_process(mapper: Mapper) -> None:
    """Only the service has the private key's library, and is hidden; the others have neither."""
    service = psutil.Process(mapper.process.pid)
    holding = {
        one.pid
        for one in (service, *service.children(recursive=True))
        if "cryptography" in Path(f"/proc/{one.pid}/maps").read_text()
    }
    assert {service.pid} == holding
    assert has_in_memory(service.pid, KEY.encode())  # so a search finds what is there
    assert len(service.children(recursive=True)) >= 2


def _of(outcomes: dict[str, int], what: str) -> dict[str, int]:
    return {name: count for name, count in outcomes.items() if name.startswith(f"{what}: ")}
