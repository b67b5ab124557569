"""mrjob's mr_phone_to_url: the most plausible web page of each phone number in WET files."""

import io
import re
from itertools import islice
from urllib.parse import urlparse

from warcio.archiveiterator import ArchiveIterator

from mapreduce import Chain, Job, WholeFile

PHONE = re.compile(rb"(?:\D|^)(1?[2-9]\d\d[-. ()+]+\d{3}[-. ()+]+\d{4})(?:\D|$)")
MOST_PHONES = 1000


class ByHost(Job):
    input_format = WholeFile()

    def map(self, url, content):
        for record in ArchiveIterator(io.BytesIO(content)):
            headers = record.rec_headers
            page = headers.get_header("WARC-Target-URI")
            text = headers.get_header("Content-Type") == "text/plain"
            if record.rec_type == "conversion" and text and page:
                for phone in PHONE.findall(record.content_stream().read()):
                    digits = re.sub(rb"\D", b"", phone).decode()
                    number = f"+1{digits}" if len(digits) <= 10 else f"+{digits}"
                    yield urlparse(page).netloc, (number, page)

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
