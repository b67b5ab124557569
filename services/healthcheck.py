"""`python -m services.healthcheck [PREFIX]`: exit 0 if this container's service answers, for
HEALTHCHECK and ECS. The service's port is in the variable <PREFIX>_PORT (MAPREDUCE_PORT).

On Linux it asks over a Unix socket that only processes of this machine reach, so that no number of
remote clients can keep it from an answer. Elsewhere it asks over TCP, by TLS if the service does.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial

TIMEOUT_S = 3.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)


def address(port: int) -> str:
    """Return the name of the health check's socket: abstract, so it ends with its service."""
    return f"\0service-health-{port}"


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over the service's Unix socket; refuses a socket of another user's process."""

    def connect(self) -> None:
        """Connect.

        Raises:
            OSError: there is no such socket, or another user owns it.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(address(self.port))
        _, uid, _ = _CREDENTIALS.unpack(
            self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if uid != os.geteuid():
            raise ConnectionRefusedError(f"the socket belongs to user {uid}")


def _over_tcp(prefix: str, host: str, port: int, *, timeout: float) -> http.client.HTTPConnection:
    """Return a connection as the service's settings want it."""
    if os.environ.get(f"{prefix}_TLS", "").lower() not in ("1", "true", "yes", "on"):
        return http.client.HTTPConnection(host, port, timeout=timeout)
    import ssl  # the usual check does without

    # on loopback, without a secret: the question is only whether there is an answer
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def main(prefix: str = "MAPREDUCE") -> int:
    """Return 0 if `/health` says ok, else 1."""
    port = int(os.environ.get(f"{prefix}_PORT", "8080"))
    kinds: list[Callable[..., http.client.HTTPConnection]] = [partial(_over_tcp, prefix)]
    if sys.platform == "linux":
        kinds.insert(0, _LocalConnection)
    for kind in kinds:
        connection = kind("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return 0 if answer.status == http.HTTPStatus.OK and json.load(answer)["ok"] else 1
        except ConnectionRefusedError:
            continue  # there is no such socket
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return 1
        finally:
            connection.close()
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
