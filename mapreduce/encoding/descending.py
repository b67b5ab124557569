"""The wrapper that turns the order of a key around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Descending:
    """A key, or a field of a composite key, that sorts from the greatest to the least.

    `map` yields `Descending(key)`, and `reduce` gets it back; `.value` is the key itself. A result
    shows the key itself.
    """

    value: Any

    def __lt__(self, other: Any) -> bool:
        """Return whether this key comes first: its value is the greater one."""
        if type(other) is not Descending:
            return NotImplemented
        return bool(other.value < self.value)
