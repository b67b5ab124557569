"""Requirements resolve once, to sets that go to a store whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from driver.packages import resolve
from driver.packages.platforms import Platform
from driver.packages.resolve import Place, Requirements, fetch_all, keep, resolved
from mapreduce.errors import InputError, JobLoadError
from mapreduce.packages import PackageCache, platform_here
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.wheels import make_wheel

HERE = Platform(platform_here(), provided={"pydantic": "2.0"})
Index = Callable[[Path], None]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The pins of each call of pip, which finds version 1.0 of what is required."""
    made: list[Sequence[str]] = []

    def downloaded(
        texts: Sequence[str],
        file: Path | None,
        platform: Platform,
        pins: Sequence[str],
        folder: Path,
    ) -> list[Path]:
        made.append(pins)
        if "impossible==9" in pins:
            raise JobLoadError("no such version")
        return [make_wheel(folder, text) for text in texts]

    monkeypatch.setattr(resolve, "downloaded", downloaded)
    return made


def _places(tmp_path: Path) -> tuple[Place, Place]:
    return tuple(Place(open_storage(), f"file://{tmp_path}/{name}") for name in ("run", "user"))  # type: ignore[return-value]


def test_the_same_requirements_call_pip_once(tmp_path: Path, calls: list[Sequence[str]]) -> None:
    """A second run finds the lock; another platform, library or requirement does not."""
    required = Requirements(("one",))
    first = resolved(required, HERE, _places(tmp_path))
    again = resolved(required, HERE, _places(tmp_path))
    assert (first.digest, False, True) == (again.digest, first.remembered, again.remembered)
    assert [["pydantic==2.0"]] == calls
    for other, platform in (
        (Requirements(("one", "two")), HERE),
        (required, replace(HERE, name="cp311-plan9-arm64")),
        (required, replace(HERE, options=("--platform", "x"))),
        (required, replace(HERE, provided={})),
    ):
        assert first.key != resolved(other, platform, _places(tmp_path)).key
    assert 5 == len(calls)
    assert not resolved(required, HERE, _places(tmp_path), refresh=True).remembered


def test_a_store_without_a_wheel_is_asked_no_more(
    tmp_path: Path, calls: list[Sequence[str]]
) -> None:
    """A lock whose wheel is gone, or is shorter, remembers nothing."""
    required = Requirements(("one",))
    made = resolved(required, HERE, _places(tmp_path))
    url = keys.wheel(_places(tmp_path)[1].store, made.packages.wheels[0].sha256)
    Path(url.removeprefix("file://")).write_bytes(b"short")
    assert not resolved(required, HERE, _places(tmp_path)).remembered


def test_packages_go_to_the_store_and_back(tmp_path: Path, calls: list[Sequence[str]]) -> None:
    """A kept set is complete for a worker, and another user of the store gets it without pip."""
    run, user = _places(tmp_path)
    made = resolved(Requirements(("one", "two")), HERE, (run, user))
    keep(made, user, run)
    folder = PackageCache(run.storage, run.store, tmp_path / "worker").fetch(made.digest)
    assert 'VERSION = "1.0"\n' == (folder / "two.py").read_text()
    other = Place(open_storage(), f"file://{tmp_path}/other")
    found = resolved(Requirements(("one", "two")), HERE, (run, other))
    assert (made.digest, True) == (found.digest, found.remembered)
    fetch_all(found, run, other)
    assert other.found(found.key) is not None
    assert 1 == len(calls)


def test_a_damaged_wheel_of_the_store_is_replaced_on_request(
    tmp_path: Path, calls: list[Sequence[str]]
) -> None:
    """Where the length is right nothing is uploaded again, unless everything is."""
    run, user = _places(tmp_path)
    made = resolved(Requirements(("one",)), HERE, (run, user))
    keep(made, user, run)
    path = Path(keys.wheel(run.store, made.packages.wheels[0].sha256).removeprefix("file://"))
    good = path.read_bytes()
    path.write_bytes(bytes(len(good)))
    keep(made, user, run)
    assert bytes(len(good)) == path.read_bytes()
    keep(made, user, run, anew=True)
    assert good == path.read_bytes()


def test_versions_of_the_other_platform_are_tried_first(
    tmp_path: Path, calls: list[Sequence[str]]
) -> None:
    """Pip gets the same versions as pins, and none where it fails with them."""
    _, user = _places(tmp_path)
    resolved(Requirements(("one",)), HERE, [user], like={"one": "1.0", "pydantic": "9"})
    resolved(Requirements(("two",)), HERE, [user], like={"impossible": "9"})
    ours = "pydantic==2.0"
    assert [[ours, "one==1.0"], [ours, "impossible==9"], [ours]] == calls


def test_libraries_of_the_services_are_not_packed(
    tmp_path: Path, calls: list[Sequence[str]]
) -> None:
    """They are named with their version instead, which a worker compares with its own."""
    made = resolved(Requirements(("one", "pydantic")), HERE, _places(tmp_path))
    assert ["one"] == [wheel.name for wheel in made.packages.wheels]
    assert {"pydantic": "1.0"} == made.packages.provided


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"mapreduce/__init__.py": ""}, "belongs to this program"),
        ({"mapreduce_jobs/__init__.py": ""}, "belongs to this program"),
        ({"typing.py": ""}, "belongs to Python"),
        ({"pydantic/__init__.py": ""}, "belongs to a library that runs the job"),
    ],
)
def test_modules_of_reserved_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], message: str
) -> None:
    """A package may not take the place of this program, its libraries or Python."""
    monkeypatch.setattr(
        resolve, "downloaded", lambda *given: [make_wheel(given[-1], "odd", files=files)]
    )
    with pytest.raises(JobLoadError, match=message):
        resolved(Requirements(("odd",)), HERE, _places(tmp_path))


def test_packages_over_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Sequence[str]]
) -> None:
    """The message names the limit and the largest wheels, before anything is started."""
    monkeypatch.setattr(resolve, "FILES_LIMIT", 3)
    with pytest.raises(JobLoadError, match="the largest wheels: one 0 MiB"):
        resolved(Requirements(("one",)), HERE, _places(tmp_path))


def test_a_requirements_file_counts_with_all_it_includes(tmp_path: Path) -> None:
    """Another line in an included file is another lock; a missing one is our error."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("# a comment\n-r second.txt\nnumpy\n")
    second.write_text("a\n-r first.txt\n")
    before = Requirements(("own",), first).lines()
    assert ("own", "-r second.txt", "numpy", "a", "-r first.txt") == before
    second.write_text("b\n")
    assert before != Requirements(("own",), first).lines()
    second.unlink()
    with pytest.raises(InputError, match="--requirements"):
        Requirements((), first).lines()
    assert not Requirements(())


def test_a_wheel_that_is_built_again_is_another_requirement(tmp_path: Path) -> None:
    """A file that is named, in a URL or a file of requirements, counts with its content."""
    wheel, listed = tmp_path / "a b-1.0.whl", tmp_path / "requirements.txt"
    listed.write_text(f"{wheel}\n")
    ways = [Requirements((f"a @ {wheel.as_uri()}",)), Requirements((), listed)]
    wheel.write_bytes(b"one")
    before = [each.lines() for each in ways]
    wheel.write_bytes(b"two")
    assert all(now != then for now, then in zip([w.lines() for w in ways], before, strict=True))
