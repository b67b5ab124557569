"""Who may use the web server: the address, the token, the cookie and the form's token. Pure.

Any page that the user visits can send requests to 127.0.0.1, and with a name of its own that it
points there (DNS rebinding) read the answers too. So the Host header is checked first, each page
wants the cookie that only the token's owner gets, and what changes something wants a token that
only our own pages hold.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

HOSTS = ("127.0.0.1", "localhost")
HTTP_PORT = 80
COOKIE_AGE_S = 30 * 24 * 3600


@dataclass(frozen=True)
class Access:
    """The secrets of one server.

    Attributes:
        key: kept between starts, so that open pages go on after a restart.
        token: of this start, in the URL that the terminal shows.
        once: in the URL that a browser is started with, where other users of the machine may read
            it; it opens one page.
        port: the port that the server listens on.
    """

    key: bytes
    token: str
    once: str
    port: int

    @property
    def cookie_name(self) -> str:
        """Return the cookie's name; browsers do not keep cookies apart by port."""
        return f"mapreduce-{self.port}"

    @property
    def cookie(self) -> str:
        """Return the cookie's value."""
        return self._derived("cookie")

    @property
    def form_token(self) -> str:
        """Return the token that each form of our pages holds."""
        return self._derived("form")

    def url(self, token: str) -> str:
        """Return the URL that opens the first page with a token."""
        return f"http://{HOSTS[0]}:{self.port}/open?token={token}"

    def host_is_ours(self, host: str) -> bool:
        """Return whether a Host header names this server, and by a loopback name."""
        # browsers leave the port of HTTP out
        ports = (f":{self.port}", *([""] if self.port == HTTP_PORT else []))
        return host in {f"{name}{port}" for name in HOSTS for port in ports}

    def opens(self, token: str, *, spent: bool) -> bool:
        """Return whether a URL's token is one of this start; `spent`: `once` has been used."""
        return _equal(token, self.token) or (not spent and self.is_once(token))

    def is_once(self, token: str) -> bool:
        """Return whether it is the token that opens one page."""
        return _equal(token, self.once)

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Return whether a request has the cookie."""
        return _equal(cookies.get(self.cookie_name, ""), self.cookie)

    def may_change(self, form_token: str, headers: Mapping[str, str]) -> bool:
        """Return whether a form comes from one of our pages; header names are in lower case.

        A page that sends no referrer sends `Origin: null` with a form, so that the browser's own
        word on where a request comes from counts first.
        """
        site = headers.get("sec-fetch-site")
        if site is None:
            ours = self.host_is_ours(headers.get("origin", "").removeprefix("http://"))
        else:
            ours = site == "same-origin"
        return ours and _equal(form_token, self.form_token)

    def _derived(self, purpose: str) -> str:
        return hmac.new(self.key, purpose.encode(), "sha256").hexdigest()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def headers(script_hashes: str = "", style_hashes: str = "") -> dict[str, str]:
    """Return the headers of every answer.

    Args:
        script_hashes: the inline scripts that a page may run, e.g. `'sha256-...'`.
        style_hashes: its inline styles.
    """
    policy = (
        f"default-src 'none'; script-src 'self' {script_hashes}; style-src 'self' {style_hashes}; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy.replace(" ;", ";"),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
