"""The vendored scripts."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (
            "htmx.min.js",
            "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
        ),
        (
            "hx-sse.min.js",
            "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
        ),
        (
            "htmx-LICENSE.txt",
            "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
        ),
    ],
)
def test_the_scripts_are_those_of_htmx_4_0_1(name: str, digest: str) -> None:
    """The files are byte for byte those of the npm package htmx.org 4.0.1, with its licence."""
    content = files("driver.web").joinpath("static", name).read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
