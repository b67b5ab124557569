"""The sessions of each host of a web log: pages with less than half an hour between them."""

import re
from datetime import datetime

from mapreduce import Job, Text

LINE = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "\S+ (\S+)')
PAUSE_S = 30 * 60


class Sessions(Job):
    input_format = Text(encoding="latin-1")
    group_by = 1

    def map(self, offset, line):
        host, time, page = LINE.match(line).groups()
        moment = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
        yield (host, int(moment.timestamp()), page), (int(moment.timestamp()), page)

    def reduce(self, host, visits):
        pages, start, last = [], 0, 0
        for second, page in visits:
            if pages and second - last > PAUSE_S:
                yield host, (start, last - start, pages)
                pages = []
            if not pages:
                start = second
            pages.append(page)
            last = second
        yield host, (start, last - start, pages)
