"""Compression: nothing is lost, pushes are small, and what is wrong is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from examples.parameter_server.compress import Compression, Payload, decode, encode
from examples.parameter_server.models import Vector
from mapreduce.errors import UsageError

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
KINDS = [Compression("float16"), Compression("topk", 0.01), Compression("topk", 0.3)]


def _vectors(size: int) -> st.SearchStrategy[Vector]:
    return arrays.arrays(np.float64, size, elements=NUMBERS)


@given(st.lists(_vectors(30), min_size=1, max_size=12), st.sampled_from(KINDS))
def test_what_was_sent_and_the_residual_are_the_gradients(
    gradients: list[Vector], compression: Compression
) -> None:
    """After any number of pushes nothing is lost: sum of sent + residual = sum of gradients."""
    residual, sent = None, np.zeros(30)
    for gradient in gradients:
        payload, residual = encode(gradient, compression, residual)
        sent = sent + decode(payload)
    assert residual is not None
    np.testing.assert_allclose(sent + residual, np.sum(gradients, axis=0), rtol=1e-9, atol=1e-4)


@given(_vectors(30), st.sampled_from(KINDS))
def test_one_push_loses_not_a_bit(gradient: Vector, compression: Compression) -> None:
    """What a push leaves out is in the residual exactly."""
    payload, residual = encode(gradient, compression)
    assert (gradient == decode(payload) + residual).all()


@given(_vectors(50))
def test_top_k_sends_the_largest(gradient: Vector) -> None:
    """No number that stays back is larger than one that is sent; positions ascend."""
    payload, residual = encode(gradient, Compression("topk", 0.2))
    assert payload.indices is not None
    assert 10 == len(payload.values) == len(payload.indices)
    assert payload.indices.tolist() == sorted(set(payload.indices.tolist()))
    others = np.delete(np.abs(residual), payload.indices)
    assert others.max() <= np.abs(gradient[payload.indices]).min()


def test_a_push_of_one_percent_of_the_keys_is_small() -> None:
    """It has at most 2.5 % of the bytes of all keys in single precision."""
    gradient = np.random.RandomState(0).standard_normal(2410)
    payload, _ = encode(gradient, Compression("topk", 0.01))
    assert 24 == len(payload.values)
    assert payload.nbytes <= 0.025 * gradient.astype(np.float32).nbytes
    assert 2 * 2410 == encode(gradient, Compression("float16"))[0].nbytes


def test_no_compression_sends_the_gradient_itself() -> None:
    """Without compression a push is the gradient, bit for bit, and nothing stays back."""
    gradient = np.random.RandomState(0).standard_normal(7)
    payload, residual = encode(gradient, Compression())
    assert payload.values is gradient
    assert not residual.any()


@pytest.mark.parametrize("compression", [Compression(), *KINDS], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_sent_as_it_is(
    compression: Compression, value: float
) -> None:
    """The server sees it and refuses it, and the residual stays as it was."""
    gradient, before = np.ones(200), np.full(200, 0.5)
    gradient[3] = value
    payload, after = encode(gradient, compression, before)
    assert not np.isfinite(decode(payload)).all()
    assert before.tolist() == after.tolist()


def test_numbers_beyond_half_precision_are_sent_in_parts() -> None:
    """A number above 65,504 is sent as that, and the rest with the next pushes: never infinity."""
    total, residual = 0.0, None
    for gradient in (np.array([200_000.0]), *[np.zeros(1)] * 3):
        payload, residual = encode(gradient, Compression("float16"), residual)
        total += float(decode(payload)[0])
    assert 200_000.0 == total


@given(_vectors(40), st.integers(0, 40), st.integers(0, 40), st.sampled_from(KINDS))
def test_the_parts_of_a_push_are_the_push(
    gradient: Vector, one: int, other: int, compression: Compression
) -> None:
    """The ranges of three servers, put together, decode to the whole vector."""
    payload, _ = encode(gradient, compression)
    low, high = sorted((one, other))
    bounds = [(0, low), (low, high), (high, 40)]
    parts = [decode(payload.part(start, end)) for start, end in bounds]
    assert decode(payload).tolist() == np.concatenate(parts).tolist()


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (Payload(3, np.ones(2)), "2 values for a vector of 3"),
        (Payload(3, np.ones(2), np.array([1], np.uint32)), "1 positions for 2"),
        (Payload(3, np.ones(1), np.array([3], np.uint32)), "outside"),
        (Payload(3, np.ones(2), np.array([1, 1], np.uint32)), "ascending"),
        (Payload(3, np.ones(2), np.array([2, 0], np.uint32)), "ascending"),
    ],
)
def test_a_payload_that_is_wrong_is_refused(payload: Payload, words: str) -> None:
    """Wrong length, positions outside, positions twice or out of order."""
    with pytest.raises(ValueError, match=words):
        decode(payload)


@pytest.mark.parametrize("text", ["none", "float16", "topk:0.01", "topk:1"])
def test_the_name_of_a_compression_is_read_back(text: str) -> None:
    """What the option says is what a compression prints."""
    assert text == str(Compression.parse(text))


@pytest.mark.parametrize(
    "text", ["", "topk", "topk:", "topk:0", "topk:1.1", "topk:nan", "none:1", "float16:2", "gzip"]
)
def test_an_unknown_compression_is_refused(text: str) -> None:
    """The message says what may be written."""
    with pytest.raises(UsageError, match="topk:SHARE"):
        Compression.parse(text)
