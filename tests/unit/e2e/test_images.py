"""The limits of the images' sizes."""

from __future__ import annotations

import pytest

from tests.e2e.images import check_size
from tests.e2e.log import StepFailed


def test_an_image_over_its_limit_fails_the_step() -> None:
    """The limit is of the role, whatever the stack's name; a role without one has none."""
    check_size("stack/albums", 62_000_000, {"albums": 62})
    check_size("stack/other", 900_000_000, {"albums": 62})
    with pytest.raises(StepFailed, match=r"stack/albums has 62\.1 MB .* may have 62"):
        check_size("stack/albums", 62_100_000, {"albums": 62})
