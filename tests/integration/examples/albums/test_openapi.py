"""The album service against its own OpenAPI description, with good and bad requests."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.faults.systems.albums.tasks import ask, running

pytestmark = pytest.mark.timeout(240)
Case: TypeAlias = schemathesis.Case[Any]
CHECKS = [
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
bounded = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_every_answer_is_described(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No request gets a 5xx, and each answer has a described status, media type and form."""
    statuses: dict[str, set[int]] = {}
    with running(tmp_path_factory.mktemp("openapi"), 1, store_limit_s=30) as tasks:
        (url,) = tasks.urls()

        @bounded
        @given(case=_cases(json.loads(ask(url, "/openapi.json").body)))
        def asked(case: Case) -> None:
            answer = case.call(base_url=url, timeout=30)
            statuses.setdefault(f"{case.method} {case.path}", set()).add(answer.status_code)
            assert answer.status_code < 500
            if answer.status_code not in (404, 405):
                case.validate_response(answer, checks=CHECKS)

        asked()
        log = tasks.listed[0].log.read_text()
    assert "Exception in ASGI" not in log
    assert {201, 422} <= statuses["POST /albums"]
    assert {"GET /albums", "GET /albums/{album_id}", "GET /health"} <= set(statuses)


def _cases(description: dict[str, Any]) -> st.SearchStrategy[Case]:
    """Return a strategy for requests to all operations of a description."""
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    operations: list[Any] = list(found)
    return st.one_of(
        [
            operation.ok().as_strategy(mode)
            for operation in operations
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ]
    )
