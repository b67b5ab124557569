"""How a worker makes a push smaller, and what it keeps back for the next one.

What a push leaves out, by rounding or by selection, is not lost: the worker adds it to its next
gradient (error feedback). Everything sent so far and the residual add up to the gradients so far.

Compression gives up equal bits for any number of workers, because a residual belongs to a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mapreduce.errors import UsageError

Kind = Literal["none", "float16", "topk"]
Vector = NDArray[np.float64]

LARGEST_FLOAT16: Final = float(np.finfo(np.float16).max)
INDEX_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Compression:
    """A kind of compression, and for top-k the share of the parameters that a push has."""

    kind: Kind = "none"
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Return the compression that an option names: none, float16 or topk:SHARE.

        Raises:
            UsageError: the text names none.
        """
        kind, colon, share = text.partition(":")
        if kind == "none" and not colon:
            return cls("none")
        if kind == "float16" and not colon:
            return cls("float16")
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if kind == "topk" and 0.0 < value <= 1.0:
            return cls("topk", value)
        raise UsageError(
            f"--compression {text!r} is unknown; write none, float16, or topk:SHARE with a share "
            "above 0 and up to 1, such as topk:0.01"
        )

    def __str__(self) -> str:
        return f"{self.kind}:{self.share:g}" if self.kind == "topk" else self.kind

    @property
    def is_exact(self) -> bool:
        """Return whether a push is the gradient, bit for bit."""
        return self.kind == "none"


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """The numbers of a push.

    Attributes:
        size: length of the vector.
        values: all numbers of the vector in order, or with `indices` only those.
        indices: ascending positions of the values, or None.
    """

    size: int
    values: NDArray[np.float64] | NDArray[np.float32] | NDArray[np.float16]
    indices: NDArray[np.uint32] | None = None

    @property
    def nbytes(self) -> int:
        """Return the bytes of the numbers, without the message around them."""
        return self.values.nbytes + (0 if self.indices is None else self.indices.nbytes)

    def part(self, start: int, end: int) -> Payload:
        """Return what belongs to the range [start, end), with positions from its start."""
        if self.indices is None:
            return Payload(end - start, self.values[start:end])
        first, last = np.searchsorted(self.indices, [start, end])
        positions = (self.indices[first:last] - np.uint32(start)).astype(np.uint32)
        return Payload(end - start, self.values[first:last], positions)


def encode(
    gradient: Vector, compression: Compression, residual: Vector | None = None
) -> tuple[Payload, Vector]:
    """Return what is sent of a gradient, and the residual after it.

    The residual is the worker's to keep or to drop: it keeps the old one if the push is refused. A
    gradient with NaN or infinity is sent as it is, for the server to refuse.

    Args:
        gradient: of one micro-batch.
        compression: how to make it smaller.
        residual: what earlier pushes of this worker left out; None at the start.
    """
    before = np.zeros_like(gradient) if residual is None else residual
    if compression.is_exact:
        return Payload(len(gradient), gradient), before
    if not np.isfinite(gradient).all():
        return Payload(len(gradient), gradient.astype(np.float32)), before
    total = gradient + before
    payload = _rounded(total) if compression.kind == "float16" else _largest(total, compression)
    return payload, total - decode(payload)


def decode(payload: Payload) -> Vector:
    """Return the vector that a push stands for: zero wherever it has no value.

    Raises:
        ValueError: the positions are not ascending, or outside the vector, or not as many as the
            values.
    """
    if payload.indices is None:
        if len(payload.values) != payload.size:
            raise ValueError(f"{len(payload.values)} values for a vector of {payload.size}")
        return payload.values.astype(np.float64)
    indices = payload.indices.astype(np.int64)
    if len(indices) != len(payload.values):
        raise ValueError(f"{len(indices)} positions for {len(payload.values)} values")
    if len(indices) and indices[-1] >= payload.size:
        raise ValueError(f"position {indices[-1]} is outside a vector of {payload.size}")
    if (np.diff(indices) <= 0).any():
        raise ValueError("positions are not ascending")
    vector = np.zeros(payload.size)
    vector[indices] = payload.values
    return vector


def _rounded(total: Vector) -> Payload:
    """Return the vector in half precision; what exceeds its range is sent as its largest number."""
    limited = np.clip(total, -LARGEST_FLOAT16, LARGEST_FLOAT16)
    return Payload(len(total), limited.astype(np.float16))


def _largest(total: Vector, compression: Compression) -> Payload:
    """Return the numbers of the largest magnitude, in single precision."""
    count = max(1, int(len(total) * compression.share))
    limit = float(np.finfo(np.float32).max)
    # a stable sort: of equal magnitudes the first are sent, on every machine
    order = np.argsort(-np.abs(total), kind="stable")[:count]
    indices = np.sort(order).astype(np.uint32)
    values = np.clip(total[indices], -limit, limit).astype(np.float32)
    return Payload(len(total), values, indices)
