"""Who may use the web server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.web.access import Access, headers

ACCESS = Access(key=b"k" * 32, token="long", once="short", port=8621)


@pytest.mark.parametrize("host", ["127.0.0.1:8621", "localhost:8621"])
def test_loopback_names_with_our_port_are_ours(host: str) -> None:
    """The two names of loopback, with our port, name this server."""
    assert ACCESS.host_is_ours(host)


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "localhost", "evil.example:8621", "127.0.0.1:80", "127.0.0.1:8621.evil"],
)
def test_another_host_is_refused(host: str) -> None:
    """A name that another page has pointed at this machine is not ours (DNS rebinding)."""
    assert not ACCESS.host_is_ours(host)


def test_the_token_opens_and_once_opens_one_time() -> None:
    """The printed token opens pages again and again, the one in a process's arguments once."""
    assert ACCESS.opens("long", spent=False)
    assert ACCESS.opens("long", spent=True)
    assert ACCESS.opens("short", spent=False)
    assert not ACCESS.opens("short", spent=True)
    assert not ACCESS.opens("", spent=False)
    assert not ACCESS.opens("wrong\udc80", spent=False)


def test_the_cookie_survives_a_restart() -> None:
    """A server with the same key knows the cookie, and one with another key does not."""
    cookies = {ACCESS.cookie_name: ACCESS.cookie}
    assert Access(b"k" * 32, "other", "other", 8621).knows(cookies)
    assert not Access(b"l" * 32, "long", "short", 8621).knows(cookies)
    assert not ACCESS.knows({})


def test_the_secrets_tell_nothing_of_each_other() -> None:
    """Cookie and form token differ, and neither is a token of a URL."""
    assert 4 == len({ACCESS.cookie, ACCESS.form_token, ACCESS.token, ACCESS.once})


@pytest.mark.parametrize(
    ("form_token", "given", "expected"),
    [
        (ACCESS.form_token, {}, False),
        (ACCESS.form_token, {"origin": "http://127.0.0.1:8621"}, True),
        (ACCESS.form_token, {"sec-fetch-site": "same-origin"}, True),
        (ACCESS.form_token, {"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ("", {"sec-fetch-site": "same-origin"}, False),
        (ACCESS.cookie, {"sec-fetch-site": "same-origin"}, False),
        (ACCESS.form_token, {"origin": "null"}, False),
        (ACCESS.form_token, {"origin": "https://evil.example"}, False),
        (ACCESS.form_token, {"sec-fetch-site": "cross-site"}, False),
        (ACCESS.form_token, {"sec-fetch-site": "same-site"}, False),
        (ACCESS.form_token, {"sec-fetch-site": "none", "origin": "http://127.0.0.1:8621"}, False),
    ],
)
def test_only_our_pages_may_change(form_token: str, given: dict[str, str], expected: bool) -> None:
    """A change needs the token of our pages, and comes from one of them."""
    assert expected == ACCESS.may_change(form_token, given)


@given(st.text(), st.text())
def test_a_guess_opens_nothing(token: str, cookie: str) -> None:
    """No text but the secrets opens anything, and none makes the check fail."""
    assert ACCESS.opens(token, spent=True) == (token == ACCESS.token)
    assert ACCESS.knows({ACCESS.cookie_name: cookie}) == (cookie == ACCESS.cookie)


def test_the_policy_allows_only_our_files() -> None:
    """The policy of each answer allows our files and the given inline scripts alone."""
    policy = headers("'sha256-x'")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-x'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "no-referrer" == headers()["Referrer-Policy"]
