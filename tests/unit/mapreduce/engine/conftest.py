"""Every test of the engine runs twice: with the native extension, and as if it were not built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapreduce import native


@pytest.fixture(autouse=True, params=["compiled", "pure"])
def road(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which road the test takes."""
    if request.param == "compiled" and native.kernel is None:
        pytest.skip(f"the compiled part is {native.why_not}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pure":
            patch.setattr(native, "kernel", None)
        yield request.param
