"""TLS of a service: a new key pair and certificate at each start, in this process's memory alone.

Call this after the fork server has been forked and the process hidden: then no process that runs a
job's code has the private key, or can read it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager


def server_context(signing_key: str, role: str) -> ssl.SSLContext:
    """Return the TLS settings of a service, with a certificate that the stack's key proves.

    Args:
        signing_key: the stack's key.
        role: the service's role, which the certificate names.
    """
    from mapreduce.wire.certificates import issue  # not in the fork server: 9 MB in each worker

    issued = issue(signing_key, role)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # the driver keeps its connections, and resumes none
    with _readable(issued.certificate) as certificate, _readable(issued.private_key) as key:
        context.load_cert_chain(certificate, key)
    return context


@contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """Yield a path from which OpenSSL can read bytes once: a pipe, so that no disk holds them."""
    reading, writing = os.pipe()
    try:
        # fits the pipe's buffer, so it does not block without a reader
        os.write(writing, content)
        os.close(writing)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
