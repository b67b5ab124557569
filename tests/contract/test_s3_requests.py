"""The S3 requests of each operation, counted by a proxy in front of the emulator."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mapreduce.errors import InputChanged, ObjectMissing
from mapreduce.storage import ObjectInfo, Requests, Storage, open_storage
from mapreduce.storage.base import AHEAD, PART_BYTES
from tests.contract.conftest import BUCKET
from tests.contract.emulator import Emulator
from tests.contract.recorder import Recording, Request, recorded

pytestmark = pytest.mark.s3
BLOCK = 100_000
DATA = bytes(range(256)) * 4_000
PATIENCE_S = 30


@pytest.fixture
def recording(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """The requests from now on."""
    with recorded(emulator.endpoint) as found:
        for name, value in (emulator.environment | {"AWS_ENDPOINT_URL": found.endpoint}).items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def root(tmp_path: Path) -> str:
    """An empty folder of the bucket."""
    return f"s3://{BUCKET}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"


@pytest.fixture
def stored(recording: Recording, root: str) -> ObjectInfo:
    """An object of about a megabyte; its write is not recorded."""
    info = open_storage().write(f"{root}/stored", DATA)
    recording.requests.clear()
    return info


def _kinds(requests: Requests) -> dict[str, int]:
    return {kind: count for kind, count in asdict(requests).items() if count}


def _large(folder: Path, size: int) -> Path:
    path = folder / "large"
    path.write_bytes(bytes(size))
    return path


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda storage, root, _: storage.write(f"{root}/a", b"x"), {"put": 1}),
        (
            lambda storage, root, folder: storage.write(f"{root}/a", _large(folder, PART_BYTES)),
            {"put": 1},
        ),
        (
            lambda storage, root, folder: storage.write(
                f"{root}/a", _large(folder, 2 * PART_BYTES + 1)
            ),
            {"put": 5},
        ),
        (
            lambda storage, root, folder: storage.write(
                f"{root}/a", _large(folder, PART_BYTES + 1), progress=lambda _: None
            ),
            {"put": 4},
        ),
        (lambda storage, root, _: storage.create(f"{root}/new", b"x"), {"put": 1}),
        (lambda storage, root, _: storage.head(f"{root}/stored"), {"head": 1}),
        (
            lambda storage, root, _: storage.copy(f"{root}/stored", f"{root}/copied"),
            {"copy": 1, "head": 1},
        ),
        (lambda storage, root, _: storage.read(f"{root}/stored"), {"get": 1}),
        (lambda storage, root, _: storage.read(f"{root}/stored", 5, 900_000), {"get": 1}),
        (lambda storage, root, _: storage.read(f"{root}/stored", 5, 5), {}),
        (lambda storage, root, _: list(storage.stream(f"{root}/stored", 0, len(DATA))), {"get": 1}),
        (
            lambda storage, root, _: list(
                storage.stream(f"{root}/stored", 0, 300_001, block_bytes=BLOCK)
            ),
            {"get": 4},
        ),
        (lambda storage, root, _: list(storage.list(root)), {"list": 1}),
        (lambda storage, root, _: list(storage.list(f"{root}/none")), {"list": 1}),
        (
            lambda storage, root, _: storage.delete([f"{root}/stored", f"{root}/none"]),
            {"delete": 2},
        ),
    ],
)
def test_requests_are_counted_as_they_are_made(
    recording: Recording,
    stored: ObjectInfo,
    root: str,
    tmp_path: Path,
    operation: Callable[[Storage, str, Path], object],
    expected: dict[str, int],
) -> None:
    """Each operation makes the fewest possible requests, and its count equals the store's."""
    storage = open_storage()
    operation(storage, root, tmp_path)
    assert expected == recording.kinds() == _kinds(storage.requests)


def test_pages_of_a_list_are_counted(recording: Recording, root: str) -> None:
    """A listing of 1,001 objects counts as two requests."""
    storage = open_storage()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: storage.write(f"{root}/{number:04d}", b""), range(1_001)))
    assert len(list(storage.list(root))) == 1_001
    assert {"put": 1_001, "list": 2} == recording.kinds() == _kinds(storage.requests)


def test_requests_that_fail_are_counted_too(recording: Recording, root: str) -> None:
    """A request that S3 answers with 404 is counted, because S3 bills it."""
    storage = open_storage()
    with pytest.raises(ObjectMissing):
        storage.read(f"{root}/none")
    assert {"get": 1} == recording.kinds() == _kinds(storage.requests)


def test_two_counts(stored: ObjectInfo) -> None:
    """A storage with a separate count counts only its requests."""
    storage = open_storage()
    storage.head(stored.url)
    own = storage.with_own_count()
    own.read(stored.url)
    assert ({"head": 1}, {"get": 1}) == (_kinds(storage.requests), _kinds(own.requests))


# -- reading ahead ---------------------------------------------------------------------------------


def test_ranges_are_in_flight_together(recording: Recording, stored: ObjectInfo) -> None:
    """A stream has `AHEAD` requests in flight: the store answers none before all have arrived."""
    together = threading.Barrier(1 + AHEAD)
    first = {f"bytes={start}-{start + BLOCK - 1}" for start in range(0, (1 + AHEAD) * BLOCK, BLOCK)}

    def before(request: Request) -> None:
        if request.byte_range in first:
            together.wait(PATIENCE_S)

    recording.before = before
    storage = open_storage()
    blocks = storage.stream(
        stored.url, 0, stored.size, etag=stored.etag, block_bytes=BLOCK, ahead=AHEAD
    )
    assert b"".join(blocks) == DATA
    assert {"get": 11} == recording.kinds() == _kinds(storage.requests)


def test_a_stream_that_is_left_early_leaves_little_behind(
    recording: Recording, stored: ObjectInfo
) -> None:
    """A hundred streams that are closed early make at most 16 threads, and read no further than
    `AHEAD` blocks.
    """
    storage = open_storage()
    for _ in range(100):
        blocks = storage.stream(
            stored.url, 0, stored.size, etag=stored.etag, block_bytes=BLOCK, ahead=AHEAD
        )
        assert DATA.startswith(next(blocks))
        blocks.close()  # type: ignore[attr-defined]
    assert (
        len([thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")])
        <= 16
    )
    assert storage.requests.get <= 100 * (1 + AHEAD)
    assert storage.read(stored.url) == DATA


@pytest.mark.parametrize("ahead", [0, AHEAD])
@pytest.mark.parametrize("pinned", [True, False])
def test_blocks_of_two_versions_are_never_mixed(
    stored: ObjectInfo, ahead: int, *, pinned: bool
) -> None:
    """A stream of an object that is overwritten meanwhile fails, with and without a pinned ETag."""
    storage = open_storage()
    etag = stored.etag if pinned else None
    blocks = storage.stream(stored.url, 0, stored.size, etag=etag, block_bytes=BLOCK, ahead=ahead)
    assert DATA.startswith(next(blocks))
    storage.write(stored.url, DATA[::-1])
    with pytest.raises(InputChanged):
        list(blocks)


# -- connections and credentials -------------------------------------------------------------------


def test_a_connection_is_used_again(recording: Recording, stored: ObjectInfo, root: str) -> None:
    """Successive requests use an open connection again."""
    storage = open_storage()
    for number in range(5):
        storage.head(stored.url)
        storage.read(stored.url, 0, 10)
        storage.write(f"{root}/{number}", b"x")
        list(storage.stream(stored.url, 0, 5 * BLOCK, block_bytes=BLOCK))
    list(storage.list(root))
    assert len(recording.requests) == 5 * 8 + 1
    # of 41 requests; a busy machine frees a connection late, and then the next request opens one
    assert recording.connections <= 20


def test_credentials_are_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Threads that begin at the same time fetch a container's credentials once."""
    paths: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            keys = {
                "AccessKeyId": "a",
                "SecretAccessKey": "b",
                "Token": "c",
                "Expiration": "2100-01-01T00:00:00Z",
            }
            body = json.dumps(keys).encode() if self.path == "/credentials" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        (tmp_path / "token").write_text("token")
        address = f"http://127.0.0.1:{server.server_port}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{address}/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        storage = open_storage()

        def read(number: int) -> bool:
            with pytest.raises(ObjectMissing):
                storage.read(f"s3://{BUCKET}/{number}")
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(read, range(40)))
        server.shutdown()
        thread.join()
    assert paths.count("/credentials") == 1
    assert len(paths) == 41
