"""Decides whether an endpoint may get a request: TLS by a certificate of the stack's key.

On loopback, plain HTTP is allowed as well. The checks come before the first byte of a request, so
an endpoint that fails them learns neither a token nor a task.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

from driver.transport.builds import REDEPLOY
from driver.transport.endpoint import Endpoint
from mapreduce.errors import FleetError

_OTHER_NAME = 62  # X509_V_ERR_HOSTNAME_MISMATCH
_WRONG_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons when the other side does not speak TLS."""


def stack_context(signing_key: str) -> ssl.SSLContext:
    """Return TLS settings that accept only certificates that this key proves."""
    from mapreduce.wire.certificates import authority  # 30 ms, and not needed on loopback

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority(signing_key).decode())
    return context


def no_context() -> ssl.SSLContext:
    """Return TLS settings that accept nothing, for endpoints without TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def certificate_name(endpoint: Endpoint) -> str | None:
    """Return the name that the endpoint's certificate must have; None for plain HTTP on loopback.

    Raises:
        FleetError: a request to this endpoint would not be encrypted, or its role is not known.
    """
    address = urlsplit(endpoint.url)
    if address.scheme == "https" and endpoint.role is not None:
        from mapreduce.wire.certificates import host_name  # as above

        return host_name(endpoint.role)
    if address.scheme == "http" and _is_loopback(address.hostname or ""):
        return None
    raise FleetError(
        f"no request is sent to {endpoint.name} at {endpoint.url}: it would not be encrypted, and "
        "only services on this machine may be asked without TLS"
    )


def why_refused(endpoint: Endpoint, exc: BaseException) -> str | None:
    """Return why the service behind a failed connection is not one of this stack; None if it may
    be.

    Args:
        endpoint: the service.
        exc: the error of the connection; OpenSSL's is among its causes.
    """
    found = _ssl_error(exc)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError) and found.verify_code != _OTHER_NAME:
        if found.verify_code in _WRONG_TIME:
            return (
                f"{endpoint.name} has a certificate for the years 2000 to 9999, and this machine's "
                "clock shows another; set it"
            )
        return (
            f"{endpoint.name} at {endpoint.url} has a certificate that is not of this stack's key: "
            "it has another signing key, or another host has that address; was the key changed? "
            "run ./deploy.sh again"
        )
    if found.reason in _NO_TLS:
        return f"{endpoint.name} at {endpoint.url} does not answer by TLS; {REDEPLOY}"
    return None


def other_role(endpoint: Endpoint, exc: BaseException) -> str | None:
    """Return in words that a service of this stack with another role has the address now."""
    found = _ssl_error(exc)
    if isinstance(found, ssl.SSLCertVerificationError) and found.verify_code == _OTHER_NAME:
        return f"a service of this stack that is not a {endpoint.role} has its address now"
    return None


def _ssl_error(exc: BaseException) -> ssl.SSLError | None:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
