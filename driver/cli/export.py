"""`--output` of `run` and `result`: what it says, and standard output for `--output -`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from driver.cli import streams
from driver.cli.terminal import say
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.history.run_store import RunStore
    from driver.output.place import Output

WriteBlocks = Callable[[Iterable[bytes]], None]


def check_stdout(wanted: Output | None, *, other_answer: str | None) -> None:
    """Refuse `--output -` where standard output has another answer, or is a terminal.

    Args:
        wanted: the place of the result.
        other_answer: the option that prints something else on standard output, if there is one.

    Raises:
        UsageError: both would be mixed, or bytes shown.
    """
    if wanted is None or not wanted.to_stdout:
        return
    if other_answer:
        raise UsageError(
            f"--output - and {other_answer} both write standard output; give one, or --output FILE"
        )
    if not wanted.style(()).is_text and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            f"--output -: a terminal cannot show {wanted.format}; "
            "send it to a file or a pipe, or add --output-format tsv"
        )


@contextmanager
def answers_aside(wanted: Output | None) -> Iterator[WriteBlocks]:
    """Send the answers within the block to standard error, if the result goes to standard output.

    Yields:
        A function that writes the result to standard output.
    """
    output = streams.OutputStream(sys.stdout)

    def write_blocks(blocks: Iterable[bytes]) -> None:
        for block in blocks:
            if not output.write_bytes(block):
                return  # the reader has read enough
        output.flush()

    if wanted is None or not wanted.to_stdout:
        yield write_blocks
        return
    with redirect_stdout(sys.stderr):
        yield write_blocks


def write_export(
    wanted: Output, urls: tuple[str, ...], runs: RunStore, run: str, write_blocks: WriteBlocks
) -> Path | None:
    """Write the result of a run, and return the folder that was made for it, if any.

    Raises:
        UsageError: the format has no such table, or the table no such column.
        DataError: a pair does not fit the columns or the format.
        NotWritten: nothing can be written there.
    """
    from driver.output.export import write_output

    made = wanted.missing_folder
    for note in write_output(wanted, urls, runs, run, write_blocks):
        say(note)
    return None if wanted.to_stdout else made
