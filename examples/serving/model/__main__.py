"""`python -m examples.serving.model`: serve one model until SIGTERM; the settings are MODEL_...
variables.
"""

from __future__ import annotations

import sys

from examples.serving.model.app import create_app
from examples.serving.model.identity import served_by
from examples.serving.model.settings import Settings
from services.shell.http.encryption import server_context
from services.shell.logs import configure_logs
from services.shell.serve import State, Work, listen, serve
from services.shell.settings import settings_or_exit
from services.shell.supervisor import own_lifeline

ROLE = "model"


def main() -> int:
    """Serve; return 0 after a stop, 1 if the model could not be loaded, 2 on a wrong setting."""
    settings = settings_or_exit(Settings)
    lifeline = own_lifeline()
    try:
        listening = listen(settings)
    except OSError as exc:
        sys.stderr.write(
            f"MODEL_PORT: cannot listen on {settings.host}:{settings.port}: {exc.strerror}; "
            "set another, or stop the process that has it\n"
        )
        return 2
    configure_logs(settings.log_level, ROLE)
    state = State()
    name = served_by(settings.served_by, listening.getsockname()[1])
    app, service = create_app(settings, state, name)
    serve(
        app,
        settings,
        listening,
        state,
        work=Work(busy=lambda: service.in_progress),
        tls=server_context(settings.signing_key.get_secret_value(), ROLE) if settings.tls else None,
        lifeline=lifeline,
        model=settings.name,
        version=settings.version,
        served_by=name,
    )
    return 0 if service.is_loaded else 1


if __name__ == "__main__":
    sys.exit(main())
