"""Every test of the engine runs twice: with the native extension and without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapreduce import native


@pytest.fixture(autouse=True, params=["native", "pure"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """The implementation of the engine under test."""
    if request.param == "native" and native.extension is None:
        pytest.skip(f"the native extension is {native.why_not}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pure":
            patch.setattr(native, "extension", None)
        yield request.param
