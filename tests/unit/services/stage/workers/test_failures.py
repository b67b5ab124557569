"""Every exception of a task can be sent with its place."""

from __future__ import annotations

import pytest

from services.stage.workers.failures import clean, error_of


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_exceptions_that_end_a_process_are_the_jobs_error(kind: type[BaseException]) -> None:
    """An exception that would end the process becomes the job's error with its frames."""
    with pytest.raises(kind) as caught:
        raise kind("bad \ud800")
    error = error_of(caught.value, "map")
    assert error.kind == "UserCodeError"
    assert error.message.startswith(f"map raised {kind.__name__}: bad \\ud800")
    assert __file__ in error.traceback
    assert error.model_dump_json()


def test_half_a_surrogate_in_a_message_is_shown_as_its_escape() -> None:
    """A lone surrogate in a message is escaped, because UTF-8 cannot encode it."""
    assert error_of(ValueError("bad \ud800")).message == "ValueError: bad \\ud800"


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("given", "shown"), [(5, "5"), (None, "None"), (b"x", "b'x'"), ("a\udfff", "a\\udfff")]
)
def test_a_status_may_be_anything(given: object, shown: str) -> None:
    """A status of any type is shown as text."""
    assert clean(given) == shown


def test_a_status_whose_text_raises_is_named() -> None:
    """A status whose text raises is shown by its type."""
    assert "_Broken" in clean(_Broken())
