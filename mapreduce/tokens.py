"""Signed requests: a short-lived token (JWT, HS256) that is good for one path and one body.

The driver signs, the services verify, with a key that both were given. A token says which path it is for (`aud`), the
SHA-256 of the body, when it ends (`exp`), and its own number (`jti`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import jwt

from mapreduce.errors import Unauthorized, UsageError

LIFETIME_S = 60
KEY_BYTES = 32
"""RFC 7518, 3.2: a key of HS256 is at least as long as the hash."""


def check_key(key: str) -> str:
    """The key, when it is long enough; raises `UsageError`."""
    if len(key.encode()) < KEY_BYTES:
        raise UsageError(f"the signing key has fewer than {KEY_BYTES} bytes; make one with: openssl rand -hex 32")
    return key


def new_key() -> str:
    """A fresh random key."""
    return secrets.token_hex(KEY_BYTES)


def sign(key: str, path: str, body: bytes, now: float) -> str:
    """A token for one request.

    Args:
        key: the shared key.
        path: the request's path, e.g. "/map".
        body: the request's body.
        now: the time, in seconds since the epoch.
    """
    claims = {
        "aud": path,
        "exp": int(now) + LIFETIME_S,
        "body": hashlib.sha256(body).hexdigest(),
        "jti": secrets.token_hex(16),
    }
    return jwt.encode(claims, key, algorithm="HS256")


def verify(key: str, path: str, body: bytes, token: str) -> str:
    """The token's own number, when it is good for this request now.

    Raises:
        Unauthorized: with no detail, whatever is wrong.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=path,
            options={"require": ["exp", "aud", "jti", "body"]},
        )
    except jwt.PyJWTError as exc:
        raise Unauthorized("unauthorized") from exc
    if not hmac.compare_digest(str(claims["body"]), hashlib.sha256(body).hexdigest()):
        raise Unauthorized("unauthorized")
    return str(claims["jti"])
