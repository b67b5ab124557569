"""From the texts of the command line to objects."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import ClassVar

import pytest

from driver.plan.inputs import FoundInputs, declared_names, find_inputs
from mapreduce import Chain, Csv, Job, Text
from mapreduce.errors import InputError, UsageError
from mapreduce.storage import open_storage

RUN = "run-20260101-000000-calm-crane"


def found(
    *given: str | Path, names: tuple[str, ...] = (), store: Path | None = None
) -> FoundInputs:
    """Return the inputs that the texts mean."""
    url = f"file://{store.resolve()}" if store else None
    return find_inputs([str(text) for text in given], open_storage(), names=names, store=url)


def paths(*given: str | Path, below: Path, store: Path | None = None) -> list[str]:
    """Return the inputs' paths relative to a folder."""
    return [
        each.url.removeprefix(f"file://{below}/") for each in found(*given, store=store).objects
    ]


def _names(*given: str | Path) -> list[str]:
    return [each.url.rpartition("/")[2] for each in found(*given).objects]


def write(folder: Path, *names: str) -> None:
    """Write files whose content is their name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with visible and hidden files, and a folder in it."""
    write(
        tmp_path, "b.txt", "a b#1.txt", "ö%20.txt", ".hidden", "_SUCCESS", "deep/c.txt", "deep/.git"
    )
    return tmp_path


# -- folders ---------------------------------------------------------------------------------------


def test_a_folder_means_all_its_visible_files_by_name(shelf: Path) -> None:
    """A folder means its visible files sorted by name; hidden files and _SUCCESS are counted as
    left out.
    """
    assert _names(shelf) == ["a b#1.txt", "b.txt", "c.txt", "ö%20.txt"]
    assert {"name": 3} == found(shelf).left_out
    assert (
        "left out: 3 entries of the input: 3 with a name that begins with '.' or '_'",
    ) == found(shelf).notes


def test_a_hidden_folder_is_left_out_whole(tmp_path: Path) -> None:
    """A hidden folder at any depth is left out whole, and counts once."""
    write(
        tmp_path,
        "a",
        "_temporary/0/a",
        ".git/x",
        ".git/y",
        "deep/.ipynb_checkpoints/a",
        "deep/er/a.txt",
    )
    assert ["a", "deep/er/a.txt"] == paths(tmp_path, below=tmp_path)
    assert {"name": 3} == found(tmp_path).left_out


def test_named_hidden_files_are_read(tmp_path: Path) -> None:
    """A hidden file or folder that is named itself is read."""
    write(tmp_path, ".hidden/a", "_x/_y/b", "_SUCCESS")
    assert ["a"] == _names(tmp_path / ".hidden")
    assert ["b"] == _names(tmp_path / "_x/_y")
    assert ["_SUCCESS"] == _names(tmp_path / "_SUCCESS")


def test_a_folder_of_left_out_files_alone_says_so(tmp_path: Path) -> None:
    """A folder with only hidden files is refused, with how to read them."""
    write(tmp_path, ".a", "_b")
    with pytest.raises(
        InputError, match=r"holds no input: 2 left out .*name a file itself to read it"
    ):
        found(tmp_path)


# -- links -----------------------------------------------------------------------------------------


def test_links_are_followed_and_keep_their_names(tmp_path: Path) -> None:
    """Links are followed, and a file is known by the given path, made absolute."""
    write(tmp_path, "real/b", "in/a")
    (tmp_path / "in/sub").symlink_to("../real")
    (tmp_path / "in/c").symlink_to(tmp_path / "real/b")
    (tmp_path / "other").symlink_to("in")
    assert ["in/a", "in/c", "in/sub/b"] == paths(tmp_path / "in", below=tmp_path)
    assert ["other/a", "other/c", "other/sub/b"] == paths(tmp_path / "other", below=tmp_path)
    assert ["other/c"] == paths(tmp_path / "other/c", below=tmp_path)


@pytest.mark.parametrize("target", [".", "..", "../../in", "../deep"])
def test_cycles_of_links_end(tmp_path: Path, target: str) -> None:
    """A link to a parent folder is not entered again, and each file is found once."""
    write(tmp_path, "in/a", "in/deep/b")
    (tmp_path / "in/deep/loop").symlink_to(target)
    assert ["in/a", "in/deep/b"] == paths(tmp_path / "in", below=tmp_path)
    assert sorted(["in/a", "in/deep/b"]) == sorted(paths(f"{tmp_path}/in/**", below=tmp_path))


def test_two_links_into_each_other_end(tmp_path: Path) -> None:
    """Of two links to each other each is entered once, and no file is missing."""
    write(tmp_path, "x/a", "y/b")
    (tmp_path / "x/to_y").symlink_to("../y")
    (tmp_path / "y/to_x").symlink_to("../x")
    assert ["x/a", "x/to_y/b", "y/b", "y/to_x/a"] == paths(tmp_path, below=tmp_path)


def test_two_dots_after_a_link(tmp_path: Path) -> None:
    """`link/..` is the parent of the link's target, as for the operating system."""
    write(tmp_path, "far/deep/x", "far/b", "near/b")
    (tmp_path / "near/link").symlink_to("../far/deep")
    assert ["far/b"] == paths(tmp_path / "near/link/../b", below=tmp_path)
    assert ["near/b"] == paths(f"{tmp_path}/far/../near/./b", below=tmp_path)


# -- invalid inputs --------------------------------------------------------------------------------


def _fifo(path: Path) -> str:
    os.mkfifo(path)
    return "a named pipe"


def _dangling(path: Path) -> str:
    path.symlink_to("nowhere")
    return "a link to nowhere, which is not there"


def _endless(path: Path) -> str:
    path.symlink_to(path.name)
    return "Too many levels of symbolic links"


def _device(path: Path) -> str:
    path.symlink_to("/dev/zero")
    return "a character device"


@pytest.mark.parametrize("make", [_fifo, _dangling, _endless, _device])
@pytest.mark.parametrize("how", ["itself", "folder", "glob"])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, make: object, how: str) -> None:
    """A path that is no file is refused with its name: by itself, in a folder, and by a pattern."""
    write(tmp_path, "in/a")
    cause = make(tmp_path / "in/odd")  # type: ignore[operator]
    given = {
        "itself": f"{tmp_path}/in/odd",
        "folder": f"{tmp_path}/in",
        "glob": f"{tmp_path}/in/*",
    }[how]
    with pytest.raises(InputError, match=rf"{tmp_path}/in/odd .*{cause}"):
        found(given)


def test_a_socket_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket in a folder is refused with its name."""
    monkeypatch.chdir(tmp_path)  # a socket's path has a short limit
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")
        with pytest.raises(InputError, match="/s is a socket"):
            found(tmp_path)


def test_an_unreadable_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder without read permission is refused."""
    write(tmp_path, "a", "b")
    monkeypatch.setattr(
        os, "access", lambda path, _mode: not path.endswith("/b")
    )  # because root can read every file
    with pytest.raises(InputError, match="/b cannot be read"):
        found(tmp_path)
    monkeypatch.undo()

    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match="cannot be read .Permission denied"):
        found(tmp_path)


def test_a_name_that_is_no_utf_8_is_an_error(tmp_path: Path) -> None:
    """A name that is not UTF-8 is refused, because URLs are text."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/lat\xe9.txt")).write_text("a")
    with pytest.raises(
        InputError, match=r"the name of .*lat.*xe9.txt is not UTF-8; rename the file"
    ):
        found(tmp_path)


@pytest.mark.parametrize("text", ["nothing.txt", "*.nothing", "file:///no/such/file", "empty"])
def test_a_text_without_matches_is_refused(shelf: Path, text: str) -> None:
    """A text that matches nothing is refused with the text."""
    (shelf / "empty").mkdir()
    given = text if "://" in text else f"{shelf}/{text}"
    with pytest.raises(InputError) as caught:
        found(given)
    assert given in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "users="])
def test_nothing_typed_is_not_this_folder(text: str) -> None:
    """An empty text is refused, and does not mean the current folder."""
    with pytest.raises(InputError, match="names nothing"):
        found(text, names=("users",))


# -- patterns --------------------------------------------------------------------------------------


def test_globs_and_urls(shelf: Path) -> None:
    """A glob, a file's URL and a folder's URL are inputs."""
    assert _names(f"{shelf}/*.txt") == ["a b#1.txt", "b.txt", "ö%20.txt"]
    assert _names(f"file://{shelf}/b.txt") == ["b.txt"]
    assert _names(f"file://{shelf}/deep") == ["c.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["_x", "a.txt", "d/b.txt", "d/e/c.txt"]),
        ("*/", ["d/b.txt", "d/e/c.txt"]),
        ("d*", ["d/b.txt", "d/e/c.txt"]),
        (".*", [".h/f.txt", ".hid"]),
        ("_*", ["_x"]),
        ("*/*.txt", ["d/b.txt"]),
        ("**/*.txt", ["a.txt", "d/b.txt", "d/e/c.txt"]),
        ("**", ["_x", "a.txt", "d/_t/z", "d/b.txt", "d/e/c.txt"]),
        ("[ab].txt", ["a.txt"]),
        ("[!ab_d]*/*", []),
        ("[^_d]*", ["a.txt"]),
        ("?.txt", ["a.txt"]),
    ],
)
def test_a_pattern_matches_as_in_the_shell(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    """A pattern matches what the shell would; hidden names are left out only below its matches."""
    write(
        tmp_path,
        "a.txt",
        "_x",
        ".hid",
        ".h/f.txt",
        ".h/.g",
        "d/b.txt",
        "d/_t/z",
        "d/e/c.txt",
        "d/.i",
    )
    if not expected:
        with pytest.raises(InputError):
            found(f"{tmp_path}/{pattern}")
        return
    assert sorted(expected) == sorted(paths(f"{tmp_path}/{pattern}", below=tmp_path))


def test_a_file_with_a_pattern_for_a_name(tmp_path: Path) -> None:
    """An existing path is read although it looks like a pattern, unless it matches that pattern."""
    write(tmp_path, "data[1].txt", "data1.txt", "*.csv", "b.csv")
    assert ["data[1].txt"] == _names(tmp_path / "data[1].txt")
    assert ["*.csv", "b.csv"] == _names(tmp_path / "*.csv")


def test_a_pattern_begins_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern is relative to the current folder of any name, and may contain `..` and `.`."""
    write(tmp_path, "a[1]*/b.txt", "a[1]*/d/c.txt", "a1x/no.txt")
    monkeypatch.chdir(tmp_path / "a[1]*")
    below = tmp_path / "a[1]*"
    assert ["b.txt"] == paths("*.txt", below=below)
    assert ["b.txt"] == paths("./d/../*.txt", below=below)
    assert ["b.txt"] == paths("d*/../*.txt", below=below)
    assert ["b.txt", "d/c.txt"] == paths("**/./*.txt", below=below)


# -- names -----------------------------------------------------------------------------------------


def test_an_equals_sign_is_part_of_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`name=` is a name only if the job declares it; else it is part of the path."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "year=2024/a.txt", "2024/b.txt", "users=x", "x")
    for given in ("year=2024", "year=2024/a.txt", "year=*/*", "*=2024/a.txt"):
        assert ["year=2024/a.txt"] == paths(given, below=tmp_path), given
    declared = found("users=x", "./users=x", "year=2024", names=("users", "orders")).objects
    assert [("users", "/x"), ("", "/users=x"), ("", "/year=2024/a.txt")] == [
        (each.name, each.url.removeprefix(f"file://{tmp_path}")) for each in declared
    ]


def test_a_missing_path_explains_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing path with an equals sign explains how names are declared, or lists them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "u.csv")
    with pytest.raises(
        InputError, match=r"there is no file user=u.csv.*declare the name .input_format = .\"user\""
    ):
        found("user=u.csv")
    with pytest.raises(
        InputError, match="there is no file user=u.csv.*calls its inputs orders, users"
    ):
        found("user=u.csv", names=("users", "orders"))


def test_which_names_a_job_declares() -> None:
    """A job declares the names of its `input_format`, and a chain those of all possible steps."""

    class Plain(Job):
        input_format = Text()

    class Joined(Job):
        input_format: ClassVar = {"spring": Csv(), "autumn": Text()}

    class Both(Chain):
        pass

    assert frozenset() == declared_names(Plain)
    assert {"spring", "autumn"} == declared_names(Joined)
    assert {"spring", "autumn"} <= declared_names(Both)


# -- twice -----------------------------------------------------------------------------------------


def test_the_order_given_is_the_order_of_the_records(shelf: Path) -> None:
    """A file that is given twice is read once, in its first place."""
    assert _names(shelf / "ö%20.txt", shelf / "b.txt", shelf / "ö%20.txt") == ["ö%20.txt", "b.txt"]


def test_one_path_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One path under several spellings is read once with a note, but once for each input name."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "in/a", "in/b")
    twice = found(
        "in/a", "./in//a", "in/../in/a", "in", "in/*", f"file://{tmp_path}/in/b", names=("x", "y")
    )
    assert ["a", "b"] == [each.url.rpartition("/")[2] for each in twice.objects]
    assert (f"given more than once, read once: file://{tmp_path}/in/a, and 1 more",) == twice.notes
    assert ["x", "y"] == [each.name for each in found("x=in/a", "y=in/a", names=("x", "y")).objects]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_two_names_of_one_file_are_two_inputs(tmp_path: Path, link: object) -> None:
    """Two names of one file are read under each, with a note."""
    write(tmp_path, "a")
    link(tmp_path / "a", tmp_path / "b")  # type: ignore[operator]
    both = found(tmp_path)
    assert 2 == len(both.objects)
    assert (
        f"one file under two names, read under each: file://{tmp_path}/a and file://{tmp_path}/b",
    ) == both.notes


# -- the store -------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store below an input folder, with a committed and an uncommitted run."""
    other = RUN.replace("calm", "bold")
    write(
        tmp_path,
        "a.txt",
        f"store/reduce/{RUN}/part-00000.jsonl",
        f"store/reduce/{RUN}/part-00000.attempt-0.jsonl",
        f"store/reduce/{RUN}/_SUCCESS",
        f"store/reduce/{other}/part-00000.jsonl",
        f"store/maps/{RUN}/map-00000.attempt-0",
        f"store/runs/{RUN}/plan.json",
        f"store/tasks/{'0' * 64}.json",
        f"store/jobs/{'0' * 64}/code.zip",
        f"store/input/{'0' * 64}/a.txt",
    )
    return tmp_path / "store"


def test_objects_of_runs_are_no_inputs(store: Path) -> None:
    """Objects of runs below an input folder are left out and counted, through links too."""
    folder = store.parent
    assert ["a.txt"] == paths(folder, below=folder, store=store)
    assert {"store": 8, "name": 1} == found(folder, store=store).left_out
    (folder / "in").mkdir()
    (folder / "in/link").symlink_to("../store/reduce")
    (folder / "in/b").write_text("b")
    assert ["in/b"] == paths(folder / "in", below=folder, store=store)


def test_files_of_the_user_in_the_store_are_input(store: Path) -> None:
    """The user's files in the store are inputs, also under the names of the store's folders."""
    write(store, "mine/x", "input/2026/y", "runs/z")
    assert ["store/input/2026/y", "store/mine/x", "store/runs/z"] == paths(
        store, below=store.parent, store=store
    )


def test_a_committed_result_is_an_input_by_its_name(store: Path) -> None:
    """A committed result is an input by its name: the run's folder means its parts."""
    expected = [f"reduce/{RUN}/part-00000.jsonl"]
    for given in (
        f"reduce/{RUN}",
        f"reduce/{RUN}/",
        f"reduce/{RUN}/part-00000.jsonl",
        f"reduce/{RUN}/../{RUN}",
    ):
        assert expected == paths(f"{store}/{given}", below=store, store=store), given
    (store.parent / "result").symlink_to(store / f"reduce/{RUN}")
    assert ["result/part-00000.jsonl"] == paths(
        store.parent / "result", below=store.parent, store=store
    )


@pytest.mark.parametrize(
    "given",
    [
        "",
        "reduce",
        "maps",
        f"runs/{RUN}",
        f"runs/{RUN}/plan.json",
        f"reduce/{RUN}/part-00000.attempt-0.jsonl",
        f"reduce/{RUN}/_SUCCESS",
        f"reduce/{RUN.replace('calm', 'bold')}",
        f"reduce/{RUN.replace('calm', 'bold')}/part-00000.jsonl",
        f"reduce/{RUN}/*",
    ],
)
def test_nothing_else_of_the_store_is_an_input(store: Path, given: str) -> None:
    """Any other object of the store is refused, with the form of a valid name."""
    with pytest.raises(UsageError, match=rf"name {store}/reduce/RUN/"):
        found(f"{store}/{given}", store=store)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """A name that is not UTF-8 is refused with the byte and the remedy."""
    name = os.fsencode(tmp_path) + b"/lat\xe9.txt"
    with open(name, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(b"a\n")
    for given in (os.fsdecode(name), tmp_path):
        with pytest.raises(InputError, match=r"lat\\xe9\.txt is not UTF-8; rename the file"):
            _names(given)
