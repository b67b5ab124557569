"""An author is shown their own frames, and an error of ours passes as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mapreduce
from mapreduce.engine.user_code import Place, user_code, user_frames
from mapreduce.errors import InputChanged, UserCodeError

PACKAGE = Path(mapreduce.__file__).parent


def defined_in(filename: str, source: str) -> Callable[..., Any]:
    """A function `f` whose source lies in a file of that name."""
    names: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), names)
    found: Callable[..., Any] = names["f"]
    return found


def error_of(call: Callable[[], Any], place: Place | None = None) -> UserCodeError:
    """The error that a call of the author's code becomes."""
    with pytest.raises(UserCodeError) as caught, user_code(place or Place("map")):
        call()
    return caught.value


@pytest.mark.parametrize(
    "filename",
    ["/home/a/job.py", f"{PACKAGE}_jobs/job.py", f"{PACKAGE}.py", f"{PACKAGE.parent}/jobs/own.py", "<string>"],
)
def test_frames_of_the_author(filename: str) -> None:
    """A file is the author's wherever it lies but in our package, also beside it with a longer name."""
    # called from a file of ours, as the engine does; this test's own frame is left out
    call = defined_in(f"{PACKAGE}/engine/outer.py", "def f(call):\n    call()\n")
    with pytest.raises(ZeroDivisionError) as caught:
        call(defined_in(filename, "def f():\n    g()\ndef g():\n    1 / 0\n"))
    assert caught.tb.tb_next is not None
    frames = user_frames(caught.tb.tb_next)
    assert [(filename, 2, "f"), (filename, 4, "g")] == [(frame.filename, frame.lineno, frame.name) for frame in frames]


def test_frames_of_ours_that_the_author_called_are_shown() -> None:
    """When the author's code calls ours wrongly, the whole way from their line on is shown."""
    error = error_of(lambda: mapreduce.words(5))  # type: ignore[arg-type]
    assert "map raised AttributeError" in error.message
    assert "in words" in error.traceback
    assert __file__ in error.traceback


@pytest.mark.parametrize("exc", [InputChanged("x"), MemoryError(), UserCodeError("already")])
def test_what_passes(exc: BaseException) -> None:
    """Our own errors and a lack of memory are not the author's."""

    def fail() -> None:
        raise exc

    with pytest.raises(type(exc)) as caught, user_code(Place("map")):
        fail()
    assert exc is caught.value


def test_place() -> None:
    """A place is the object, and the byte when it is known."""
    place = Place("map")
    assert "" == str(place)
    place.url = "s3://b/k"
    assert "s3://b/k" == str(place)
    place.offset = 0
    place.record = "line"
    error = error_of(lambda: 1 / 0, place)
    assert ("s3://b/k at byte 0", "'line'") == (error.place, error.record)
