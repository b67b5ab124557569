"""Albums: which fields are allowed, and their JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from examples.albums.album import SEEDS, Album, in_json, is_id

FOUR = {"id": "4", "title": "The Modern Sound", "artist": "Betty Carter", "price": 49.99}
BLUE_TRAIN = b"""{
    "id": "1",
    "title": "Blue Train",
    "artist": "John Coltrane",
    "price": 56.99
}"""


def _parsed(**changed: Any) -> Album:
    return Album.model_validate_json(json.dumps(FOUR | changed))


def test_a_seed_is_printed_byte_for_byte() -> None:
    """The first album's JSON has the fields in order, with four spaces and no line at its end."""
    assert in_json(SEEDS["1"].fields()) == BLUE_TRAIN


def test_the_readme_shows_the_same_bytes() -> None:
    """The README's first answer is the service's."""
    readme = Path(__file__).resolve().parents[4] / "examples" / "albums" / "README.md"
    assert BLUE_TRAIN in readme.read_bytes()


def test_there_are_three_seeds() -> None:
    """The three albums are those of the source document."""
    assert [tuple(album.fields().values()) for album in SEEDS.values()] == [
        ("1", "Blue Train", "John Coltrane", 56.99),
        ("2", "Jeru", "Gerry Mulligan", 17.99),
        ("3", "Sarah Vaughan and Clifford Brown", "Sarah Vaughan", 39.99),
    ]


@pytest.mark.parametrize(
    ("price", "printed"),
    [(20, "20"), (20.0, "20"), (0, "0"), (-0.0, "0"), (0.1, "0.1"), (1_000_000, "1000000")],
)
def test_a_price_is_printed_as_a_number_is_in_json(price: float, printed: str) -> None:
    """A whole price has no fraction, however it was sent."""
    assert f'"price": {printed}\n' in in_json(_parsed(price=price).fields()).decode()


@pytest.mark.parametrize("name", list(FOUR))
def test_every_field_is_required(name: str) -> None:
    """An album without one of its fields is refused."""
    without = {key: value for key, value in FOUR.items() if key != name}
    with pytest.raises(ValidationError, match="Field required"):
        Album.model_validate_json(json.dumps(without))


WRONG: dict[str, list[object]] = {
    "price": ["49.99", True, None, [], -0.01, 1_000_001],
    "title": [4, None, "", "x" * 501],
    "artist": [4, None, "", "x" * 501],
    "id": [4, None, "", "x" * 129, "a/b", "a%2Fb", "..", ".", "-a", "a b", "a\n", "é", "a\0"],
    "year": [1957],
}


@pytest.mark.parametrize(
    "changed", [{name: value} for name, values in WRONG.items() for value in values]
)
def test_a_wrong_field_is_refused(changed: dict[str, Any]) -> None:
    """No field is converted from another type, is out of its limits, or is unknown."""
    with pytest.raises(ValidationError):
        _parsed(**changed)


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "1e999", "1e-400x"])
def test_a_price_that_is_no_number_is_refused(price: str) -> None:
    """NaN and infinities, which some JSON writers send, are no price."""
    with pytest.raises(ValidationError):
        Album.model_validate_json(json.dumps(FOUR | {"price": 0}).replace(" 0}", f" {price}}}"))


ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}", fullmatch=True)
texts = st.text(
    st.characters(codec="utf-8"),
    min_size=1,
    max_size=500,
)
prices = st.floats(0, 1_000_000)


@given(ids, texts, texts, prices)
def test_an_album_survives_its_json(album_id: str, title: str, artist: str, price: float) -> None:
    """An album that is printed and parsed again is the same album."""
    album = Album(id=album_id, title=title, artist=artist, price=price)
    printed = in_json(album.fields())
    assert Album.model_validate_json(printed) == album
    assert list(json.loads(printed)) == ["id", "title", "artist", "price"]


@given(st.one_of(st.text(max_size=140), ids))
def test_an_id_is_what_the_model_accepts(text: str) -> None:
    """`is_id` and the model agree, and an id is one path segment that no URL escapes."""
    try:
        accepted = bool(_parsed(id=text))
    except ValidationError:
        accepted = False
    assert is_id(text) == accepted
    if accepted:
        assert re.fullmatch(r"[\w.~-]+", text, re.ASCII)
        assert text not in (".", "..")
