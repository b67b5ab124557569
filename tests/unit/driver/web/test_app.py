"""The answers of the web server, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from driver.web.access import Access
from driver.web.app import OVER, STATIC, create_app
from driver.web.changes import shown_id
from driver.web.overview import RunRow
from driver.web.watch import Read, Reading
from mapreduce.errors import InputError

ACCESS = Access(key=b"k" * 32, token="long", once="short", port=8621)
HOME = "http://127.0.0.1:8621"
COOKIE = {"cookie": f"{ACCESS.cookie_name}={ACCESS.cookie}"}
LAST = {"verdict": "<p>done</p>", "tasks": "<p>5</p>"}
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


class _Store:
    """A store of one run that is over at its second reading."""

    url = "file:///store"

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.found = [RunRow(run="run-1", state="done", job="Count", created=1.0, seconds=2.0)]

    def rows(self) -> list[RunRow]:
        return self.found

    def reader(self, run: str) -> Read:
        readings = iter([Reading({**LAST, "tasks": "<p>4</p>"}), Reading(LAST, over=True)])
        return lambda: next(readings)

    def page(self, run: str, form_token: str) -> str:
        if run != "run-1":
            raise InputError(f"there is no run {run!r}")
        return f"<p>{run} {form_token}</p>"

    def comparison(self, first: str, second: str) -> str:
        return f"<p>{first} {second}</p>"

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)


def _ask(
    store: _Store, use: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(store, ACCESS, 0.0))
        async with httpx.AsyncClient(transport=transport, base_url=HOME, timeout=10) as client:
            return await use(client)

    return asyncio.run(asked())


def _get(path: str, store: _Store | None = None, host: str = "127.0.0.1:8621") -> httpx.Response:
    return _ask(
        store or _Store(), lambda client: client.get(path, headers={**COOKIE, "host": host})
    )


PATHS = [
    "/",
    "/live",
    "/compare?first=a&second=b",
    "/run/run-1",
    "/run/run-1/live",
    *(f"/static/{name}" for name in STATIC),
]


@pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
def test_without_the_cookie_there_is_nothing(path: str) -> None:
    """Every path but `/open` wants the cookie."""
    answer = _ask(_Store(), lambda client: client.get(path))
    assert 403 == answer.status_code
    assert "python -m driver web" in answer.text


@pytest.mark.parametrize("path", [*PATHS, "/open?token=long"])
def test_another_host_is_refused_whatever_it_knows(path: str) -> None:
    """A name that was pointed at this machine is refused before anything else is looked at."""
    assert 403 == _get(path, host="evil.example:8621").status_code


def test_the_token_gives_the_cookie() -> None:
    """The printed URL sets a strict cookie that no script reads, and leads to the runs."""
    answer = _ask(_Store(), lambda client: client.get("/open?token=long"))
    assert 200 == answer.status_code
    cookie = answer.headers["set-cookie"]
    assert f"{ACCESS.cookie_name}={ACCESS.cookie}" in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "long" not in answer.text


def test_the_token_of_the_browser_works_once() -> None:
    """The token that other users may see in the list of processes opens one page."""

    async def twice(client: httpx.AsyncClient) -> httpx.Response:
        assert 200 == (await client.get("/open?token=short")).status_code
        return await client.get("/open?token=short")

    assert 403 == _ask(_Store(), twice).status_code


def test_a_wrong_token_gives_nothing() -> None:
    """A token of another start sets no cookie."""
    answer = _ask(_Store(), lambda client: client.get("/open?token=wrong"))
    assert 403 == answer.status_code
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/run/run-1", "/nowhere", "/open?token=wrong"])
def test_every_answer_has_a_policy(path: str) -> None:
    """Refusals, errors and pages alike load nothing from elsewhere and tell no address."""
    answer = _get(path)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "no-referrer" == answer.headers["referrer-policy"]
    assert "no-store" == answer.headers["cache-control"]


def test_the_runs_are_listed_with_text_escaped() -> None:
    """A job's name runs nothing, and its invisible characters are seen."""
    store = _Store()
    store.found = [RunRow(run="run-1", state="done", job=HOSTILE, created=1.0)]
    text = _get("/", store).text
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[31m\u202e" in text


def test_a_choice_that_is_text_is_escaped() -> None:
    """What stands in the address is shown as text."""
    assert "<script>alert" not in _get("/?text=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text


def test_a_run_that_does_not_exist_has_a_page() -> None:
    """An unknown run is a 404 with the reason, and never a stack trace."""
    answer = _get("/run/run-2")
    assert 404 == answer.status_code
    assert "there is no run" in answer.text
    assert "Traceback" not in answer.text


def _messages(answer: httpx.Response) -> list[dict[str, str]]:
    return [
        dict(line.split(": ", 1) for line in message.split("\n") if ": " in line)
        for message in answer.text.strip().split("\n\n")
    ]


def test_a_run_is_sent_until_it_is_over() -> None:
    """The stream has what the page lacks, then what changes, and ends with the run."""
    shown = shown_id({**LAST, "tasks": "<p>3</p>"})
    answer = _get(f"/run/run-1/live?shown={shown}")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *messages, last = _messages(answer)
    assert OVER == last["event"]
    assert all('hx-target="#tasks"' in message["data"] for message in messages)
    assert shown_id(LAST) == messages[-1]["id"]


def test_a_page_goes_on_where_it_was() -> None:
    """A browser that comes back with the last id is sent only the end."""
    headers = {**COOKIE, "last-event-id": shown_id(LAST)}
    path = "/run/run-1/live?shown="
    [*_, last] = _messages(_ask(_Store(), lambda client: client.get(path, headers=headers)))
    assert OVER == last["event"]


@pytest.mark.parametrize(
    ("token", "origin", "expected"),
    [
        (ACCESS.form_token, HOME, ["run-1"]),
        (ACCESS.form_token, "https://evil.example", []),
        ("", HOME, []),
        ("x" * 5000, HOME, []),
    ],
)
def test_only_our_form_cancels(token: str, origin: str, expected: list[str]) -> None:
    """A run is cancelled by a form of our own pages, and by no other."""
    store = _Store()
    answer = _ask(
        store,
        lambda client: client.post(
            "/run/run-1/cancel",
            data={"form_token": token},
            headers={**COOKIE, "origin": origin},
        ),
    )
    assert expected == store.cancelled
    assert (303 if expected else 403) == answer.status_code


def test_nothing_else_can_be_changed() -> None:
    """Cancel is the only path that takes anything but GET."""
    routes = create_app(_Store(), ACCESS, 0.0).routes
    methods = {route.path: route.methods for route in routes}  # type: ignore[attr-defined]
    assert ["/run/{run}/cancel"] == [path for path, each in methods.items() if "GET" not in each]
