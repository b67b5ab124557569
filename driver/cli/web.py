"""`web`: live pages of the runs of a store, on loopback."""

from __future__ import annotations

import secrets
import webbrowser
from contextlib import suppress

from driver.cli.options import Flag
from driver.cli.terminal import answer, say


def web(*, store: str | None = None, port: int | None = None, no_open: Flag = False) -> int:
    """Show the runs of a store as live pages in a browser, until Ctrl-C.

    The pages show all runs, each run while it goes and afterwards, and each job over time. The
    server listens on this machine only, and its address holds a secret: the browser that opens it
    gets a cookie. It reads the store, and changes nothing but for cancelling a run.

        python -m driver web
        python -m driver web --store s3://bucket --no-open

    Args:
        store: Folder or URL of the store (by default the stack's bucket when there is one, else
            .mapreduce in this folder).
        port: The port (by default 8621, or any where that is in use; 0 for any).
        no_open: Only print the address.
    """
    from driver.targets.prepare import open_runs
    from driver.web.access import Access
    from driver.web.app import create_app
    from driver.web.key_file import kept_key, key_file
    from driver.web.serve import DEFAULT_PORT, listening, serve
    from driver.web.store import KeptRuns

    runs = KeptRuns(open_runs(store))
    listener = listening(port)
    with listener:
        number = listener.getsockname()[1]
        if port is None and number != DEFAULT_PORT:
            say(f"port {DEFAULT_PORT} is in use, perhaps by another `web`; this is {number}")
        access = Access(kept_key(key_file()), _token(), _token(), number)
        answer(access.url(access.token))
        say(f"the runs of {runs.url}, on this machine only; Ctrl-C ends it")
        if not no_open:
            with suppress(webbrowser.Error):
                webbrowser.open(access.url(access.once))
        with suppress(KeyboardInterrupt):
            serve(create_app(runs, access, runs.pause_s), listener)
    return 0


def _token() -> str:
    return secrets.token_urlsafe(24)
