"""A token is good for one path, one body and one key, and not for long."""

from __future__ import annotations

import hashlib
import time

import jwt
import pytest

from mapreduce import tokens
from mapreduce.errors import Unauthorized, UsageError

KEY = "k" * 32
BODY = b'{"stage": "map"}'


def claims(**changed: object) -> dict[str, object]:
    """The claims of a good token, with changes; None takes one away."""
    good: dict[str, object] = {
        "aud": "/map",
        "exp": int(time.time()) + 60,
        "body": hashlib.sha256(BODY).hexdigest(),
        "jti": "1",
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def refused(token: str, key: str = KEY, path: str = "/map", body: bytes = BODY) -> None:
    """Holds that the request is refused, and that nothing is said of why."""
    with pytest.raises(Unauthorized) as caught:
        tokens.verify(key, path, body, token)
    assert "unauthorized" == str(caught.value)


def test_good_token() -> None:
    """A fresh token is good for its request, and each has a number of its own."""
    numbers = {tokens.verify(KEY, "/map", BODY, tokens.sign(KEY, "/map", BODY, time.time())) for _ in range(3)}
    assert 3 == len(numbers)
    assert "1" == tokens.verify(KEY, "/map", BODY, jwt.encode(claims(), KEY, algorithm="HS256"))


def test_other_requests() -> None:
    """The token of a request is no good for another path, another body or under another key."""
    token = tokens.sign(KEY, "/map", BODY, time.time())
    refused(token, path="/reduce")
    refused(token, path="/map/")
    refused(token, body=BODY + b" ")
    refused(token, body=b"")
    refused(token, key="K" * 32)


def test_expired() -> None:
    """A token is no good a lifetime after it was signed."""
    refused(tokens.sign(KEY, "/map", BODY, time.time() - tokens.LIFETIME_S - 1))


@pytest.mark.parametrize("missing", ["aud", "exp", "body", "jti"])
def test_missing_claims(missing: str) -> None:
    """A token that lacks a claim is refused, though the key signed it."""
    refused(jwt.encode(claims(**{missing: None}), KEY, algorithm="HS256"))


@pytest.mark.parametrize("garbage", ["", "a", "a.b.c", "..", "é", "\x00", "Bearer x", "." * 1000])
def test_garbage(garbage: str) -> None:
    """What is no token is refused as a bad one is."""
    refused(garbage)


def test_unsigned_and_tampered() -> None:
    """A token without a signature, of another algorithm, or changed after signing is refused."""
    refused(jwt.encode(claims(), None, algorithm="none"))
    refused(jwt.encode(claims(), "k" * 64, algorithm="HS512"), key="k" * 64)
    head, body, signature = jwt.encode(claims(), KEY, algorithm="HS256").split(".")
    other = jwt.encode(claims(aud="/reduce"), KEY, algorithm="HS256").split(".")[1]
    refused(f"{head}.{other}.{signature}", path="/reduce")
    refused(f"{head}.{body}.")
    refused(f"{head}.{body}.{signature[:-4]}AAAA")


def test_keys() -> None:
    """A key has at least 32 bytes; the made ones do, and differ."""
    assert KEY == tokens.check_key(KEY)
    assert 3 == len({tokens.check_key(tokens.new_key()) for _ in range(3)})
    with pytest.raises(UsageError, match="fewer than 32 bytes.*openssl rand"):
        tokens.check_key("k" * 31)
