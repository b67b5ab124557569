"""A record of a web archive, as `map` gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WarcRecord:
    """One record of a web archive.

    Attributes:
        type: `WARC-Type`: response, request, conversion (the text of a WET file), metadata, ...
        uri: `WARC-Target-URI`, or "".
        date: `WARC-Date`, or "".
        headers: all headers by their names in lower case; of several with one name, the last.
        content: the bytes of the block; a response begins with the headers of HTTP.
    """

    type: str
    uri: str
    date: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def body(self) -> bytes:
        """The content behind the headers of HTTP; all of it where there are none."""
        if not self.headers.get("content-type", "").startswith("application/http"):
            return self.content
        head, empty, body = self.content.partition(b"\r\n\r\n")
        return body if empty else head

    @property
    def text(self) -> str:
        """The body as UTF-8, with U+FFFD for other bytes."""
        return self.body.decode("utf-8", "replace")
