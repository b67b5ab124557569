"""Commands of the examples behave as in a terminal's foreground: a shell's background jobs ignore
Ctrl-C, and so do the processes that they start.
"""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
