"""Request tokens: short-lived (JWT, HS256), each valid for one path and one body.

The driver signs and the services verify, with a shared key. A token contains the path (`aud`), the
SHA-256 of the body, its expiry (`exp`), and its number (`jti`). A service opens it before it reads
the body, and then checks the body against it. That a number is accepted only once is up to the
service.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mapreduce.errors import Unauthorized, UsageError

if TYPE_CHECKING:
    import jwt

LIFETIME_S = 60
LEEWAY_S = 5
"""How far the signer's clock may be ahead; it may be behind by the lifetime less the request's
time.
"""
LENGTH_LIMIT = 1024
"""The longest token, in characters; ours have about 350."""
NUMBER_LIMIT = 64
_DIGEST = re.compile("[0-9a-f]{64}")
KEY_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is at least as long as the hash."""


def _small_jwt() -> Any:
    """Return PyJWT without cryptography, which it loads if it can, for algorithms not used here.

    That costs each process 10 MB and 65 ms. A later import of PyJWT, of a job's code, is not this
    copy.
    """
    if "jwt" in sys.modules or "cryptography" in sys.modules:
        return import_module("jwt")
    # None makes the import system raise ModuleNotFoundError
    sys.modules["cryptography"] = None  # type: ignore[assignment]
    try:
        return import_module("jwt")
    finally:
        del sys.modules["cryptography"]
        for name in [name for name in sys.modules if name.partition(".")[0] == "jwt"]:
            del sys.modules[name]


if not TYPE_CHECKING:
    jwt = _small_jwt()


def check_key(key: str) -> str:
    """Return the key.

    Raises:
        UsageError: it is too short.
    """
    if len(key.encode()) < KEY_BYTES:
        raise UsageError(
            f"the signing key has fewer than {KEY_BYTES} bytes; make one with: openssl rand -hex 32"
        )
    return key


def new_key() -> str:
    """Return a new random key."""
    return secrets.token_hex(KEY_BYTES)


def sign(key: str, path: str, body: bytes, now: float) -> str:
    """Return a token for one request.

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


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid token: its number, its expiry (seconds since the epoch), its body's
    SHA-256.
    """

    number: str
    expires: int
    digest: str

    def check_body(self, body: bytes) -> None:
        """Check that the body is the one that was signed.

        Raises:
            Unauthorized: it is another.
        """
        if not hmac.compare_digest(self.digest.encode(), hashlib.sha256(body).hexdigest().encode()):
            raise Unauthorized("unauthorized")


def opened(key: str, path: str, token: str, now: float) -> Claims:
    """Return the claims of a token, if the key signed it for this path and it is valid now.

    Args:
        key: the shared key.
        path: the request's path.
        token: the token in the request.
        now: the time, in seconds since the epoch.

    Raises:
        Unauthorized: without detail, whatever is wrong.
    """
    # limit the work for a client without the key
    if len(token) > LENGTH_LIMIT:
        raise Unauthorized("unauthorized")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=path,
            options={
                "require": ["exp", "aud", "jti", "body"],
                # checked below, against the caller's clock and with an upper limit
                "verify_exp": False,
                "strict_aud": True,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise Unauthorized("unauthorized") from exc
    number, expires, digest = claims["jti"], claims["exp"], claims["body"]
    good = isinstance(number, str) and 0 < len(number) <= NUMBER_LIMIT
    good = good and isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None
    # `exp` has an upper limit too: a token that lives longer than ours was not signed just now
    if not good or type(expires) is not int or not now < expires <= now + LIFETIME_S + LEEWAY_S:
        raise Unauthorized("unauthorized")
    return Claims(number, expires, digest)
