"""The wire's form of every error that ends a task, in text that can be sent whatever a job put into
it.
"""

from __future__ import annotations

from mapreduce.engine.run import task_error
from mapreduce.engine.text_limits import cut, short_error
from mapreduce.user_code.calls import text_of, users_traceback
from mapreduce.wire.messages import TaskError

WORDS_LIMIT = 2_000


def error_of(exc: BaseException, step: str = "the job's code") -> TaskError:
    """Return the wire's form of the exception that ended a task.

    Args:
        exc: the exception; one that ends a process (`exit()`, KeyboardInterrupt) counts as the
            job's.
        step: the code that raised it, for an exception that does not tell.
    """
    if isinstance(exc, Exception):
        return sendable(task_error(exc))
    words = cut(f"{step} raised {type(exc).__name__}: {text_of(exc)}".rstrip(": "), WORDS_LIMIT)
    error = TaskError(
        kind="UserCodeError",
        message=f"{words}; a job must not end its process",
        traceback=users_traceback(exc),
    )
    return sendable(short_error(error))


def lost(message: str) -> TaskError:
    """Return the error of a task whose process ended early."""
    return TaskError(kind="TaskLost", message=message)


def sendable(error: TaskError) -> TaskError:
    """Return the error with texts that UTF-8 can encode; half a surrogate becomes its escape."""
    texts = {name: value for name, value in error.model_dump().items() if isinstance(value, str)}
    return error.model_copy(update={name: clean(text) for name, text in texts.items()})


def clean(text: object) -> str:
    """Return a text that UTF-8 can encode, from any object that a job passed as text."""
    try:
        return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception as exc:  # noqa: BLE001 - a job's __str__ may raise anything
        return f"<{type(text).__name__} whose text raises {type(exc).__name__}>"
