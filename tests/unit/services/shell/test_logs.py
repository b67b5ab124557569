"""Log lines as JSON objects, of the service and of its libraries."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.shell.logs import configure_logs


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Restore the logging configuration after a test."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn")
    before = root.handlers, root.level, server.level
    structured = structlog.get_config()
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    server.setLevel(before[2])
    structlog.configure(**structured)
    structlog.contextvars.clear_contextvars()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_of_all_loggers_are_json_with_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of all loggers have time, level, logger and service; those of the server start at
    warnings.
    """
    configure_logs("INFO", "mapper")
    structlog.get_logger("ours").info("task", run="run-1")
    logging.getLogger("library").warning("odd: %s", 1)
    logging.getLogger("uvicorn").info("started")
    logging.getLogger("uvicorn").error("broken")
    ours, library, server = _lines(capsys)
    assert ("task", "run-1", "mapper", "info", "ours") == tuple(
        ours[name] for name in ("event", "run", "service", "level", "logger")
    )
    assert "timestamp" in ours
    assert ("odd: 1", "warning", "mapper") == tuple(
        library[name] for name in ("event", "level", "service")
    )
    assert "broken" == server["event"]


def test_a_traceback_is_a_text_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is text without local variables, which could contain a record."""
    configure_logs("INFO", "mapper")
    secret = "a record"  # noqa: F841 - must not be in the log
    try:
        raise ValueError("it broke")
    except ValueError:
        logging.getLogger("library").exception("failed")
    (line,) = _lines(capsys)
    assert "ValueError: it broke" in line["exception"]
    assert "a record" not in line["exception"].replace('secret = "a record"', "")


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are left out for all loggers."""
    configure_logs("ERROR", "mapper")
    structlog.get_logger("ours").warning("task")
    logging.getLogger("uvicorn").warning("odd")
    assert [] == _lines(capsys)
