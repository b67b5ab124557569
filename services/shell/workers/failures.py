"""What the wire says of whatever ends a task, in words that can be sent, whatever a job has put into them."""

from __future__ import annotations

import traceback

from mapreduce.engine.run import task_error
from mapreduce.engine.said import cut, short_error
from mapreduce.user_code.calls import text_of, user_frames
from mapreduce.wire.messages import TaskError

WORDS_LIMIT = 2_000


def error_of(exc: BaseException, step: str = "the job's code") -> TaskError:
    """Return the error of a task that an exception has ended.

    Args:
        exc: the exception; one that ends a process (`exit()`, KeyboardInterrupt) is the fault of who raised it.
        step: what raised it, for an exception that does not say so itself.
    """
    if isinstance(exc, Exception):
        return sendable(task_error(exc))
    frames = user_frames(exc.__traceback__)
    shown = (
        "".join([*traceback.format_list(frames), *traceback.format_exception_only(exc)])
        if frames
        else ""
    )
    words = cut(f"{step} raised {type(exc).__name__}: {text_of(exc)}".rstrip(": "), WORDS_LIMIT)
    error = TaskError(
        kind="UserCodeError", message=f"{words}; a job must not end its process", traceback=shown
    )
    return sendable(short_error(error))


def lost(message: str) -> TaskError:
    """Return the error of a task whose process did not come to its end."""
    return TaskError(kind="TaskLost", message=message)


def sendable(error: TaskError) -> TaskError:
    """Return the error with texts that UTF-8 can carry: half a surrogate is shown as its escape."""
    texts = {name: value for name, value in error.model_dump().items() if isinstance(value, str)}
    return error.model_copy(update={name: clean(text) for name, text in texts.items()})


def clean(text: object) -> str:
    """Return a text that UTF-8 can carry, of whatever a job has given for one."""
    try:
        return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception as exc:  # noqa: BLE001 - a job's own __str__
        return f"<{type(text).__name__} whose text raises {type(exc).__name__}>"
