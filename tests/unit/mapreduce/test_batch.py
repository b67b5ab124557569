"""The lines of a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.batch import Batch
from mapreduce.formats.text import LineDecoder

BYTES = st.lists(
    st.sampled_from([b"a", b"b c", b"\n", b"\r\n", b"\r", b"\x85", b"\x0b", b"\xc3\xa9", b"\xff"]),
    max_size=12,
).map(b"".join)


@given(data=BYTES | st.binary(max_size=12), offset=st.sampled_from([0, 7]))
def test_lines(data: bytes, offset: int) -> None:
    """They are the lines that `map` gets, for any bytes."""
    for each in (data, b"\xef\xbb\xbf" + data):
        expected = [line for _, line in LineDecoder().lines(offset, each)]
        assert expected == Batch("file:///any", offset, each).lines()
