"""mrjob's mr_phone_to_url without a package: `Warc` reads the records of WET files."""

import re
from itertools import islice
from urllib.parse import urlparse

from mapreduce import Chain, Job, Warc

PHONE = re.compile(rb"(?:\D|^)(1?[2-9]\d\d[-. ()+]+\d{3}[-. ()+]+\d{4})(?:\D|$)")
MOST_PHONES = 1000


class ByHost(Job):
    input_format = Warc()

    def map(self, offset, record):
        if record.type == "conversion":
            for phone in PHONE.findall(record.content):
                digits = re.sub(rb"\D", b"", phone).decode()
                number = f"+1{digits}" if len(digits) <= 10 else f"+{digits}"
                yield urlparse(record.uri).netloc, (number, record.uri)

    def reduce(self, host, found):
        some = list(islice(found, MOST_PHONES + 1))
        if len(some) <= MOST_PHONES:
            for number, page in some:
                yield number, (page, len(some))


class Best(Job):
    def reduce(self, number, pages):
        yield number, min(pages, key=lambda page: (page[1], -len(page[0]), page[0]))[0]


class PhoneToUrl(Chain):
    def steps(self):
        return [ByHost(), Best()]
