"""Frames are read in any pieces, and foreign bytes are noticed at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stage.workers.channel import EVENT, LAST, NONCE_BYTES, Foreign, Frame, FrameBuffer

NONCE = bytes(range(NONCE_BYTES))
frames = st.builds(Frame, st.sampled_from([EVENT, LAST]), st.just(NONCE), st.binary(max_size=50))


@given(sent=st.lists(frames, max_size=5), cut=st.integers(1, 40))
def test_frames_come_out_as_they_went_in(sent: list[Frame], cut: int) -> None:
    """Frames are read unchanged from pieces of any length."""
    data = b"".join(frame.encoded() for frame in sent)
    buffer = FrameBuffer()
    found: list[Frame] = []
    for at in range(0, len(data), cut):
        buffer.feed(data[at : at + cut])
        while frame := buffer.next(NONCE):
            found.append(frame)
    assert found == sent
    assert buffer.is_empty


@given(data=st.binary(min_size=1, max_size=80))
def test_bytes_of_a_job_are_foreign(data: bytes) -> None:
    """Foreign bytes raise Foreign, at the latest after a frame's head."""
    buffer = FrameBuffer(frozenset((EVENT, LAST)))
    buffer.feed(data)
    right = data[:1] in (EVENT, LAST) and data[1 : 1 + NONCE_BYTES] == NONCE[: len(data) - 1]
    if right:
        return
    with pytest.raises(Foreign):
        buffer.next(NONCE)
