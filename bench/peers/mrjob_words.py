"""Word count with mrjob: `python -m bench.peers.mrjob_words INPUT OUTPUT RUNNER`.

`inline` is mrjob's default, in one process; `local` has a process for each task, on all cores.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mrjob.job import MRJob


class WordCount(MRJob):  # type: ignore[misc]  # mrjob has no types
    """As in mrjob's documentation, with the combiner that it recommends."""

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        """Yield a pair for each word."""
        for word in re.findall("[a-z']+", line.lower()):
            yield word, 1

    def combiner(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        """Sum within a map task."""
        yield word, sum(counts)

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        """Sum over all map tasks."""
        yield word, sum(counts)


def main(source: str, target: str, runner_name: str) -> None:
    """Run the job; mrjob starts this file again for each task, with `--` options."""
    job = WordCount(["-r", runner_name, "--no-conf", source])
    with job.make_runner() as runner, Path(target).open("w", encoding="ascii") as file:
        runner.run()
        file.writelines(
            f"{word}\t{count}\n" for word, count in job.parse_output(runner.cat_output())
        )


if __name__ == "__main__":
    if any(argument.startswith("--") for argument in sys.argv[1:]):
        WordCount.run()
    else:
        main(*sys.argv[1:])
