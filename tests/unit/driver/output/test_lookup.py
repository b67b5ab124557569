"""Questions about a result: its top pairs and the pairs of a key, for any keys."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.output.lookup import encoded_keys, pairs_of, top_of
from mapreduce.encoding import Descending, encode_key
from mapreduce.formats.json_values import json_key
from mapreduce.formats.output import write_pairs
from mapreduce.storage import ObjectInfo, Storage
from tests.unit.mapreduce.any_keys import Colour, Name, Point

KEYS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["1", "null", '"a"', '["a",1]', "", "true"]),
    st.tuples(st.text("ab", max_size=2), st.integers(0, 3)),
    st.binary(max_size=3),
)
RESULT = st.lists(st.tuples(KEYS, st.integers(0, 5)), max_size=20)


class _Parts:
    """A storage that holds parts of a result, and counts what is read."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = {f"mem://{number}": content for number, content in enumerate(parts)}
        self.read = 0

    @property
    def storage(self) -> Storage:
        """Itself, which has the methods that are needed."""
        return cast("Storage", self)

    def head(self, url: str) -> ObjectInfo:
        """Return a part's size."""
        return ObjectInfo(url, len(self.parts[url]), "etag")

    def stream(self, url: str, start: int, end: int, **_: object) -> Iterator[bytes]:
        """Yield a part's bytes in small blocks."""
        for at in range(start, end, 64):
            self.read += 64
            yield self.parts[url][at : min(at + 64, end)]


def _parts(pairs: list[tuple[Any, Any]], count: int = 2) -> _Parts:
    """Return the pairs in parts, each in key order, as reduce tasks write them."""
    shares: list[list[tuple[Any, Any]]] = [[] for _ in range(count)]
    for key, value in pairs:
        shares[sum(encode_key(key)) % count].append((json_key(key), value))
    ordered = [sorted(share, key=lambda pair: encode_key(_back(pair[0]))) for share in shares]
    return _Parts([b"".join(write_pairs(iter(each), "jsonl", as_object=False)) for each in ordered])


def _back(key: Any) -> Any:
    from mapreduce.formats.json_values import key_of_json

    return key_of_json(key)


@settings(max_examples=200, deadline=None)
@given(RESULT, KEYS)
def test_every_key_is_found_by_its_json_and_a_text_by_itself(
    pairs: list[tuple[Any, int]], key: Any
) -> None:
    """A key's JSON finds all of its pairs; a text finds itself; a missing key finds nothing."""
    parts = _parts([*pairs, (key, 9)])
    text = json.dumps(json_key(key))
    wanted = sorted(value for other, value in [*pairs, (key, 9)] if _same(other, key))
    found = [value for other, value in pairs_of(list(parts.parts), parts.storage, text)
             if _same(_back(other), key)]  # fmt: skip
    assert wanted == sorted(found)
    if isinstance(key, str):
        plain = pairs_of(list(parts.parts), parts.storage, key)
        assert wanted == sorted(value for other, value in plain if other == key)


def _same(first: Any, second: Any) -> bool:
    return encode_key(first) == encode_key(second)


@settings(max_examples=100, deadline=None)
@given(RESULT, st.integers(0, 25))
def test_the_top_pairs_are_those_with_the_greatest_values(
    pairs: list[tuple[Any, int]], limit: int
) -> None:
    """The top pairs are the greatest values in descending order; as many as there are."""
    parts = _parts(pairs)
    top = top_of(list(parts.parts), parts.storage, limit)
    assert sorted((value for _, value in pairs), reverse=True)[:limit] == [v for _, v in top]


def test_a_text_that_two_keys_show_finds_both() -> None:
    """A date and a str of the same text stand apart in the order, and both are found."""
    day = datetime.date(2026, 1, 1)
    parts = _parts([(day, 3), ("2026-01-01", 6), ("x", 1)], count=1)
    found = list(pairs_of(list(parts.parts), parts.storage, "2026-01-01"))
    assert [("2026-01-01", 3), ("2026-01-01", 6)] == found


@pytest.mark.parametrize("text", ['{"x":["a","b"]}', '{"decimal":"abc"}', '{"x":["a",{}]}', "{}"])
def test_json_that_is_no_key_finds_nothing(text: str) -> None:
    """An object of a command line may be anything."""
    parts = _parts([("x", 1)], count=1)
    assert [] == list(pairs_of(list(parts.parts), parts.storage, text))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("whale", ["whale"]),
        ("7", ["7", 7]),
        ('"7"', ['"7"', "7"]),
        ('["a", 1]', ['["a", 1]', ("a", 1)]),
        ('{"base64": "YQ=="}', ['{"base64": "YQ=="}', b"a"]),
        ('{"other": 1}', ['{"other": 1}']),
        ("[", ["["]),
        ("\udce9", []),
    ],
)
def test_what_a_text_can_mean(text: str, keys: list[Any]) -> None:
    """A text is the key itself, and the key that its JSON is."""
    assert frozenset(map(encode_key, keys)) == encoded_keys(text)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (date(2026, 1, 31), "2026-01-31"),
        (("de", date(2026, 1, 31)), '["de", "2026-01-31"]'),
        (Decimal("1.5"), "1.5"),
        (Colour.RED, "1"),
        (None, "null"),
        (Descending(7), "7"),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        (Name("a", 1), '["a", 1]'),
    ],
)
def test_a_key_is_found_by_what_a_result_shows(key: Any, text: str) -> None:
    """A key that is no text or JSON value is found by what stands in the table and in --output."""
    parts = _parts([("other", 1), (key, 2), ("x", 3)])
    assert [2] == [value for _, value in pairs_of(list(parts.parts), parts.storage, text)]


@given(RESULT, KEYS)
def test_parts_in_the_order_of_emission_are_read_whole(
    pairs: list[tuple[Any, Any]], key: Any
) -> None:
    """With `keep_order` every pair of the key is found, wherever it stands."""
    content = write_pairs(
        [(json_key(each), value) for each, value in pairs], "jsonl", as_object=False
    )
    parts = _Parts([b"".join(content)])
    text = json.dumps(json_key(key))
    found = [
        value
        for other, value in pairs_of(list(parts.parts), parts.storage, text, keep_order=True)
        if json.dumps(other) == text
    ]
    assert [value for other, value in pairs if encode_key(other) == encode_key(key)] == found
    top = top_of(list(parts.parts), parts.storage, 3, keep_order=True)
    assert sorted((value for _, value in pairs), reverse=True)[:3] == [value for _, value in top]
