"""The extension as a module: interpreters, garbage collection, and callbacks."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from mapreduce import native
from mapreduce.encoding import encode_key, encode_value
from mapreduce.formats.frames import RawFrame
from mapreduce.partition import key_hash

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
extension: Any = native.extension


def collector(module: Any = extension, **more: Any) -> Any:
    """Return a collector that sums."""
    arguments = {
        "operation": module.SUM,
        "partitions": 1,
        "limit": 1 << 30,
        "encode_key": encode_key,
        "encode_value": encode_value,
        "long_hash": key_hash,
        "partition": None,
        "check": None,
    }
    return module.Collector(**(arguments | more))


def another() -> ModuleType:
    """Load the extension once more."""
    spec = importlib.util.spec_from_file_location(extension.__name__, extension.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_module_has_types_and_a_state() -> None:
    """Two modules in one process share nothing, and an object outlives its module."""
    module = another()
    assert module.Collector is not extension.Collector
    for each in (extension, module):
        given_pairs = collector(each)
        given_pairs.add(iter([("a", 1), ("a", 2)]))
        given_pairs.sort()
        assert given_pairs.frame(0, 0)[:2] == (1, 1)
    gone = weakref.ref(module)
    given_pairs = collector(module)
    del module, each
    gc.collect()
    assert gone() is not None, "the type holds the module"
    del given_pairs
    gc.collect()
    assert gone() is None


def test_a_subinterpreter_has_a_module() -> None:
    """The extension works in two interpreters of a process, and in the first after the second's
    end.
    """
    script = (
        "import importlib.util, sys\n"
        "code = '''\n"
        "import importlib.util\n"
        "spec = importlib.util.spec_from_file_location({name!r}, {file!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "pairs = module.Collector(module.SUM, 1, 1 << 20, None, None, None, None, None)\n"
        "given = iter([(str(n % 1000), n) for n in range(100000)])\n"
        "assert pairs.add(given) == (module.ENDED, ())\n"
        "pairs.sort()\n"
        "assert len(pairs) == 1000 and pairs.frame(0, 0)[1] == 1000\n"
        "words = module.WordCounts()\n"
        "words.add(b'a b a')\n"
        "assert words.take()[:2] == (['a', 'b'], [2, 1]) or len(words.take()[0]) == 0\n"
        "'''.format(name=sys.argv[1], file=sys.argv[2])\n"
        "if sys.version_info >= (3, 14):\n"
        "    from concurrent import interpreters\n"
        "    run = lambda: interpreters.create().exec(code)\n"
        "elif sys.version_info >= (3, 13):\n"
        "    import _interpreters\n"
        "    def run():\n"
        "        number = _interpreters.create()\n"
        "        assert _interpreters.exec(number, code) is None\n"
        "        _interpreters.destroy(number)\n"
        "else:\n"
        "    import _xxsubinterpreters\n"
        "    def run():\n"
        "        number = _xxsubinterpreters.create()\n"
        "        _xxsubinterpreters.run_string(number, code)\n"
        "        _xxsubinterpreters.destroy(number)\n"
        "exec(code)\n"
        "run()\n"
        "run()\n"
        "exec(code)\n"
        "print('well')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, extension.__name__, extension.__file__],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("well\n", "") == (done.stdout, done.stderr)


class Callback:
    """A callable that can be in a cycle and have a weak reference."""

    held: Any = None

    def __call__(self, key: Any) -> bytes:
        return encode_key(key)


def test_a_collector_in_a_cycle_is_freed() -> None:
    """A collector in a cycle with its callable is freed."""
    callback = Callback()
    callback.held = collector(encode_key=callback)
    callback.held.add(iter([(1, 1)]))
    gone = weakref.ref(callback)
    del callback
    gc.collect()
    assert gone() is None


class Frames:
    """An iterator of frames that can be in a cycle."""

    held: Any = None

    def __init__(self, frames: list[RawFrame]) -> None:
        self._frames = iter(frames)

    def __iter__(self) -> Iterator[RawFrame]:
        return self

    def __next__(self) -> RawFrame:
        return next(self._frames)


def test_a_merge_in_a_cycle_is_freed() -> None:
    """A merge in a cycle with its run is freed, also after it has begun."""
    frame = (extension.SUM, 1, b"\x01\x00\x00\x00a" + bytes(8))
    run = Frames([frame] * 10_000)
    run.held = extension.Merge([run], extension.KEEP)
    next(run.held)
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


def test_a_run_may_change_the_list_of_runs() -> None:
    """A merge reads the given runs, even if an `__iter__` changes the list."""
    runs: list[Any] = []

    class Emptying:
        def __iter__(self) -> Iterator[RawFrame]:
            runs.clear()
            return iter([(1, 1, b"\x01\x00\x00\x00a" + bytes(8))])

    runs += [Emptying() for _ in range(1000)]
    assert [(1, 1000)] == [frame[:2] for frame in extension.Merge(runs, extension.KEEP)]


def test_types_cannot_be_changed() -> None:
    """The extension's types are immutable and cannot be subclassed."""
    for name in ("Collector", "Merge", "WordCounts"):
        with pytest.raises(TypeError, match="immutable"):
            setattr(getattr(extension, name), "add", None)  # noqa: B010 - mypy knows that it cannot be assigned
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Mine", (getattr(extension, name),), {})
