"""Hadoop Streaming by hand: a command on standard input and output maps many lines at once."""

import subprocess

from mapreduce import Job, Sum


def words_of(lines):
    """Return the words that the commands make of the lines."""
    command = "tr '[:upper:]' '[:lower:]' | tr -cs '[:alpha:]' '\\n'"
    done = subprocess.run(
        ["sh", "-c", command], input="\n".join(lines) + "\n", capture_output=True,
        text=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return [word for word in done.stdout.split("\n") if word]


class ShellWords(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in words_of([line]):
            yield word, 1

    def map_batch(self, batch):
        words = words_of(batch.values)
        return words, [1] * len(words)
