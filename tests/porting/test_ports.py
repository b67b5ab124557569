"""Each port gives the answer of an independent program, in one process and on services alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.porting.compare import differences
from tests.porting.ports import OF_MRJOB, OF_OTHERS, Peer, Port
from tests.porting.processes import needs_mrjob, pairs_of, run_job


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
    found = _run(port, data, tmp_path, "inline")
    assert differences(port, port.answer.answer(port.inputs, data), pairs_of(found)) == []
    assert not port.fleet or found == _run(port, data, tmp_path, "local")


@pytest.mark.parametrize(
    "port",
    [pytest.param(port, marks=needs_mrjob if port.wheels else ()) for port in OF_OTHERS],
    ids=_name,
)
def test_a_port_yields_what_plain_python_does(port: Port, data: Path, tmp_path: Path) -> None:
    """A job of another textbook has the pairs of a program without the engine."""
    assert not isinstance(port.answer, Peer)
    found = _run(port, data, tmp_path, "inline")
    assert differences(port, port.answer(data), pairs_of(found)) == []
    assert not port.fleet or found == _run(port, data, tmp_path, "local")
