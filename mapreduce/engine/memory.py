"""The peak memory of this process since a moment."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """The greatest resident memory since construction.

    On Linux the kernel's mark is set back (proc(5), clear_refs), so that a process that runs several tasks tells them
    apart. Elsewhere, or where that is not allowed, it is the peak since the process began.
    """

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")
            self._since_start = False
        except OSError:
            self._since_start = True

    def bytes(self) -> int:
        """The peak so far, in bytes."""
        if not self._since_start:
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
