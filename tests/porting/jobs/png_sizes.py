"""Whole files that are no text: width and height of each PNG."""

import struct
from pathlib import PurePath

from mapreduce import Job, WholeFile


class PngSizes(Job):
    input_format = WholeFile()

    def map(self, url, content):
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            yield PurePath(url).name, struct.unpack(">II", content[16:24])
        else:
            self.count("not a PNG")
