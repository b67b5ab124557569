"""Hadoop Streaming by hand: a command on standard input and output maps many lines at once."""

import subprocess

from mapreduce import Job, Sum


def words_of(lines):
    """Return the words that the commands make of the lines."""
    command = "tr '[:upper:]' '[:lower:]' | tr -cs '[:alpha:]' '\\n'"
    done = subprocess.run(
        ["sh", "-c", command],
        input=lines,
        stdout=subprocess.PIPE,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.decode().split()


class ShellWords(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in words_of(line.encode()):
            yield word, 1

    def map_batch(self, batch):
        words = words_of(batch.data)
        return words, [1] * len(words)
