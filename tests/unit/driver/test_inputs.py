"""From what was typed to objects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driver.inputs import find_inputs
from mapreduce.errors import InputError
from mapreduce.storage import open_storage


def _names(*given: str | Path) -> list[str]:
    return [info.url.rpartition("/")[2] for info in find_inputs([str(text) for text in given], open_storage())]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of files, visible and hidden, with a folder in it."""
    for name in ("b.txt", "a b#1.txt", "ö%20.txt", ".hidden", "_SUCCESS", "deep/c.txt", "deep/.git"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_a_folder_means_all_its_visible_files_by_name(shelf: Path) -> None:
    """Hidden files and marks such as _SUCCESS are no data."""
    assert _names(shelf) == ["a b#1.txt", "b.txt", "c.txt", "ö%20.txt"]


def test_the_order_given_is_the_order_of_the_records(shelf: Path) -> None:
    """A file named twice counts once, where it stood first."""
    assert _names(shelf / "ö%20.txt", shelf / "b.txt", shelf / "ö%20.txt") == ["ö%20.txt", "b.txt"]


def test_globs_and_urls(shelf: Path) -> None:
    """A glob, a file's URL and a folder's URL."""
    assert _names(f"{shelf}/*.txt") == ["a b#1.txt", "b.txt", "ö%20.txt"]
    assert _names(f"file://{shelf}/b.txt") == ["b.txt"]
    assert _names(f"file://{shelf}/deep") == ["c.txt"]


@pytest.mark.parametrize("text", ["nothing.txt", "*.nothing", "file:///no/such/file", "empty"])
def test_what_means_nothing_is_named(shelf: Path, text: str) -> None:
    """The user sees what they typed."""
    (shelf / "empty").mkdir()
    given = text if "://" in text else f"{shelf}/{text}"
    with pytest.raises(InputError) as caught:
        find_inputs([given], open_storage())
    assert given in str(caught.value)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """Records are UTF-8; the message shows the byte, and says what to do."""
    name = os.fsencode(tmp_path) + b"/lat\xe9.txt"
    with open(name, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(b"a\n")
    for given in (os.fsdecode(name), tmp_path):
        with pytest.raises(InputError, match=r"lat\\udce9\.txt is no UTF-8; give the file or folder another name"):
            _names(given)
