"""`python -m examples.serving.router`: run the router with the environment's settings."""

from __future__ import annotations

import sys

from examples.serving.router.app import create_app
from examples.serving.router.settings import RouterSettings
from services.shell.http.admission import file_limit
from services.shell.logs import configure_logs
from services.shell.serve import State, Work, listen, serve
from services.shell.settings import refuse, settings_or_exit
from services.shell.supervisor import own_lifeline

CALLERS = 2048
"""More would only wait: the router is one process."""


def main() -> int:
    """Answer requests until a signal stops the router; exit 2 on a wrong setting."""
    lifeline = own_lifeline()
    settings = settings_or_exit(RouterSettings)
    configure_logs(settings.log_level, "router")
    try:
        listening = listen(settings)
    except OSError as exc:
        refuse("ROUTER_PORT", f"no socket at {settings.host}:{settings.port}: {exc.strerror}")
    state = State()
    app = create_app(settings, state)
    work = Work(slots=most_callers(file_limit()))
    serve(app, settings, listening, state, work=work, lifeline=lifeline, models=settings.models)
    return 0


def most_callers(files: int) -> int:
    """Return for how many callers at once there is room, beside the shell's usual number.

    Args:
        files: how many files this process may have open: a caller takes one, and his request
            another one to a replica; the shell counts with four.
    """
    return min(CALLERS, files // 16)


if __name__ == "__main__":
    sys.exit(main())
