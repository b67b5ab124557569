"""Each port gives the answer of an independent program, in one process and on services alike."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.porting.ports import OF_MRJOB, OF_OTHERS, Peer, Port
from tests.porting.processes import PEER, pairs_of, run_job

needs_mrjob = pytest.mark.skipif(
    not PEER.exists(), reason="mrjob has an environment of its own; run: make porting"
)
ON_SERVICES = [port for port in (*OF_MRJOB, *OF_OTHERS) if port.fleet]


def _name(port: Port) -> str:
    return port.job.partition(".")[0]


def _run(port: Port, data: Path, folder: Path, target: str) -> bytes:
    out = folder / f"{target}.jsonl"
    options = ("--target", target, "--store", str(folder / f"store-{target}"))
    run_job(port.job, port.inputs, data, *port.options, *options, "--output", str(out))
    return out.read_bytes()


@needs_mrjob
@pytest.mark.parametrize("port", OF_MRJOB, ids=_name)
def test_a_port_yields_what_the_example_of_mrjob_does(
    port: Port, data: Path, tmp_path: Path
) -> None:
    """A job ported from mrjob's examples has the pairs of the example itself."""
    assert isinstance(port.answer, Peer)
    found = pairs_of(_run(port, data, tmp_path, "inline"))
    _compare(port, port.answer.answer(port.inputs, data), found)


@pytest.mark.parametrize("port", OF_OTHERS, ids=_name)
def test_a_port_yields_what_plain_python_does(port: Port, data: Path, tmp_path: Path) -> None:
    """A job of another textbook has the pairs of a program without the engine."""
    assert not isinstance(port.answer, Peer)
    _compare(port, port.answer(data), pairs_of(_run(port, data, tmp_path, "inline")))


@pytest.mark.parametrize("port", ON_SERVICES, ids=_name)
def test_services_give_the_same_bytes(port: Port, data: Path, tmp_path: Path) -> None:
    """The result of the services is that of one process, byte for byte."""
    one, fleet = (_run(port, data, tmp_path, target) for target in ("inline", "local"))
    assert one == fleet


def _compare(port: Port, answer: list[tuple[Any, Any]], found: list[tuple[Any, Any]]) -> None:
    """Fail where two lists of pairs differ; JSON has no tuples, so it is what is compared."""
    expected = [json.loads(json.dumps(pair)) for pair in answer]
    ours = [list(port.ours(key, value)) for key, value in found]
    assert expected, "the answer is empty: the test would show nothing"
    if not port.in_order:
        expected.sort(key=json.dumps if not port.tolerance else _first)
        ours.sort(key=json.dumps if not port.tolerance else _first)
    assert len(expected) == len(ours)
    differ = [
        (wanted, seen)
        for wanted, seen in zip(expected, ours, strict=True)
        if not _equal(wanted, seen, port.tolerance)
    ]
    assert differ[:3] == []


def _first(pair: list[Any]) -> str:
    return json.dumps(pair[0])


def _equal(wanted: Any, seen: Any, tolerance: float) -> bool:
    if isinstance(wanted, float) and isinstance(seen, float):
        return math.isclose(wanted, seen, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(wanted, list) and isinstance(seen, list):
        return len(wanted) == len(seen) and all(map(_equal, wanted, seen, [tolerance] * len(seen)))
    return type(wanted) is type(seen) and bool(wanted == seen)
