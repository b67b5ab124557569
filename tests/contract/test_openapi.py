"""All three services against what they say of themselves: requests made from their own OpenAPI,
signed and not.

Whatever is sent, nothing answers with a 5xx but 503 for a full service, every answer is one that
the description names, and without a token nothing but `/health` and `/metrics` is open.
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
from services.shell.app import State
from services.shell.settings import Settings
from services.shell.workers.pool import WorkerPool
from services.splitter import app as splitter

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
    """Signs each request as the driver does, when its bytes are final."""

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
    """The three services, by the stage that each carries out, and their store."""

    urls: dict[StageName, str]
    store: str

    def send(self, stage: StageName, case: Case, auth: Signed | None) -> schemathesis.Response:
        """One request; a slot may still be taken for a moment by the request before it."""
        while True:
            answer = case.call(base_url=self.urls[stage], auth=auth, timeout=20)
            if answer.status_code != 503:
                return answer
            assert answer.headers["retry-after"] == ["1"]
            time.sleep(0.02)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The real services, as a local run starts them."""
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
    """A service's own description, which it gives to nobody over HTTP."""
    given_settings = Settings(store="file:///unused", signing_key=KEY)
    pool = WorkerPool(cast(Any, None), slots=1)
    app = APPS[stage].create_app(given_settings, pool, State())
    return schemathesis.openapi.from_dict(app.openapi())


def cases(stage: StageName, *modes: GenerationMode) -> st.SearchStrategy[Case]:
    """Requests to any of a service's operations."""
    operations = [found.ok() for found in described(stage).get_all_operations()]
    assert {"/health", "/metrics", f"/{stage}"} == {operation.path for operation in operations}
    return st.one_of([operation.as_strategy(mode) for operation in operations for mode in modes])


def checked(case: Case, answer: schemathesis.Response) -> None:
    """Holds that the answer is one of those described, in its form too."""
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
    """A task path answers 401 to everything, with no token and with another key's."""

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
    """Signed messages, good and bad: 403 or 422, or events, and never a 5xx."""

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
    """Whatever a good message of any content asks for, the answer is a stream that ends in `done`
    or `failed`.
    """

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
    assert 200 in statuses


def _at_home(body: Any, store: str) -> Any:
    """A message whose places all lie in the store."""
    change: Callable[[Any], Any] = lambda item: _at_home(item, store)  # noqa: E731 - a name for a recursion
    if isinstance(body, dict):
        return {
            name: store + ("" if name == "store" else "/x")
            if name in ("store", "url")
            else change(item)
            for name, item in body.items()
        }
    return [change(item) for item in body] if isinstance(body, list) else body
