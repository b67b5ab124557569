"""An author is shown their own frames, and an error of ours passes as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mapreduce
from mapreduce.errors import InputChanged, UserCodeError
from mapreduce.user_code.calls import Place, told_as, user_code, user_frames

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
    [
        "/home/a/job.py",
        f"{PACKAGE}_jobs/job.py",
        f"{PACKAGE}.py",
        f"{PACKAGE.parent}/jobs/own.py",
        "<string>",
    ],
)
def test_frames_of_the_author(filename: str) -> None:
    """A file is the author's wherever it lies but in our package, also beside it with a longer
    name.
    """
    # called from a file of ours, as the engine does; this test's own frame is left out
    call = defined_in(f"{PACKAGE}/engine/outer.py", "def f(call):\n    call()\n")
    with pytest.raises(ZeroDivisionError) as caught:
        call(defined_in(filename, "def f():\n    g()\ndef g():\n    1 / 0\n"))
    assert caught.tb.tb_next is not None
    frames = user_frames(caught.tb.tb_next)
    assert [(filename, 2, "f"), (filename, 4, "g")] == [
        (frame.filename, frame.lineno, frame.name) for frame in frames
    ]


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


LIBRARY = Path(tempfile.__file__)


def below(*filenames: str, raising: str) -> Callable[..., Any]:
    """A call that goes through functions in these files, the last of which raises."""
    call = defined_in(filenames[-1], f"def f():\n    {raising}\n")
    for filename in reversed(filenames[:-1]):
        call = partial(defined_in(filename, "def f(call):\n    return call()\n"), call)
    return call


ENGINE, AUTHOR = f"{PACKAGE}/engine/merge.py", "/home/a/job.py"


@pytest.mark.parametrize(
    "files",
    [
        (ENGINE,),
        (ENGINE, str(LIBRARY)),
        (ENGINE, AUTHOR, ENGINE),
        (ENGINE, AUTHOR, ENGINE, str(LIBRARY)),
    ],
)
@pytest.mark.parametrize(
    "raising", ["raise OSError(24, 'Too many open files')", "raise KeyError(1)", "1 / 0"]
)
def test_errors_of_ours_and_of_the_machine_pass(files: tuple[str, ...], raising: str) -> None:
    """What the engine raises is not told as the job's, also below a frame of the job that reads its
    `values`.
    """
    with pytest.raises(Exception, match="Too many|1|zero") as caught, engine_calls():
        below(*files, raising=raising)()
    assert not isinstance(caught.value, UserCodeError)


@pytest.mark.parametrize(
    "files", [(AUTHOR,), (ENGINE, AUTHOR), (ENGINE, str(LIBRARY), AUTHOR, str(LIBRARY))]
)
def test_the_librarys_frames(files: tuple[str, ...]) -> None:
    """Below a frame of the author's they are shown; those that the engine called are not."""
    with pytest.raises(UserCodeError, match="map raised OSError") as caught, engine_calls():
        below(*files, raising="raise OSError('no')")()
    assert caught.value.traceback.startswith(f'  File "{AUTHOR}"')
    assert (files[-1] == str(LIBRARY)) == (f'File "{LIBRARY}"' in caught.value.traceback)


@pytest.mark.parametrize(
    ("raising", "named"),
    [
        ("exit()", "map ended the process with exit(); a job may not call exit()"),
        ("__import__('sys').exit(3)", "map ended the process with exit(3)"),
        ("raise SystemExit", "map ended the process with exit()"),
        ("raise KeyboardInterrupt", "map raised KeyboardInterrupt"),
        ("raise GeneratorExit", "map raised GeneratorExit"),
        ("raise BaseException('x')", "map raised BaseException: x"),
        ("raise StopIteration", "map raised StopIteration: next() found no value"),
        ("raise ValueError('\\ud800')", "map raised ValueError: \\ud800"),
    ],
)
def test_whatever_a_job_raises_is_its_error(raising: str, named: str) -> None:
    """Nothing that a job raises ends the process; half a surrogate is written as its code."""
    with pytest.raises(UserCodeError) as caught, engine_calls():
        below(AUTHOR, raising=raising)()
    assert named in caught.value.message
    caught.value.message.encode()
    caught.value.traceback.encode()
    assert AUTHOR in caught.value.traceback


def test_ctrl_c_is_not_the_jobs_error() -> None:
    """An interrupt that arrives while the job is at work passes."""
    handler = defined_in(str(LIBRARY), "def f():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt), engine_calls():
        partial(defined_in(AUTHOR, "def f(call):\n    call()\n"), handler)()


@contextmanager
def engine_calls() -> Iterator[None]:
    """`user_code` around a call, without a frame of this test in the traceback."""
    try:
        yield
    except BaseException as exc:  # noqa: BLE001 - a job may raise anything
        trace = exc.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        told = told_as(exc.with_traceback(trace), Place("map"))
        raise told from None
