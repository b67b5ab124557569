"""Which group of replicas gets a request."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.decisions.canary import group_of, is_mirrored

INFER = "/v2/models/digits/infer"
DRAWS = st.floats(0, 1, exclude_max=True)


def test_a_canary_of_ten_percent_gets_a_tenth() -> None:
    """Of 5,000 inferences 10 +- 1.5 % go to the canary."""
    draws = random.Random(7)
    chosen = [group_of(INFER, draws.random(), 10) for _ in range(5000)]
    assert 425 <= chosen.count("canary") <= 575


@given(DRAWS)
def test_the_ends_of_the_scale(draw: float) -> None:
    """At 0 % no request goes to the canary, and at 100 % every one does."""
    assert group_of(INFER, draw, 0) == "stable"
    assert group_of(INFER, draw, 100) == "canary"
    assert not is_mirrored(INFER, draw, 0, 0, 8)
    assert is_mirrored(INFER, draw, 100, 0, 8)


@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/health/ready",
        "/v2/models/digits",
        "/v2/models/digits/ready",
        "/v2/models/digits/versions/1/infer",
    ],
)
def test_only_an_inference_without_a_version_leaves_the_stable_group(path: str) -> None:
    """A path with a version means that version; questions about the model are not inferences."""
    assert group_of(path, 0.0, 100) == "stable"
    assert not is_mirrored(path, 0.0, 100, 0, 8)


@given(DRAWS, st.integers(0, 20))
def test_copies_are_bounded(draw: float, mirrored: int) -> None:
    """No copy is made while as many as allowed are on their way."""
    assert is_mirrored(INFER, draw, 100, mirrored, 8) == (mirrored < 8)
