"""JSON logs, one object a line on standard error, with run, task and attempt if known."""

from __future__ import annotations

import logging
import sys

import structlog

from services.shell.http.throttle import StrangersFilter, Throttle


def configure_logs(level: str, service: str) -> None:
    """Send all log lines, uvicorn's too, through one JSON renderer.

    Tracebacks are plain text: structured ones would write local variables, and with them records,
    to the log.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(StrangersFilter(Throttle()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # its info lines repeat ours
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
