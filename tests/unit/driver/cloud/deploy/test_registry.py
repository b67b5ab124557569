"""A registry's answers, scripted; tests/infrastructure asks a real one."""

from __future__ import annotations

import email.message
import hashlib
import io
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from driver.cloud.deploy.base_images import BaseImage
from driver.cloud.deploy.registry import INDEX_TYPES, digest_of
from mapreduce.errors import FleetError

IMAGE = BaseImage("PYTHON_IMAGE", "public.ecr.aws/docker/library/python:3.11", None)
URL = "https://public.ecr.aws/v2/docker/library/python/manifests/3.11"
INDEX = json.dumps(
    {
        "manifests": [
            {"platform": {"architecture": "amd64", "os": "linux"}},
            {"platform": {"architecture": "arm64", "os": "linux"}},
            {"platform": {"architecture": "unknown", "os": "unknown"}},
        ]
    }
).encode()
CHALLENGE = 'Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"'


class Answer(io.BytesIO):
    """An answer of a registry: its body, with a content type."""

    def __init__(self, body: bytes, kind: str) -> None:
        super().__init__(body)
        self.headers = email.message.Message()
        self.headers["Content-Type"] = kind


class Scripted:
    """Answers requests in order, and records their URLs and tokens."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, request: urllib.request.Request, timeout: float) -> Answer:
        self.asked.append((request.full_url, request.get_header("Authorization")))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _refused(code: int, challenge: str = "") -> urllib.error.HTTPError:
    headers = email.message.Message()
    headers["WWW-Authenticate"] = challenge
    return urllib.error.HTTPError(URL, code, "", headers, io.BytesIO())


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that scripts the answers."""

    def scripted(*answers: Answer | Exception) -> Scripted:
        made = Scripted(*answers)
        monkeypatch.setattr("urllib.request.urlopen", made)
        return made

    return scripted


def test_a_token_is_fetched_where_it_is_demanded(script: Any) -> None:
    """The token comes from the challenge's own address, and the digest is the index's own hash."""
    token = Answer(b'{"token": "t1"}', "application/json")
    scripted = script(_refused(401, CHALLENGE), token, Answer(INDEX, INDEX_TYPES[1]))
    assert f"sha256:{hashlib.sha256(INDEX).hexdigest()}" == digest_of(IMAGE)
    where = "https://public.ecr.aws/token/?service=public.ecr.aws&scope=aws"
    assert [(URL, None), (where, None), (URL, "Bearer t1")] == scripted.asked


def test_a_token_without_tls_is_refused(script: Any) -> None:
    """A challenge that leads to another address without TLS is refused, and not followed."""
    scripted = script(_refused(401, CHALLENGE.replace("https:", "http:")))
    with pytest.raises(FleetError, match="without TLS: http://public"):
        digest_of(IMAGE)
    assert 1 == len(scripted.asked)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_refused(404), "404 .*correct the name"),
        (_refused(429), "429 .*try again later$"),
        (_refused(401, 'Basic realm="x"'), "401 "),
        (_refused(500), "500 .*try again later"),
        (OSError("no route"), "cannot be asked for .*no route"),
        (Answer(INDEX, "application/json"), "no index"),
        (Answer(b"[]", INDEX_TYPES[0]), "answered no index"),
        (Answer(b'{"manifests": []}', INDEX_TYPES[0]), "no image for amd64, arm64"),
    ],
)
def test_other_answers_are_explained(script: Any, answer: Answer | Exception, said: str) -> None:
    """Any other answer is an error of one line with the image."""
    script(answer)
    with pytest.raises(FleetError, match=said) as caught:
        digest_of(IMAGE)
    assert IMAGE.tagged in str(caught.value)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([_refused(403)], "403"),
        ([OSError("cut")], "cut"),
        ([Answer(b"{}", "application/json"), _refused(401)], "401"),
        ([Answer(b"text", "text/html")], "cannot be asked"),
    ],
)
def test_a_refused_token_is_explained(script: Any, answers: list[Any], said: str) -> None:
    """A token that is refused, or that gives no access, is an error."""
    script(_refused(401, CHALLENGE), *answers)
    with pytest.raises(FleetError, match=said):
        digest_of(IMAGE)


def test_docker_hubs_limit_has_a_remedy(script: Any) -> None:
    """Docker Hub limits anonymous requests: the message names the public gallery."""
    script(_refused(429))
    with pytest.raises(FleetError, match=r"public\.ecr\.aws"):
        digest_of(BaseImage("PYTHON_IMAGE", "python:3.11", None))
