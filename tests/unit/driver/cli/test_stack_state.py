"""`stack remote-state` and `stack share-settings`, with a scripted bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver.cloud.deploy import remote_state
from driver.cloud.stack import StackIdentity
from tests.unit.driver.cli.conftest import Command


@pytest.fixture
def folder(home: Path) -> Path:
    """The module's folder."""
    made = home / "terraform"
    made.mkdir()
    return made


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A bucket in another region: its objects by key, and its name once it is made."""
    made = {"name": "states"}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(
        remote_state,
        "bucket_region",
        lambda _, name: "eu-west-1" if name == made["name"] else None,
    )
    monkeypatch.setattr(
        remote_state, "make_bucket", lambda _, name, __: made.update({"name": name})
    )
    key = "deploy.auto.tfvars.json"
    monkeypatch.setattr(remote_state, "shared_settings", lambda _, state: made.get(state.key(key)))
    monkeypatch.setattr(
        remote_state, "share_settings", lambda _, state, text: made.update({state.key(key): text})
    )
    return made


def _backend(folder: Path) -> dict[str, object]:
    text = (folder / "backend_override.tf.json").read_text()
    found: dict[str, object] = json.loads(text)["terraform"]["backend"]["s3"]
    return found


def test_the_state_of_a_name_and_region_is_named(
    command: Command, folder: Path, bucket: dict[str, str]
) -> None:
    """The file names the bucket, in its own region, and an object for the name and region."""
    assert 2 == command("stack", "remote-state", "states").code
    said = command("stack", "remote-state", "states", "--region", "eu-north-1")
    assert (0, True) == (said.code, f"terraform -chdir={folder} init\n" in said.out)
    found = _backend(folder)
    assert ("eu-west-1", "mapreduce/mapreduce/eu-north-1/terraform.tfstate") == (
        found["region"],
        found["key"],
    )


def test_a_checkout_has_one_state(command: Command, folder: Path, bucket: dict[str, str]) -> None:
    """Another bucket or stack than the checkout's is refused, and the file stays."""
    command("stack", "remote-state", "states", "--region", "eu-north-1")
    before = _backend(folder)
    for options in (["others"], ["states", "--name", "books"]):
        said = command("stack", "remote-state", *options, "--region", "eu-north-1")
        assert (2, True) == (said.code, "git worktree add" in said.err)
    assert before == _backend(folder)
    assert 0 == command("stack", "remote-state", "states", "--region", "eu-north-1").code


def test_a_stack_of_another_name_does_not_move(
    command: Command, folder: Path, bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state in the folder moves only under its own name and region."""
    (folder / "terraform.tfstate").write_text("{}")
    mine = StackIdentity(name="books", region="eu-north-1")
    monkeypatch.setattr("driver.cloud.stack.stack_of_state", lambda _: mine)
    said = command("stack", "remote-state", "states", "--region", "eu-north-1")
    assert (2, True) == (said.code, "books in eu-north-1" in said.err)
    assert not (folder / "backend_override.tf.json").exists()
    said = command("stack", "remote-state", "states", "--name", "books", "--region", "eu-north-1")
    assert (0, True) == (said.code, "init -migrate-state" in said.out)


def test_a_bucket_is_made_when_that_is_chosen(
    command: Command, folder: Path, bucket: dict[str, str]
) -> None:
    """A bucket that is missing is an error without --create, and nothing is written."""
    said = command("stack", "remote-state", "new", "--region", "eu-north-1")
    assert (2, True) == (said.code, "--create" in said.err)
    assert not (folder / "backend_override.tf.json").exists()
    said = command("stack", "remote-state", "new", "--region", "eu-north-1", "--create")
    assert (0, "new", "eu-north-1") == (said.code, bucket["name"], _backend(folder)["region"])


def test_settings_are_shared_between_checkouts(
    command: Command, folder: Path, bucket: dict[str, str]
) -> None:
    """A deployment starts from the settings of the last one from any checkout, and stores its own;
    the name and region are the state's.
    """
    auto, made = folder / "deploy.auto.tfvars.json", folder / "deploy.next.tfvars.json"
    command("stack", "remote-state", "states", "--name", "books", "--region", "eu-north-1")
    command("stack", "settings", "--mappers", "7")
    made.rename(auto)
    assert 0 == command("stack", "share-settings").code
    auto.unlink()
    command("stack", "remote-state", "states", "--name", "books", "--region", "eu-north-1")
    assert 7 == json.loads(auto.read_text())["mapper_count"]
    auto.write_text('{"region": "eu-north-1", "name": "books", "mapper_count": 1}')
    command("stack", "settings")
    written = json.loads(made.read_text())
    assert ("books", "eu-north-1", 7) == tuple(
        written[name] for name in ("name", "region", "mapper_count")
    )
    said = command("stack", "settings", "--name", "films")
    assert (2, True) == (said.code, "this checkout holds the stack books" in said.err)


def test_without_a_bucket_settings_are_not_shared(command: Command, folder: Path) -> None:
    """A state in the folder shares nothing, which is no error."""
    assert 0 == command("stack", "share-settings").code
