"""Compare the pairs of a job with those of its answer."""

from __future__ import annotations

import json
import math
from typing import Any

from tests.porting.answers import Pairs
from tests.porting.ports import Port

MOST_SHOWN = 3


def differences(port: Port, answer: Pairs, found: Pairs) -> list[Any]:
    """Return the first places where two lists of pairs differ.

    They are compared as JSON, which has no tuples. An empty answer is a difference: a test with
    it shows nothing.
    """
    expected = [json.loads(json.dumps(pair)) for pair in answer]
    ours = [list(port.ours(key, value)) for key, value in found]
    if not port.in_order:
        expected.sort(key=_order(port))
        ours.sort(key=_order(port))
    if not expected or len(expected) != len(ours):
        return [f"{len(expected)} pairs in the answer, {len(ours)} of the job"]
    pairs = zip(expected, ours, strict=True)
    return [pair for pair in pairs if not _equal(*pair, port.tolerance)][:MOST_SHOWN]


def _order(port: Port) -> Any:
    """Return the key to sort by: floats that may differ do not take part in the order."""
    return (lambda pair: json.dumps(pair[0])) if port.tolerance else json.dumps


def _equal(wanted: Any, seen: Any, tolerance: float) -> bool:
    if isinstance(wanted, float) and isinstance(seen, float):
        return math.isclose(wanted, seen, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(wanted, list) and isinstance(seen, list):
        return len(wanted) == len(seen) and all(map(_equal, wanted, seen, [tolerance] * len(seen)))
    if isinstance(wanted, dict) and isinstance(seen, dict):
        return wanted.keys() == seen.keys() and all(
            _equal(value, seen[name], tolerance) for name, value in wanted.items()
        )
    return type(wanted) is type(seen) and bool(wanted == seen)
