"""The album service over ASGI in this process, with a folder or a fake store."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from examples.albums.album import SEEDS, Album, in_json
from examples.albums.app import STORE_THREADS, create_app
from examples.albums.settings import AlbumSettings
from examples.albums.store import AlbumStore
from examples.albums.traffic import Traffic
from mapreduce.errors import StorageError
from mapreduce.storage.local import LocalStorage
from mapreduce.version import VERSION
from services.shell.serve import State

FOUR = {"id": "4", "title": "The Modern Sound", "artist": "Betty Carter", "price": 49.99}
IN_JSON = {"content-type": "application/json"}


class _Broken(AlbumStore):
    """A store that fails, or hangs until it is let go."""

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__(LocalStorage(), "file:///nowhere")
        self.may_go_on = threading.Event()
        if not hangs:
            self.may_go_on.set()
        self.calls = 0

    def fail(self, *_: object) -> Any:
        """Fail, when it may."""
        self.calls += 1
        self.may_go_on.wait()
        raise StorageError("s3://secret-bucket refuses")

    get: Any = fail
    add: Any = fail
    infos: Any = fail


class _Service:
    """The app, and a client in this process."""

    def __init__(self, store: AlbumStore, **settings: Any) -> None:
        given: dict[str, Any] = {"store": "file:///nowhere", "store_limit_s": 0.05}
        given |= {"image_tag": "tag"} | settings
        self.state = State()
        self.traffic = Traffic(self.state, 5.0)
        self.app: FastAPI = create_app(AlbumSettings(**given), store, self.traffic)

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **given)

        return asyncio.run(send())

    def add(self, **changed: Any) -> httpx.Response:
        """Send a valid album, with changes."""
        headers = changed.pop("headers", {})
        return self.ask(
            "POST", "/albums", content=json.dumps(FOUR | changed), headers=IN_JSON | headers
        )


@pytest.fixture
def service(tmp_path: Path) -> _Service:
    """A service with an empty folder."""
    return _Service(AlbumStore(LocalStorage(), f"file://{tmp_path}"), store_limit_s=30)


def _message(answer: httpx.Response) -> str:
    body = answer.json()
    assert answer.content == in_json(body)
    assert list(body) == ["message"]
    return str(body["message"])


def test_one_album(service: _Service) -> None:
    """`GET /albums/1` prints the source document's bytes."""
    answer = service.ask("GET", "/albums/1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.text == (
        '{\n    "id": "1",\n    "title": "Blue Train",\n    "artist": "John Coltrane",\n'
        '    "price": 56.99\n}'
    )


def test_all_albums(service: _Service) -> None:
    """`GET /albums` lists the three albums, then the added ones by id, not by time."""
    for name in ("b", "0", "a"):
        assert service.add(id=name).status_code == 201
    answer = service.ask("GET", "/albums")
    assert [album["id"] for album in answer.json()] == ["1", "2", "3", "0", "a", "b"]
    assert answer.text.startswith('[\n    {\n        "id": "1",\n        "title": "Blue Train",\n')
    assert answer.content == in_json(answer.json())


def test_an_object_cannot_replace_one_of_the_three(tmp_path: Path) -> None:
    """An object in the store with the id of one of the three albums changes no answer."""
    store = AlbumStore(LocalStorage(), f"file://{tmp_path}")
    assert store.add(Album(id="1", title="T", artist="A", price=1), "by hand")
    service = _Service(store, store_limit_s=30)
    listed = service.ask("GET", "/albums").json()
    assert listed == [album.fields() for album in SEEDS.values()]


@pytest.mark.parametrize(
    "path",
    [
        *("/albums/4", "/albums/", "/albums/a/b", "/albums/a%2Fb", "/albums/%2e%2E"),
        *("/albums/4.json", "/albums/%00", "/albums/é", "/albums/1/", "/albums/" + "x" * 10_000),
    ],
)
def test_an_unknown_album(service: _Service, path: str) -> None:
    """Whatever no album's id is, is not found, in the tutorial's words."""
    answer = service.ask("GET", path)
    assert (answer.status_code, _message(answer)) == (404, "album not found")


@pytest.mark.parametrize("path", ["/", "/album", "/docs", "/albums.json"])
def test_an_unknown_path(service: _Service, path: str) -> None:
    """Another path is not found, in the same form."""
    answer = service.ask("GET", path)
    assert (answer.status_code, _message(answer)) == (404, "not found")


def test_a_new_album(service: _Service) -> None:
    """`POST /albums` answers 201 with the album and its place, where it then is."""
    answer = service.add()
    assert (answer.status_code, answer.headers["location"]) == (201, "/albums/4")
    assert answer.content == in_json(FOUR)
    assert service.ask("GET", answer.headers["location"]).content == in_json(FOUR)


@pytest.mark.parametrize("album_id", ["4", "1"])
def test_a_duplicate(service: _Service, album_id: str) -> None:
    """An id that is taken, by an added album or one of the three, answers 409."""
    service.add(id="4")
    answer = service.add(id=album_id, title="Another")
    assert (answer.status_code, _message(answer)) == (
        409,
        f"there is an album with the id {album_id} already",
    )


def test_a_request_that_is_sent_again(service: _Service) -> None:
    """With the same Idempotency-Key a repeated request gets the first one's answer."""
    key = {"Idempotency-Key": "4f1c"}
    first, again = service.add(headers=key), service.add(headers=key)
    assert (
        (first.status_code, first.content)
        == (again.status_code, again.content)
        == (201, again.content)
    )
    assert service.add(headers={"Idempotency-Key": "another"}).status_code == 409


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_a_key_that_is_none(service: _Service, key: str) -> None:
    """A key is short and visible."""
    answer = service.add(headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert _message(answer).startswith("Idempotency-Key: 1 to 128")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "the body: Invalid JSON"),
        (b"{", "the body: Invalid JSON"),
        (b"[]", "the body: "),
        (b'\xff{"id": "4"}', "the body: Invalid JSON"),
        (b'{"id": "4"}', "title: Field required"),
        (json.dumps(FOUR | {"price": "49.99"}).encode(), "price: Input should be a valid number"),
        (json.dumps(FOUR | {"price": float("nan")}).encode(), "price: "),
        (json.dumps(FOUR | {"price": -1}).encode(), "price: Input should be greater than"),
        (json.dumps(FOUR | {"id": "a/b"}).encode(), "id: String should match"),
        (json.dumps(FOUR | {"year": 1957}).encode(), "year: Extra inputs"),
        (json.dumps(FOUR | {"y" * 5000: 1}).encode(), "y" * 100 + ": Extra inputs"),
        (b"[" * 100_000, "the body: "),
    ],
)
def test_a_body_that_is_no_album(service: _Service, body: bytes, where: str) -> None:
    """The message names the field and what is wrong with it."""
    answer = service.ask("POST", "/albums", content=body, headers=IN_JSON)
    assert answer.status_code == 422
    assert _message(answer).startswith(where)
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/json"},
        IN_JSON | {"content-encoding": "gzip"},
    ],
)
def test_another_media_type(service: _Service, headers: dict[str, str]) -> None:
    """Only JSON is taken; so no page of another site can make a browser add an album."""
    answer = service.ask("POST", "/albums", content=json.dumps(FOUR), headers=headers)
    assert (answer.status_code, answer.headers["accept"]) == (415, "application/json")
    assert "Content-Type: application/json" in _message(answer)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_by_its_other_names(service: _Service, kind: str) -> None:
    """A media type has parameters, and no case."""
    assert service.add(headers={"content-type": kind}).status_code == 201


def test_a_body_over_the_limit(service: _Service) -> None:
    """A body over 1 MiB is refused; one below it may have blanks."""
    body = json.dumps(FOUR).encode()
    answer = service.ask("POST", "/albums", content=body.ljust((1 << 20) + 1), headers=IN_JSON)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert _message(answer) == "the request is larger than 1 MiB"
    assert (
        service.ask("POST", "/albums", content=body.ljust(1 << 20), headers=IN_JSON).status_code
        == 201
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/albums", "GET, HEAD, POST"),
        ("OPTIONS", "/albums", "GET, HEAD, POST"),
        ("PUT", "/albums/1", "GET, HEAD"),
        ("POST", "/albums/1", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have(
    service: _Service, method: str, path: str, allowed: str
) -> None:
    """405 names the methods that the path has."""
    answer = service.ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert _message(answer) == "method not allowed"


@pytest.mark.parametrize("path", ["/albums", "/albums/1", "/albums/9", "/health", "/metrics"])
def test_head_is_get_without_the_body(service: _Service, path: str) -> None:
    """HEAD has the status and headers of GET; the server leaves the body out."""
    head, got = service.ask("HEAD", path), service.ask("GET", path)
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_store_that_fails_or_hangs(hangs: bool) -> None:
    """The three albums are answered; what needs the store is refused in time, and its reason is
    only in the log.
    """
    store = _Broken(hangs=hangs)
    service = _Service(store)
    try:
        for album in SEEDS.values():
            assert service.ask("GET", f"/albums/{album.id}").content == in_json(album.fields())
        assert service.add(id="1").status_code == 409
        assert store.calls == 0
        for answer in (
            service.add(),
            service.ask("GET", "/albums"),
            service.ask("GET", "/albums/4"),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert _message(answer) == "the store does not answer; try again in 1 s"
        assert service.ask("GET", "/health").json()["ok"] is True
    finally:
        store.may_go_on.set()


def test_a_store_that_hangs_keeps_a_limited_number_of_threads() -> None:
    """When each thread waits for the store, further requests are refused without a thread."""
    store = _Broken(hangs=True)
    service = _Service(store)
    try:
        for _ in range(STORE_THREADS + 3):
            assert service.ask("GET", "/albums/4").status_code == 503
        assert store.calls == STORE_THREADS
    finally:
        store.may_go_on.set()


def test_an_unknown_error_is_answered_in_the_same_form() -> None:
    """A mistake of ours is no text of the framework."""

    class Wrong(_Broken):
        """A store with a mistake."""

        def get(self, _: str) -> Album | None:
            """Raise what no code expects."""
            raise ZeroDivisionError

    answer = _Service(Wrong(), store_limit_s=30).ask("GET", "/albums/4")
    assert (answer.status_code, _message(answer)) == (500, "internal error")


def test_health_names_version_image_and_state(service: _Service) -> None:
    """The health check says what runs, and whether it is stopping."""
    expected = {"ok": True, "draining": False, "version": VERSION, "image_tag": "tag"}
    assert service.ask("GET", "/health").json() == expected
    service.state.draining = True
    answer = service.ask("GET", "/health")
    assert (answer.json()["draining"], answer.headers["connection"]) == (True, "close")


def test_metrics_count_the_answers(service: _Service) -> None:
    """The metrics are Prometheus's text."""
    service.ask("GET", "/albums/9")
    answer = service.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'albums_requests_total{method="GET",status="404"} 1.0' in answer.text


def test_the_description_names_each_answer(service: _Service) -> None:
    """The OpenAPI description has the three calls, the album's fields and limits."""
    described = service.ask("GET", "/openapi.json").json()
    adding = described["paths"]["/albums"]["post"]
    assert {"201", "408", "409", "413", "415", "422", "503"} <= set(adding["responses"])
    schema = adding["requestBody"]["content"]["application/json"]["schema"]
    assert list(schema["properties"]) == ["id", "title", "artist", "price"]
    assert schema["additionalProperties"] is False
