"""`python -m examples.serving.router`: run the router with the environment's settings."""

from __future__ import annotations

import sys

from examples.serving.router.app import MODEL, create_app
from examples.serving.router.settings import RouterSettings
from services.shell.logs import configure_logs
from services.shell.serve import State, listen, serve
from services.shell.settings import refuse, settings_or_exit
from services.shell.supervisor import own_lifeline


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
    serve(app, settings, listening, state, lifeline=lifeline, models=settings.models)
    return 0


if __name__ == "__main__":
    sys.exit(main())
