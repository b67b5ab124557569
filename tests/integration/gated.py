"""Whole runs whose services reach S3 only under the planned policies of their roles."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mapreduce.storage import Storage, open_storage
from tests.contract.emulator import Emulator
from tests.contract.recorder import Recording, Request, Verdict, recorded
from tests.integration.commands import Driver, Finished
from tests.policies.gate import gates, s3_request
from tests.policies.planned import ROLES, STORE
from tests.policies.policy import Policy
from tests.policies.role_fleet import variables_of
from tests.policies.s3_actions import S3Request, needed

PROGRAM = ("-m", "tests.policies.role_driver")
URL = f"s3://{STORE}"


@dataclass(frozen=True)
class Gated:
    """A driver over the stack's bucket, and the recordings of its services' requests.

    Attributes:
        driver: it has all rights.
        roles: the requests of each role.
        own: the driver's requests.
        storage: with all rights, for the test.
    """

    driver: Driver
    roles: Mapping[str, Recording]
    own: Recording
    storage: Storage = field(default_factory=open_storage)

    @property
    def folder(self) -> Path:
        """The driver's working folder."""
        return self.driver.folder

    def run(self, *arguments: str | Path, ok: bool = True) -> dict[str, Any]:
        """Carry out a run on local services; return its report."""
        done = self.ended(*arguments)
        if ok:
            assert done.code == 0, done.err + self.refusals()
        document: dict[str, Any] = done.document
        return document

    def ended(self, *arguments: str | Path) -> Finished:
        """Carry out a run on local services, until it ends in any way."""
        return self.driver.run("run", "--target", "local", "--mappers", "2", "--json", *arguments)

    def put(self, url: str, content: bytes) -> str:
        """Write an object; return its URL."""
        self.storage.write(url, content)
        return url

    def pairs(self, report: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """Return the pairs of a result, part after part."""
        return pairs_of(report, self.storage)

    def accesses(self) -> Counter[str]:
        """Return how often each role used each action, by the folder of the object."""
        return Counter(
            f"{role} {access.action.removeprefix('s3:')} {folder_of(access.arn)}"
            for role, recording in self.roles.items()
            for request in recording.requests
            for access in needed(s3_request(request))
        )

    def refusals(self) -> str:
        """Return the requests that were answered with 403, a line each."""
        return "".join(
            f"\n403 {role}: {request.method} {request.target}"
            for role, recording in self.roles.items()
            for request in recording.denied
        )

    def deny_once(self, role: str, matches: Callable[[Request], bool]) -> None:
        """Deny one request of a role that its policy allows."""
        judge = self.roles[role].judge
        done: list[Request] = []

        def harsher(request: Request) -> Verdict:
            if not done and matches(request):
                done.append(request)
                return Verdict.DENIED
            return judge(request)

        self.roles[role].judge = harsher

    def when(self, role: str, part: str, act: Callable[[str], object]) -> None:
        """Call a function with the URL of the first object that a role reads below a folder."""
        done: list[str] = []

        def before(request: Request) -> None:
            if request.method == "GET" and request.path.startswith(part) and not done:
                done.append(f"s3:/{request.path}")
                act(done[0])

        self.roles[role].before = before


@contextmanager
def gated(driver: Driver, emulator: Emulator, policies: Mapping[str, Policy]) -> Iterator[Gated]:
    """Empty the bucket, and run the proxies until the end of the block.

    Args:
        driver: a driver in an empty folder.
        emulator: S3; this process has its environment.
        policies: the policy of each role.
    """
    with gates(emulator.endpoint, policies) as roles, recorded(emulator.endpoint) as own:
        endpoints = variables_of(
            {role: {"AWS_ENDPOINT_URL": roles[role].endpoint} for role in ROLES}
        )
        variables = {"MAPREDUCE_STORE": URL, "AWS_ENDPOINT_URL": own.endpoint} | endpoints
        made = replace(driver, variables=emulator.environment | variables, program=PROGRAM)
        world = Gated(made, roles, own)
        # a run would reuse tasks of an earlier one with the same answer, and not make its accesses
        world.storage.delete([info.url for info in world.storage.list(URL)])
        yield world


def pairs_of(report: Mapping[str, Any], storage: Storage) -> list[tuple[Any, Any]]:
    """Return the pairs of a run's result, part after part."""
    found: list[tuple[Any, Any]] = []
    for url in report["result_urls"]:
        content = storage.read(url)
        if url.endswith("result.json"):
            document = json.loads(content)
            found += document.items() if isinstance(document, dict) else map(tuple, document)
        else:
            rows = map(json.loads, content.splitlines())
            found += [(row["key"], row["value"]) for row in rows]
    return found


def status_of(endpoint: str, request: S3Request) -> int:
    """Send a request without a signature; return the status of the answer."""
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    try:
        body = b"" if request.method in ("PUT", "POST") else None
        connection.request(request.method, request.target, body, dict(request.headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def folder_of(arn: str) -> str:
    """Return the first folder of an object's ARN; of another bucket than the stack's, its name."""
    bucket, _, key = arn.removeprefix("arn:aws:s3:::").partition("/")
    return key.partition("/")[0] if bucket == STORE else f"{bucket}:"
