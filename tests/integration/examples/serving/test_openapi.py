"""A model server against its OpenAPI description, with signed and unsigned requests.

No request gets a 5xx, and every answer is one that the description names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from examples.serving.bench.fleet import ModelProcess, ask
from examples.serving.model.app import create_app
from examples.serving.model.settings import Settings
from examples.serving.sample import INPUTS, put
from examples.serving.wire import infer_path
from mapreduce.storage import open_storage
from mapreduce.wire.tokens import sign
from services.shell.serve import State

KEY = "k" * 32
Case: TypeAlias = schemathesis.Case[Any]
pytestmark = pytest.mark.timeout(180)

bounded = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Signed(requests.auth.AuthBase):
    """Signs each request as the router does, after its bytes are final."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        assert isinstance(content, bytes)
        assert request.path_url is not None
        path = request.path_url.partition("?")[0]
        request.headers["authorization"] = f"Bearer {sign(KEY, path, content, time.time())}"
        return request


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that is ready."""
    store = tmp_path_factory.mktemp("openapi").as_uri()
    put(open_storage(), store, "digits", "1")
    process = ModelProcess(store, "1", "task/1", KEY)
    try:
        until = time.monotonic() + 20
        while ask(process.address, "GET", "/v2/health/ready")[0] != 200:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield f"http://{process.address}"
    finally:
        process.stop()
    assert not any("Exception in ASGI" in line for line in process.log)


def described() -> Any:
    """Return the description, which no path serves."""
    given_settings = Settings(store="file:///unused", version="1", signing_key=KEY)
    return schemathesis.openapi.from_dict(create_app(given_settings, State(), "")[0].openapi())


def cases(*modes: GenerationMode) -> st.SearchStrategy[Case]:
    """Return a strategy for requests to all operations."""
    operations = [found.ok() for found in described().get_all_operations()]
    assert {infer_path("{name}"), "/v2", "/v2/health/live", "/v2/health/ready"} <= {
        operation.path for operation in operations
    }
    return st.one_of([operation.as_strategy(mode) for operation in operations for mode in modes])


def at_home(case: Case) -> Case:
    """Return the case with the name and version of the model that is there."""
    if case.path_parameters:
        for name, value in (("name", "digits"), ("version", "1")):
            if name in case.path_parameters:
                case.path_parameters[name] = value
    return case


def checked(case: Case, answer: schemathesis.Response) -> None:
    """Check that the description names the answer and its form."""
    assert ["task/1"] == answer.headers["served-by"]
    if answer.status_code in (404, 405):
        assert ["error"] == list(json.loads(answer.content))
    if answer.status_code != 405:
        checks = schemathesis.checks
        case.validate_response(
            answer,
            checks=[
                checks.not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ],
        )


@pytest.mark.parametrize("home", [False, True])
def test_every_answer_is_described(server: str, home: bool) -> None:
    """A signed request, good or bad, for this model or another, gets a described answer."""

    @bounded
    @given(case=cases(GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
    def asked(case: Case) -> None:
        sent = at_home(case) if home else case
        checked(sent, sent.call(base_url=server, auth=Signed(), timeout=20))

    asked()


def test_without_a_token_nothing_is_inferred(server: str) -> None:
    """An inference without a token gets 401, whatever it is."""

    @bounded
    @given(case=described()[infer_path("{name}")]["POST"].as_strategy())
    def asked(case: Case) -> None:
        answer = at_home(case).call(base_url=server, timeout=20)
        assert 401 == answer.status_code
        checked(case, answer)

    asked()


numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.booleans(),
    st.text(),
    st.none(),
)


@given(
    st.integers(0, 3),
    st.sampled_from(["pixels", "x"]),
    st.sampled_from(["FP32", "FP32", "FP64", "BYTES"]),
    st.one_of(st.just(st.floats(0, 1, width=32)), st.just(numbers)),
    st.data(),
)
@bounded
def test_tensors_near_the_right_one(
    server: str, rows: int, name: str, datatype: str, values: Any, data: st.DataObject
) -> None:
    """A tensor that is nearly right is answered with 200 or 400, and with 200 if it is right."""
    count = rows * 64 + data.draw(st.sampled_from([0, 0, 0, 1]))
    drawn = data.draw(st.lists(values, min_size=count, max_size=count))
    tensor = {"name": name, "datatype": datatype, "shape": [rows, 64], "data": drawn}
    path = infer_path("digits")
    body = json.dumps({"inputs": [tensor]}).encode()
    answer = requests.post(f"{server}{path}", data=body, auth=Signed(), timeout=20)
    assert answer.status_code in (200, 400), answer.text
    is_right = (
        (name, datatype) == (INPUTS[0]["name"], INPUTS[0]["datatype"])
        and rows
        and count == rows * 64
        and all(type(value) is float and 0 <= value <= 1 for value in drawn)
    )
    if is_right:
        assert 200 == answer.status_code, answer.text
    if answer.status_code == 200:
        (output,) = answer.json()["outputs"]
        assert [rows, 10] == output["shape"]
        for row in range(rows):
            assert sum(output["data"][10 * row : 10 * row + 10]) == pytest.approx(1, abs=1e-4)
