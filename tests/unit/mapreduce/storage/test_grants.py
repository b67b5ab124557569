"""A process can use its store and its inputs, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RefusedURL
from mapreduce.storage import Grants, split_url

GRANTS = Grants(
    writable=("s3://own/store/", "file:///data/store"),
    readable=("s3://books", "file:///books/a.txt"),
)


@pytest.mark.parametrize(
    "url",
    [
        "s3://own/store/a",
        "s3://own/store/a/b c",
        "file:///data/store/x",
        "file:///data/store/a#b?c%2e",
        "file:///data/store",
    ],
)
def test_own_store(url: str) -> None:
    """URLs below the store can be read and written."""
    GRANTS.check(url, "read")
    GRANTS.check(url, "write")


@pytest.mark.parametrize("url", ["s3://books", "s3://books/a/b.txt", "file:///books/a.txt"])
def test_inputs_are_read_only(url: str) -> None:
    """Inputs can be read and not written."""
    GRANTS.check(url, "read")
    with pytest.raises(RefusedURL, match="may not write"):
        GRANTS.check(url, "write")


@pytest.mark.parametrize(
    "url",
    [
        "s3://own/other/a",
        "s3://own",
        "s3://own/storeroom/a",
        "s3://own/STORE/a",
        "s3://books-of-others/a",
        "s3://bookstore",
        "file:///data/store2/x",
        "file:///data/store-of-others",
        "file:///data",
        "file:///",
        "file:///etc/passwd",
        "file:///books/a.txt.bak",
        "file:///books/b.txt",
        "file:///data/store/../secret",
        "file:///data/store/x/../../../etc/passwd",
        "file:///data/store/./x",
        "s3://own/store/../other",
        "s3://own/store/..",
        "file:///data/store/a\x00b",
        "http://own/store/a",
        "https://169.254.169.254/latest/meta-data",
        "S3://own/store/a",
        "FILE:///data/store/x",
        "s3a://own/store/a",
        "file://data/store/x",
        "file:/data/store/x",
        "/data/store/x",
        "file:///data/store//x",
        "file:////data/store/x",
        "file:///data/store/x//",
        "file:///data/store/a\nb",
        "file:///data/store/a\rb",
        "file:///data/store/a\x7fb",
        "s3://own/store//a",
        "s3://own//store/a",
        "s3://own/store/a\n",
        "s3://own@evil/store/a",
        "s3://evil#own/store/a",
        "s3://own:80/store/a",
        "s3://own%2fstore/a",
        "s3://own\\store/a",
        "s3://own/%2e%2e/store/../a",
        "s3://169.254.169.254/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/latest/meta-data",
        "ftp://own/store/a",
        "gopher://own/store/a",
        "data:,x",
        "javascript:alert(1)",
        "file://localhost/data/store/x",
        "file:///proc/self/environ",
        "s3:///store/a",
        "s3://",
        "",
        " s3://own/store/a",
    ],
)
def test_refused(url: str) -> None:
    """Other places, siblings with a longer name, `..`, other schemes and bad URLs are refused."""
    for action in ("read", "write"):
        with pytest.raises(RefusedURL):
            GRANTS.check(url, action)


@given(
    st.lists(st.sampled_from(["store", "data", "..", ".", "", "x", "store2", "%2e%2e"]), max_size=6)
)
def test_no_path_leaves_the_store(steps: list[str]) -> None:
    """A path that is granted for writing is below the store after its `..` steps."""
    url = "file:///" + "/".join(steps)
    try:
        GRANTS.check(url, "write")
    except RefusedURL:
        return
    taken = [step for step in steps if step]
    assert ["data", "store"] == taken[:2]
    assert ".." not in taken


@pytest.mark.parametrize(
    "place", ["", "s3://", "s3:///a", "file://", "/data/store", "s3://own/..", "http://own/"]
)
def test_a_place_is_a_url_of_a_store(place: str) -> None:
    """A place that would grant too much or nothing is refused."""
    with pytest.raises(RefusedURL):
        Grants(writable=("s3://own",), readable=(place,))


def test_percent_signs_are_not_decoded() -> None:
    """Percent signs are not decoded: the name is a file or object in the store."""
    GRANTS.check("s3://own/store/%2e%2e/a", "read")
    GRANTS.check("file:///data/store/%2e%2e%2fetc/100%", "read")


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, an input and a secret, and links from the store to all of them."""
    folder = tmp_path_factory.mktemp("linked").resolve()
    for name in ("store/in", "input", "secret"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(name)
    for name, target in {
        "out": folder / "secret",
        "up": Path(".."),
        "etc": Path("/etc"),
        "inside": Path("in"),
        "to-input": folder / "input",
        "file": folder / "secret" / "file",
        "gone": folder / "nowhere",
        "loop": Path("loop"),
        "twice": Path("out"),
    }.items():
        (folder / "store" / name).symlink_to(target)
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "store" / "in" / "back").symlink_to(Path("../../in"))
    (folder / "name-of-store").symlink_to("store")
    return folder


def grants_of(folder: Path) -> Grants:
    """Return grants to write the store and read the input."""
    return Grants(writable=(f"file://{folder}/store",), readable=(f"file://{folder}/input",))


@pytest.mark.parametrize(
    "path",
    [
        "out/file",
        "out",
        "up/secret/file",
        "etc/passwd",
        "etc/new",
        "file",
        "gone",
        "twice/file",
        "in/back/deep",
    ],
)
def test_links_that_lead_out(linked: Path, path: str) -> None:
    """A link in the store to a place outside of the grants is refused, at any depth, also a
    dangling one.
    """
    for action in ACTIONS:
        with pytest.raises(RefusedURL, match="a link leads"):
            grants_of(linked).check(f"file://{linked}/store/{path}", action)


def test_links_that_stay(linked: Path) -> None:
    """A link to a granted place has its grants: an input can be read and not written."""
    grants = grants_of(linked)
    for path in ("inside/file", "in/file", "to-input/file", "inside/new/file", "new/file"):
        grants.check(f"file://{linked}/store/{path}", "read")
    with pytest.raises(RefusedURL, match="a link leads"):
        grants.check(f"file://{linked}/store/to-input/file", "write")


def test_a_granted_place_may_be_a_link(linked: Path) -> None:
    """A store that is named by a link means the link's target, and no folder beside it."""
    grants = Grants(writable=(f"file://{linked}/name-of-store",))
    grants.check(f"file://{linked}/name-of-store/in/file", "write")
    with pytest.raises(RefusedURL, match="a link leads"):
        grants.check(f"file://{linked}/name-of-store/out/file", "read")


ACTIONS: tuple[Literal["read", "write"], ...] = ("read", "write")
STEPS = st.sampled_from(
    [
        *(
            "in",
            "inside",
            "back",
            "deep",
            "out",
            "up",
            "etc",
            "passwd",
            "file",
            "to-input",
            "twice",
            "loop",
            "gone",
        ),
        *(
            "store",
            "secret",
            "..",
            ".",
            "",
            "%2e%2e",
            "..\x00",
            "new",
            "\n",
            "...",
            "~",
            "*",
            "name-of-store",
        ),
    ]
)


@given(
    steps=st.lists(STEPS, max_size=6),
    start=st.sampled_from(["/store/", "/input/", "/name-of-store/", "/"]),
)
def test_nothing_that_is_accepted_leads_out(linked: Path, steps: list[str], start: str) -> None:
    """For any links and steps, the target of an accepted path is below a granted place."""
    url = f"file://{linked}{start}" + "/".join(steps)
    for action in ACTIONS:
        places = ["store", "input"] if action == "read" else ["store"]
        try:
            grants_of(linked).check(url, action)
        except RefusedURL:
            continue
        try:
            end = Path(url.removeprefix("file://")).resolve()
        except RuntimeError:  # a cycle of links cannot be opened
            continue
        assert any(end.is_relative_to(linked / place) for place in places), (url, end)


@given(st.text(max_size=40) | st.text(alphabet="s3file:/.own%2eEFtoradb\\@#?\n\x00 ", max_size=40))
def test_no_text_is_accepted_that_is_not_below_a_place(text: str) -> None:
    """Any accepted text starts with a granted place, and has no `..` and no control character."""
    for prefix in ("", "s3://own/store/", "file:///data/store/", "s3://own"):
        url = prefix + text
        try:
            GRANTS.check(url, "write")
        except RefusedURL:
            continue
        assert url.startswith(("s3://own/store/", "file:///data/store"))
        assert not {".", ".."} & set(url.split("/"))
        assert url.isprintable() or not any(char < " " or char == "\x7f" for char in url)
        if url.startswith("file://"):
            assert Path(url[7:]).resolve().is_relative_to("/data/store")


def test_no_grants_grant_nothing() -> None:
    """Without a place nothing is granted."""
    with pytest.raises(RefusedURL):
        Grants(writable=()).check("s3://own/a", "read")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///a/b c.txt", ("file://", "/a/b c.txt")),
        ("s3://bucket/a/b#c?d%20e", ("s3://bucket", "a/b#c?d%20e")),
        ("s3://bucket", ("s3://bucket", "")),
        ("s3://bucket/a..b/...", ("s3://bucket", "a..b/...")),
    ],
)
def test_split_url(url: str, expected: tuple[str, str]) -> None:
    """A URL is split into a root and a key, without decoding."""
    assert expected == split_url(url)
