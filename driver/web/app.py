"""The HTTP app of the live pages: who may ask is checked first, for every path."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Annotated, Protocol
from urllib.parse import parse_qs, quote

import anyio.to_thread
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driver.program.command_name import COMMAND
from driver.report.page import render
from driver.web import access as door
from driver.web import pages
from driver.web.access import Access
from driver.web.changes import Sections
from driver.web.overview import Choice, RunRow
from driver.web.watch import Read, Reading, Watch, Watches
from mapreduce.errors import InputError, MapReduceError

STATIC = {
    "htmx.min.js": "text/javascript",
    "hx-sse.min.js": "text/javascript",
    "live.js": "text/javascript",
    "web.css": "text/css",
}
STYLE = "page.css"
"""The style sheet of the page of a run."""
FORM_BYTES = 1024
OVER = "over"
"""The event after which a page asks for no more."""


class Store(Protocol):
    """The runs of a store, as the pages need them; its methods may wait for the store."""

    @property
    def url(self) -> str:
        """Return the store's URL."""
        ...

    def rows(self) -> list[RunRow]:
        """Return a row for each run."""
        ...

    def reader(self, run: str) -> Read:
        """Return what reads the sections of a run again and again; raises `InputError`."""
        ...

    def page(self, run: str, form_token: str) -> str:
        """Return the page of a run; raises `InputError`."""
        ...

    def comparison(self, first: str, second: str) -> str:
        """Return the page that compares two runs; raises `InputError`."""
        ...

    def cancel(self, run: str) -> None:
        """Ask the driver of a run to end it; raises `InputError`."""
        ...


def create_app(store: Store, access: Access, least_pause_s: float) -> FastAPI:
    """Return the app.

    Args:
        store: the runs.
        access: who may ask.
        least_pause_s: between two readings of the store.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    answers = _Answers(store, access, Watches(least_pause_s))
    get = partial(app.get, response_model=None)
    get("/open")(answers.open)
    get("/")(answers.overview)
    get("/live", response_class=EventSourceResponse)(answers.overview_live)
    get("/run/{run}")(answers.run)
    get("/compare")(answers.compare)
    get("/run/{run}/live", response_class=EventSourceResponse)(answers.run_live)
    app.post("/run/{run}/cancel", response_model=None)(answers.cancel)
    get("/static/{name}")(static)
    app.add_exception_handler(MapReduceError, answers.error)
    app.add_middleware(_Door, access=access)
    return app


async def static(name: str) -> Response:
    """Return a file of the pages."""
    if name == STYLE:
        return Response(render.style(), media_type="text/css")
    if name not in STATIC:
        return Response(status_code=404)
    content = files("driver.web").joinpath("static", name).read_bytes()
    return Response(content, media_type=STATIC[name])


@dataclass
class _Answers:
    """The answer of each path."""

    store: Store
    access: Access
    watches: Watches
    spent: bool = False

    async def open(self, token: str = "") -> Response:
        """Give the browser its cookie.

        The next page is opened by this one and not by a redirect: a browser that comes from
        elsewhere would not send a strict cookie after a redirect.
        """
        if not self.access.opens(token, spent=self.spent):
            return _refused("this address was of an earlier start; open the one printed last")
        self.spent = self.spent or self.access.is_once(token)
        answer = HTMLResponse(
            "<!doctype html><html lang=en><meta http-equiv=refresh content='0;url=/'>"
            "<title>Runs</title><p><a href='/'>Runs</a></p></html>"
        )
        answer.set_cookie(
            self.access.cookie_name,
            self.access.cookie,
            max_age=door.COOKIE_AGE_S,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def overview(self, state: str = "", job: str = "", text: str = "") -> Response:
        """Return the page of all runs, or of those of one job."""
        choice = Choice(state=state, job=job, text=text)
        sections = await anyio.to_thread.run_sync(self._overview, choice)
        return HTMLResponse(pages.overview_page(self.store.url, sections, choice))

    async def overview_live(
        self,
        state: str = "",
        job: str = "",
        text: str = "",
        shown: str = "",
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> AsyncIterable[ServerSentEvent]:
        """Send the changes of the page of all runs."""
        choice = Choice(state=state, job=job, text=text)
        async with self.watches.watch(choice, lambda: Reading(self._overview(choice))) as watch:
            async for event in _events(watch, last_event_id or shown):
                yield event

    async def run(self, run: str) -> Response:
        """Return the page of a run."""
        page = await anyio.to_thread.run_sync(self.store.page, run, self.access.form_token)
        return HTMLResponse(page)

    async def compare(self, first: str = "", second: str = "") -> Response:
        """Return the page that compares two runs."""
        page = await anyio.to_thread.run_sync(self.store.comparison, first, second)
        return HTMLResponse(page)

    async def run_live(
        self, run: str, shown: str = "", last_event_id: Annotated[str | None, Header()] = None
    ) -> AsyncIterable[ServerSentEvent]:
        """Send the changes of a run's page, until the run is over."""
        try:
            read = await anyio.to_thread.run_sync(self.store.reader, run)
        except MapReduceError:
            return  # the run's page says why it cannot be shown
        async with self.watches.watch(("run", run), read) as watch:
            async for event in _events(watch, last_event_id or shown):
                yield event

    async def cancel(self, request: Request, run: str) -> Response:
        """Cancel a run, if one of our pages asks."""
        form_token = await _form_token(request)
        if not self.access.may_change(form_token, request.headers):
            return _refused("this form is not of this server; load the page again")
        await anyio.to_thread.run_sync(self.store.cancel, run)
        return RedirectResponse(f"/run/{quote(run, safe='')}", status_code=303)

    async def error(self, _: Request, exc: Exception) -> Response:
        """Return the page of an error."""
        status = 404 if isinstance(exc, InputError) else 502
        return HTMLResponse(
            pages.message_page(self.store.url, "This cannot be shown", str(exc)), status
        )

    def _overview(self, choice: Choice) -> Sections:
        return pages.overview_sections(self.store.rows(), choice)


async def _form_token(request: Request) -> str:
    """Return the token in a form; "" for a form that is too long to be one of ours."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES:
            return ""
    return parse_qs(body.decode("latin-1")).get("form_token", [""])[0]


async def _events(watch: Watch, shown: str) -> AsyncIterable[ServerSentEvent]:
    async for message in watch.messages(shown):
        yield ServerSentEvent(raw_data=message.html, id=message.id)
    yield ServerSentEvent(raw_data="", event=OVER)


def _refused(why: str) -> Response:
    return Response(f"refused: {why}\n", 403, media_type="text/plain")


class _Door:
    """Refuses what does not come from the user's own pages; sets the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        # the page of a run has its style and script inline
        self._headers = door.headers(
            render.source_of(render.script()), render.source_of(render.style())
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    found.setdefault(name, value)
            await send(message)

        request = Request(scope)
        app: ASGIApp = self._app
        if not self._access.host_is_ours(request.headers.get("host", "")):
            app = _refused("this is not an address of this server")
        elif scope["path"] != "/open" and not self._access.knows(request.cookies):
            app = _refused(f"open the address that `{COMMAND} web` has printed")
        await app(scope, receive, with_headers)
