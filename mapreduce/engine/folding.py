"""States of aggregations that the native extension merges: of all frames of a key, one state or
result.

It does so for `Sum`, `Count`, `Min`, `Max`, `Mean`, `TopK`, `Variance`, `StandardDeviation`,
`Quantile` and `Quantiles`, alone or several of a key. A key whose states it cannot merge exactly
(integers beyond 64 bits, floats below 2^-80, texts) is merged in Python; the bytes are the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from mapreduce import native
from mapreduce.aggregate import Aggregation, Count, Max, Mean, Min, Sum, TopK
from mapreduce.aggregations.ranks import Quantile, Quantiles
from mapreduce.aggregations.several import Several
from mapreduce.aggregations.spread import StandardDeviation, Variance
from mapreduce.encoding import encode_value
from mapreduce.engine.collect import merged_states, packed_result, packed_state
from mapreduce.formats.frames import FrameSink, RawFrame

_KINDS: dict[type[Aggregation[Any]], bytes] = {
    Sum: b"s",
    Count: b"s",
    Mean: b"a",
    Min: b"l",
    Max: b"g",
    TopK: b"t",
    Quantile: b"q",
    Quantiles: b"Q",
    Variance: b"v",
    StandardDeviation: b"d",
}
"""What the extension calls each aggregation; a subclass is none of them."""
_MOST = 15
"""Aggregations of a key."""
_LARGEST = 1 << 62
"""The denominators of quantiles are below this."""


def folds(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether the extension is present and merges states of the aggregation."""
    if native.extension is None or aggregation is None:
        return False
    each = _each(aggregation)
    return 0 < len(each) <= _MOST and all(type(one) in _KINDS and _is_short(one) for one in each)


def folded(
    aggregation: Aggregation[Any], frames: Iterable[RawFrame], *, results: bool
) -> Iterator[RawFrame]:
    """Return frames with one state for each key, or with `results` its result.

    Args:
        aggregation: one that `folds`.
        frames: states in key order; equal keys in the order of the input.
        results: make the results.
    """
    assert native.extension is not None, "folding needs the native extension"
    header = b""
    each = _each(aggregation)
    prefixes = (b"",) * len(each)
    if type(aggregation) is Several:
        names = list(aggregation.by_name)
        header = encode_value([None] * len(names))[:1]
        if results:
            texts = [encode_value(name) for name in names]
            begin = encode_value(dict.fromkeys(names))[:1]
            prefixes = (begin + texts[0], *texts[1:])

    def otherwise(key: bytes, states: list[bytes], is_result: bool) -> int | bytes:
        ((_, state),) = merged_states(aggregation, [(key, state) for state in states])
        pack = packed_result if is_result else packed_state
        return pack(aggregation, key, state)

    program = b"".join(b"u" if _is_least(one) else _KINDS[type(one)] for one in each)
    found: Iterator[RawFrame] = native.extension.Fold(
        frames, program, header, prefixes, tuple(map(_options, each)), results, otherwise
    )
    return found


def folding(
    aggregation: Aggregation[Any], *, results: bool
) -> Callable[[Iterable[RawFrame], FrameSink], None]:
    """Return a function that writes frames of states as one state or result for each key."""

    def write(frames: Iterable[RawFrame], writer: FrameSink) -> None:
        writer.write_frames(folded(aggregation, frames, results=results))

    return write


def _is_least(aggregation: Aggregation[Any]) -> bool:
    return isinstance(aggregation, TopK) and aggregation.smallest


def _is_short(aggregation: Aggregation[Any]) -> bool:
    """Return whether the extension can compute with the shares of quantiles."""
    return not isinstance(aggregation, Quantiles) or all(
        share.denominator < _LARGEST for share in aggregation.quantiles
    )


def _options(aggregation: Aggregation[Any]) -> tuple[int, ...]:
    """Return what the extension must know of an aggregation; see `are_options` in fold.c."""
    if isinstance(aggregation, TopK):
        return (min(aggregation.k, sys.maxsize),)
    if isinstance(aggregation, Variance):
        return (int(aggregation.sample),)
    if isinstance(aggregation, Quantiles):
        shares = (share.as_integer_ratio() for share in aggregation.quantiles)
        return int(aggregation.interpolate), *chain.from_iterable(shares)
    return ()


def _each(aggregation: Aggregation[Any]) -> list[Aggregation[Any]]:
    return list(aggregation.by_name.values()) if type(aggregation) is Several else [aggregation]
