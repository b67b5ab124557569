"""The request path of any key stays in its bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

import pytest

from mapreduce.errors import StorageError
from mapreduce.storage import Grants, open_storage


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths of requests to a server without objects."""
    paths: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        yield paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "key",
    [
        "%2e%2e/%2e%2e/other/a",
        "%2E%2E%2Fother",
        "a%2f..%2fb",
        "..%2fother",
        ".%2e/other",
        "a?b=c",
        "a#b",
        "a\\..\\b",
        "a%00b",
        "...",
        "a b+c",
        "é/ü",
        "@other/x",
        ":80/x",
    ],
)
def test_a_key_stays_in_its_bucket(asked: list[str], key: str) -> None:
    """The path decodes to the bucket and the exact key, without dot segment, query or fragment."""
    storage = open_storage(Grants(writable=("s3://own/store",)))
    with suppress(StorageError):
        storage.head(f"s3://own/store/{key}")
    assert len(asked) <= 1
    for path in asked:
        assert f"/own/store/{key}" == unquote(path)
        assert not {".", "..", ""} & set(path.split("/")[1:])
        assert "?" not in path
        assert "#" not in path
