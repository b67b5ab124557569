"""An album: its fields and their limits, its JSON, and the three albums that every task knows.

Pure: text in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

ID_LENGTH = 128
TEXT_LENGTH = 500
MOST_PRICE = 1_000_000
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._~-]*$"
"""Only characters that a URL's path carries unescaped (RFC 3986, 2.3): an id has one spelling in a
URL and in the store's keys. The first is a letter or digit, because clients remove `.` and `..`.
"""
_ID = re.compile(ID_PATTERN)


class Album(BaseModel):
    """An album. The fields have the order of the JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(min_length=1, max_length=ID_LENGTH, pattern=ID_PATTERN)
    title: str = Field(min_length=1, max_length=TEXT_LENGTH)
    artist: str = Field(min_length=1, max_length=TEXT_LENGTH)
    price: float = Field(ge=0, le=MOST_PRICE, allow_inf_nan=False)

    def fields(self) -> dict[str, Any]:
        """Return the fields for JSON; a whole price has no fraction, as in JavaScript and Go."""
        whole = self.price.is_integer()
        return self.model_dump() | {"price": int(self.price) if whole else self.price}


def is_id(text: str) -> bool:
    """Return whether an album can have this id."""
    return len(text) <= ID_LENGTH and _ID.fullmatch(text) is not None


def in_json(value: object) -> bytes:
    """Return a value as JSON with four spaces of indent, in UTF-8."""
    return json.dumps(value, indent=4, ensure_ascii=False).encode()


SEEDS: Mapping[str, Album] = {
    album.id: album
    for album in (
        Album(id="1", title="Blue Train", artist="John Coltrane", price=56.99),
        Album(id="2", title="Jeru", artist="Gerry Mulligan", price=17.99),
        Album(
            id="3",
            title="Sarah Vaughan and Clifford Brown",
            artist="Sarah Vaughan",
            price=39.99,
        ),
    )
}
"""The albums that need no store, by id."""
