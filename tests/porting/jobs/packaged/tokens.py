"""What a word is."""

import re


def tokens(line):
    """Return the words of a line."""
    return re.findall(r"\w+", line)
