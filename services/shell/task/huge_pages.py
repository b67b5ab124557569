"""Moves this process's memory into huge pages, so that a fork copies hundreds of entries of its page tables at once.

A fork and the end of the copy cost as much as the process has pages. A page that a copy writes to is still copied by
itself, as 4 KiB. Linux has this from 6.1 on; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator

_MADV_COLLAPSE = 25
_HUGE_BYTES = 2 << 20
_OWN = frozenset(("", "[heap]"))
_madvise = ctypes.CDLL(None).madvise if sys.platform == "linux" else None


def use_huge_pages() -> None:
    """Move what memory of this process can be moved."""
    if _madvise is None:
        return
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - of /proc
        starts = list(whole_huge_pages(file))
    for start in starts:
        if _madvise(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE_BYTES), _MADV_COLLAPSE) != 0:
            return  # not in this kernel, or there is no room


def whole_huge_pages(lines: Iterable[str]) -> Iterator[int]:
    """Yield where huge pages fit into private memory that is not of a file.

    Args:
        lines: of /proc/self/maps.
    """
    for line in lines:
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights != "rw-p" or "".join(name).strip() not in _OWN:
            continue
        start, end = (int(each, 16) for each in addresses.split("-"))
        first = -(-start // _HUGE_BYTES) * _HUGE_BYTES
        yield from range(first, end - _HUGE_BYTES + 1, _HUGE_BYTES)
