"""The three services against their OpenAPI descriptions, with signed and unsigned requests.

No service answers any request with a 5xx, except 503 when it is full. Every answer is one that the
description names. Without a token only `/health` and `/metrics` are open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from driver.targets.local_fleet import LocalFleet, LocalFleetConfig
from mapreduce.wire.messages import StageName
from mapreduce.wire.tokens import sign
from services.mapper import app as mapper
from services.reducer import app as reducer
from services.shell.serve import State
from services.splitter import app as splitter
from services.stage.settings import Settings
from services.stage.workers.pool import WorkerPool

KEY = "k" * 32
Case: TypeAlias = schemathesis.Case[Any]
APPS: dict[StageName, ModuleType] = {"split": splitter, "map": mapper, "reduce": reducer}
OPEN = {"/health", "/metrics"}

bounded = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[
        Phase.explicit,
        Phase.generate,
    ],  # a failure here is small enough, and shrinking starts no tasks
    suppress_health_check=list(HealthCheck),
)


class Signed(requests.auth.AuthBase):
    """Signs each request as the driver does, after its bytes are final."""

    def __init__(self, key: str = KEY) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        assert isinstance(content, bytes)
        assert request.path_url is not None
        path = request.path_url.partition("?")[0]
        request.headers["authorization"] = f"Bearer {sign(self._key, path, content, time.time())}"
        return request


@dataclass(frozen=True)
class Services:
    """The three services by stage, and their store."""

    urls: dict[StageName, str]
    store: str

    def send(self, stage: StageName, case: Case, auth: Signed | None) -> schemathesis.Response:
        """Send one request; retry while the previous request still holds the slot."""
        while True:
            answer = case.call(base_url=self.urls[stage], auth=auth, timeout=20)
            if answer.status_code != 503:
                return answer
            assert answer.headers["retry-after"] == ["1"]
            time.sleep(0.02)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Start the real services as a local run does."""
    folder = tmp_path_factory.mktemp("openapi")
    store = f"file://{folder}/store"
    config = LocalFleetConfig(
        store=store,
        extra_inputs=(),
        signing_key=KEY,
        mappers=1,
        reduce_slots=1,
        log=folder / "services.log",
        scratch=folder / "scratch",
    )

    async def urls() -> dict[StageName, str]:
        return {stage: (await fleet.endpoints(stage))[0].url for stage in APPS}

    fleet = LocalFleet(config)
    fleet.start()
    try:
        yield Services(asyncio.run(urls()), store)
    finally:
        asyncio.run(fleet.stop())
    assert b"Exception in ASGI" not in fleet.log_text()


def described(stage: StageName) -> Any:
    """Return a service's description, which no HTTP path serves."""
    given_settings = Settings(store="file:///unused", signing_key=KEY)
    pool = WorkerPool(cast(Any, None), slots=1)
    app = APPS[stage].create_app(given_settings, pool, State())
    return schemathesis.openapi.from_dict(app.openapi())


def cases(stage: StageName, *modes: GenerationMode) -> st.SearchStrategy[Case]:
    """Return a strategy for requests to all operations of a service."""
    operations = [found.ok() for found in described(stage).get_all_operations()]
    assert {"/health", "/metrics", f"/{stage}"} == {operation.path for operation in operations}
    return st.one_of([operation.as_strategy(mode) for operation in operations for mode in modes])


def checked(case: Case, answer: schemathesis.Response) -> None:
    """Check that the description names the answer and its form."""
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
            schemathesis.checks.response_schema_conformance,
        ],
    )


STAGES = pytest.mark.parametrize("stage", list(APPS))


@STAGES
def test_without_a_token_nothing_is_open(services: Services, stage: StageName) -> None:
    """A task path answers 401 without a token, and with a token of another key."""

    @bounded
    @given(
        case=cases(stage, GenerationMode.POSITIVE, GenerationMode.NEGATIVE),
        key=st.sampled_from([None, "x" * 32]),
    )
    def asked(case: Case, key: str | None) -> None:
        answer = services.send(stage, case, Signed(key) if key else None)
        assert answer.status_code < 500
        if case.method == "POST" and case.path == f"/{stage}":
            assert answer.status_code == 401
            checked(case, answer)
        elif answer.status_code < 300:
            assert case.path in OPEN

    asked()


@STAGES
def test_with_a_token_every_answer_is_described(services: Services, stage: StageName) -> None:
    """A signed message, good or bad, gets a described answer, and never a 5xx."""

    @bounded
    @given(case=cases(stage, GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
    def asked(case: Case) -> None:
        answer = services.send(stage, case, Signed())
        if case.path in OPEN:
            assert answer.status_code in {200, 405}
        else:
            assert answer.status_code in {200, 401, 403, 404, 405, 413, 422}
        if answer.status_code not in {404, 405}:
            checked(case, answer)

    asked()


@STAGES
def test_messages_of_our_own_store_are_carried_out(services: Services, stage: StageName) -> None:
    """A valid message gets a stream of events that ends with `done` or `failed`."""

    @bounded
    @given(case=described(stage)[f"/{stage}"]["POST"].as_strategy())
    def asked(case: Case) -> None:
        case.body = _at_home(case.body, services.store)
        answer = services.send(stage, case, Signed())
        checked(case, answer)
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            lines = answer.content.splitlines()
            # a job whose code is not there fails before the task has started
            assert lines[0].startswith(b'{"event":"started"') or len(lines) == 1
            assert lines[-1].startswith((b'{"event":"done"', b'{"event":"failed"'))

    statuses: list[int] = []
    asked()
    assert statuses.count(200) > 1


def _at_home(body: Any, store: str) -> Any:
    """Return the message with all its URLs in the store, and right where no schema says how: an
    encoding that Python knows, a length, and one way to cut.
    """
    change: Callable[[Any], Any] = lambda item: _at_home(item, store)  # noqa: E731 - a name for a recursion
    given: dict[str, Any] = {
        "store": store,
        "url": f"{store}/x",
        "encoding": "utf-8",
        "length": 1,
        "cut": {"splits": 3},
    }
    if isinstance(body, dict):
        return {name: given[name] if name in given else change(item) for name, item in body.items()}
    return [change(item) for item in body] if isinstance(body, list) else body
