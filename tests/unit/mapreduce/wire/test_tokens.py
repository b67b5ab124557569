"""A token is valid for one path, one body and one key, for a short time."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import Unauthorized, UsageError
from mapreduce.wire import tokens

ROOT = Path(__file__).parents[4]
KEY = "k" * 32
jwt = vars(tokens)["jwt"]  # not the module that `import jwt` loads
BODY = b'{"stage": "map"}'


def claims(**changed: object) -> dict[str, object]:
    """Return the claims of a valid token with changes; None removes one."""
    good: dict[str, object] = {
        "aud": "/map",
        "exp": int(time.time()) + 60,
        "body": hashlib.sha256(BODY).hexdigest(),
        "jti": "1",
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def accepted(
    token: str, key: str = KEY, path: str = "/map", body: bytes = BODY, now: float | None = None
) -> str:
    """Return the number of a token that is valid for the request."""
    opened = tokens.opened(key, path, token, time.time() if now is None else now)
    opened.check_body(body)
    return opened.number


def refused(token: str, key: str = KEY, path: str = "/map", body: bytes = BODY) -> None:
    """Check that the request is refused without a reason."""
    with pytest.raises(Unauthorized) as caught:
        accepted(token, key, path, body)
    assert "unauthorized" == str(caught.value)


def test_good_token() -> None:
    """A new token is valid for its request, and each has a unique number."""
    numbers = {accepted(tokens.sign(KEY, "/map", BODY, time.time())) for _ in range(3)}
    assert 3 == len(numbers)
    assert "1" == accepted(jwt.encode(claims(), KEY, algorithm="HS256"))


def test_other_requests() -> None:
    """A token is refused for another path, another body and another key."""
    token = tokens.sign(KEY, "/map", BODY, time.time())
    refused(token, path="/reduce")
    refused(token, path="/map/")
    refused(token, body=BODY + b" ")
    refused(token, body=b"")
    refused(token, key="K" * 32)


def test_expired() -> None:
    """A token is refused a lifetime after it was signed."""
    refused(tokens.sign(KEY, "/map", BODY, time.time() - tokens.LIFETIME_S - 1))


@pytest.mark.parametrize(
    ("signer_ahead_s", "good"),
    [
        (-61, False),
        (-60, False),
        (-59, True),
        (0, True),
        (5, True),
        (6, False),
        (3600, False),
        (10**9, False),
    ],
)
def test_clocks(signer_ahead_s: int, good: bool) -> None:
    """The signer's clock may be a lifetime behind and a little ahead, and no token lasts longer
    than a lifetime.
    """
    now = 1_800_000_000
    token = tokens.sign(KEY, "/map", BODY, now + signer_ahead_s)
    if good:
        assert accepted(token, now=now)
    else:
        with pytest.raises(Unauthorized):
            accepted(token, now=now)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": "9" * 400},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": -1},
        {"exp": 10**400},
        {"exp": [1]},
        {"aud": ["/map", "/reduce"]},
        {"aud": ["/map"]},
        {"aud": {"/map": 1}},
        {"body": "é"},
        {"body": 1},
        {"body": None},
        {"jti": 1},
        {"jti": ""},
        {"jti": "n" * 65},
        {"nbf": 9_999_999_999},
        {"filler": "x" * 2000},
    ],
    ids=str,
)
def test_strange_claims(changed: dict[str, object]) -> None:
    """A signed token with claims of wrong types, invalid times or several audiences is refused."""
    refused(jwt.encode(claims() | changed, KEY, algorithm="HS256"))


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,50}")
)
def test_no_text_is_a_token(text: str) -> None:
    """Any text is refused with the same error."""
    refused(text)


@given(st.integers(min_value=0), st.characters(codec="ascii", exclude_characters="\x00"))
def test_no_character_may_change(where: int, other: str) -> None:
    """A token with a changed character is refused, or decodes to the same bytes."""
    token = tokens.sign(KEY, "/map", BODY, time.time())
    where %= len(token)
    changed = token[:where] + other + token[where + 1 :]
    try:
        assert accepted(token) == accepted(changed)
    except Unauthorized:
        assert changed != token


@pytest.mark.parametrize(
    "head",
    [b"[" * 700, b'{"a":' * 140, b'{"alg":["HS256"]}', b'{"alg":{}}', b"[]", b'"HS256"', b"\xff"],
)
def test_strange_heads(head: bytes) -> None:
    """Any head of a token, which is read before the signature is checked, is refused without
    another error.
    """
    refused(base64.urlsafe_b64encode(head).decode().rstrip("=") + ".e30.AAAA")


@pytest.mark.parametrize("missing", ["aud", "exp", "body", "jti"])
def test_missing_claims(missing: str) -> None:
    """A signed token without one of the claims is refused."""
    refused(jwt.encode(claims(**{missing: None}), KEY, algorithm="HS256"))


@pytest.mark.parametrize("garbage", ["", "a", "a.b.c", "..", "é", "\x00", "Bearer x", "." * 1000])
def test_garbage(garbage: str) -> None:
    """Garbage is refused like a wrong token."""
    refused(garbage)


def test_unsigned_and_tampered() -> None:
    """A token without a signature, of another algorithm, or changed after signing is refused."""
    refused(jwt.encode(claims(), "", algorithm="none"))
    refused(jwt.encode(claims(), "k" * 64, algorithm="HS512"), key="k" * 64)
    head, body, signature = jwt.encode(claims(), KEY, algorithm="HS256").split(".")
    other = jwt.encode(claims(aud="/reduce"), KEY, algorithm="HS256").split(".")[1]
    refused(f"{head}.{other}.{signature}", path="/reduce")
    refused(f"{head}.{body}.")
    refused(f"{head}.{body}.{signature[:-4]}AAAA")


def test_keys() -> None:
    """A key has at least 32 bytes; new keys do, and differ."""
    assert KEY == tokens.check_key(KEY)
    assert 3 == len({tokens.check_key(tokens.new_key()) for _ in range(3)})
    with pytest.raises(UsageError, match="fewer than 32 bytes.*openssl rand"):
        tokens.check_key("k" * 31)


@pytest.mark.parametrize(
    "digest", ["\ud800", "", "0" * 63, "G" * 64, "0" * 64 + "\n", 5, None, ["0" * 64]]
)
def test_a_body_claim_that_is_no_digest(digest: object) -> None:
    """A body's digest of any other form is refused, also text that is not valid UTF-8."""
    refused(jwt.encode(claims(body=digest), KEY, algorithm="HS256"))


def test_a_token_has_a_number_of_128_bits_in_hex() -> None:
    """Each token has a unique number of 128 bits in hexadecimal."""
    signed = [tokens.sign(KEY, "/map", BODY, time.time()) for _ in range(2)]
    numbers = [tokens.opened(KEY, "/map", each, time.time()).number for each in signed]
    assert [128, 128] == [4 * len(number) for number in numbers]
    assert len(set(numbers)) == 2
    assert all(set(number) <= set("0123456789abcdef") for number in numbers)


# -- the library's errors --------------------------------------------------------------------------


def _below(cls: type[Exception]) -> Iterator[type[Exception]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


def _foreign() -> list[type[Exception]]:
    classes: set[type[Exception]] = {
        jwt.PyJWTError,
        *_below(jwt.PyJWTError),
        ValueError,
        RecursionError,
    }
    return sorted(classes, key=lambda cls: cls.__name__)


def test_every_error_of_the_library_has_one_root() -> None:
    """All exception classes of PyJWT have one root, and are tested below."""
    public = {
        cls
        for cls in vars(jwt.exceptions).values()
        if isinstance(cls, type) and issubclass(cls, Exception)
    }
    assert public <= set(_foreign())
    assert len(public) > 10


@pytest.mark.parametrize("cls", _foreign(), ids=lambda cls: cls.__name__)
def test_no_error_of_the_library_passes(
    monkeypatch: pytest.MonkeyPatch, cls: type[Exception]
) -> None:
    """Each error of PyJWT becomes the same refusal."""
    raised = cls.__new__(cls)

    def broken(*_: object, **__: object) -> NoReturn:
        raise raised

    monkeypatch.setattr(jwt, "decode", broken)
    with pytest.raises(Unauthorized, match=r"^unauthorized$") as caught:
        tokens.opened(KEY, "/map", "token", 0.0)
    assert raised is caught.value.__cause__


def test_cryptography_is_not_loaded_for_tokens() -> None:
    """Tokens load no cryptography, which PyJWT does if it can; a job's own PyJWT has it."""
    script = (
        "import sys, mapreduce.wire.tokens; print('cryptography' in sys.modules);"
        "import jwt; print(jwt.algorithms.has_crypto)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ["False", "True"] == done.stdout.split()
