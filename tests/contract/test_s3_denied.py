"""What S3 answers for a missing object, with and without the permission to list."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mapreduce.errors import ObjectMissing, StorageError
from mapreduce.storage import Storage, open_storage

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
MISSING = b"<Error><Code>NoSuchKey</Code><Message>There is no such key.</Message></Error>"
LISTABLE = "/bucket/maps/"


class _S3(BaseHTTPRequestHandler):
    """A bucket without objects, whose reader may list `maps/` and nothing else."""

    def do_GET(self) -> None:
        status, body = (404, MISSING) if self.path.startswith(LISTABLE) else (403, DENIED)
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as its base class
        """Log nothing."""


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A storage whose S3 is the fake one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _S3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    yield open_storage()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("call", ["read", "head"])
def test_a_missing_object_is_missing_where_it_could_be_listed(storage: Storage, call: str) -> None:
    """With the permission to list, a missing object is `ObjectMissing`: its task can run again."""
    with pytest.raises(ObjectMissing):
        getattr(storage, call)("s3://bucket/maps/0/run/map-00000.attempt-0")


@pytest.mark.parametrize("call", ["read", "head"])
def test_a_denied_object_says_both_causes(storage: Storage, call: str) -> None:
    """A 403 says that access is denied, and that a missing object can look like that."""
    with pytest.raises(StorageError, match="denies access to s3://bucket/input/a .*missing") as got:
        getattr(storage, call)("s3://bucket/input/a")
    assert not isinstance(got.value, ObjectMissing)
