"""An author sees only their own frames, and errors of the engine are unchanged."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import mapreduce
from mapreduce.errors import InputChanged, UserCodeError
from mapreduce.user_code.calls import Place, told_as, user_code, user_frames

PACKAGE = Path(mapreduce.__file__).parent


def defined_in(filename: str, source: str) -> Callable[..., Any]:
    """Return a function `f` whose source has this file name."""
    names: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), names)
    found: Callable[..., Any] = names["f"]
    return found


def error_of(call: Callable[[], Any], place: Place | None = None) -> UserCodeError:
    """Return the error that a call of the author's code raises."""
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
    """A file outside of the package is the author's, also beside it with a longer name."""
    # called from a file of the engine, as in a task; the frame of this test is left out
    call = defined_in(f"{PACKAGE}/engine/outer.py", "def f(call):\n    call()\n")
    with pytest.raises(ZeroDivisionError) as caught:
        call(defined_in(filename, "def f():\n    g()\ndef g():\n    1 / 0\n"))
    assert caught.tb.tb_next is not None
    frames = user_frames(caught.tb.tb_next)
    assert [(filename, 2, "f"), (filename, 4, "g")] == [
        (frame.filename, frame.lineno, frame.name) for frame in frames
    ]


def test_frames_of_ours_that_the_author_called_are_shown() -> None:
    """If the author's code calls the engine wrongly, all frames below the author's are shown."""
    error = error_of(lambda: mapreduce.words(5))  # type: ignore[arg-type]
    assert "map raised AttributeError" in error.message
    assert "in words" in error.traceback
    assert __file__ in error.traceback


@pytest.mark.parametrize("exc", [InputChanged("x"), MemoryError(), UserCodeError("already")])
def test_errors_that_are_not_the_jobs(exc: BaseException) -> None:
    """Errors of the engine, and MemoryError, are not reported as the author's."""

    def fail() -> None:
        raise exc

    with pytest.raises(type(exc)) as caught, user_code(Place("map")):
        fail()
    assert exc is caught.value


def test_place() -> None:
    """A place is the object, with the byte if it is known."""
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
    """Return a call through functions in these files, the last of which raises."""
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
    """An error of the engine is not reported as the job's, also below a frame of the job."""
    with pytest.raises(Exception, match="Too many|1|zero") as caught, engine_calls():
        below(*files, raising=raising)()
    assert not isinstance(caught.value, UserCodeError)


@pytest.mark.parametrize(
    "files", [(AUTHOR,), (ENGINE, AUTHOR), (ENGINE, str(LIBRARY), AUTHOR, str(LIBRARY))]
)
def test_the_librarys_frames(files: tuple[str, ...]) -> None:
    """A library's frames are shown below a frame of the author, and not below one of the engine."""
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
        ("import no_such.part", "is named by `requirements = ['no_such']`"),
        ("raise ModuleNotFoundError('does not travel', name='x')", "Error: does not travel"),
        (f"open('/nowhere/jobs/{'0' * 64}/a.txt')", "travels with it if `files` names it"),
        ("raise ValueError('\\ud800')", "map raised ValueError: \\ud800"),
    ],
)
def test_any_exception_of_a_job_is_its_error(raising: str, named: str) -> None:
    """Any exception of a job becomes UserCodeError, and a lone surrogate in it is escaped."""
    with pytest.raises(UserCodeError) as caught, engine_calls():
        below(AUTHOR, raising=raising)()
    assert named in caught.value.message
    caught.value.message.encode()
    caught.value.traceback.encode()
    assert AUTHOR in caught.value.traceback


def test_ctrl_c_is_not_the_jobs_error() -> None:
    """Ctrl-C while the job runs propagates."""
    handler = defined_in(str(LIBRARY), "def f():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt), engine_calls():
        partial(defined_in(AUTHOR, "def f(call):\n    call()\n"), handler)()


@contextmanager
def engine_calls() -> Iterator[None]:
    """Call in `user_code`, without a frame of this test in the traceback."""
    try:
        yield
    except BaseException as exc:  # noqa: BLE001 - a job may raise anything
        trace = exc.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        told = told_as(exc.with_traceback(trace), Place("map"))
        raise told from None


@pytest.mark.parametrize("used", ["len(values)", "values[0]", "reversed(values)", "values[1:]"])
@pytest.mark.parametrize(
    "values", [chain([1], [2]), iter([1, 2]), (each for each in (1, 2))], ids=type
)
def test_values_that_are_taken_for_a_list(used: str, values: Iterator[int]) -> None:
    """The message of `reduce` and `combine` says that `values` is an iterator; others do not."""
    reduce = defined_in("/home/a/job.py", f"def f(key, values):\n    return {used}\n")
    said = {
        step: str(error_of(partial(reduce, "key", values), Place(step)))
        for step in ("reduce", "combine", "map")
    }
    assert "write `values = list(values)` first" in said["reduce"]
    assert "write `values = list(values)` first" in said["combine"]
    assert "list(values)" not in said["map"]


def test_another_error_in_reduce_says_nothing_of_values() -> None:
    """An error about another object is shown as it is."""
    reduce = defined_in("/home/a/job.py", "def f(key, values):\n    return len(3)\n")
    error = error_of(partial(reduce, "key", [1]), Place("reduce"))
    assert str(error) == "reduce raised TypeError: object of type 'int' has no len()"
