"""One stack in two checkouts: the state is in a bucket of S3's emulator, with Terraform's own
backend, lock and provider.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract import emulator
from tests.e2e import terraform_cli
from tests.e2e.processes import Finished, Shell

ROOT = Path(__file__).resolve().parents[2]
BUCKET, REGION = "states", "us-east-1"
# an emulator has no host name for each bucket
INIT = "-backend-config=use_path_style=true"
REGISTRY = ("-target=module.registry", "-input=false", "-no-color")
# the same backend, state and lock as with the stack's own root, without a provider to start
SMALL_ROOT = 'resource "terraform_data" "stack" {}\n'
LIMIT_S = 60.0

pytestmark = [pytest.mark.timeout(600), pytest.mark.s3]


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout's Terraform, and the commands that a user gives there."""

    shell: Shell
    folder: Path

    def driver(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run `python -m driver`."""
        return self.shell.run(sys.executable, "-m", "driver", *arguments, ok=ok)

    def terraform(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run Terraform in the checkout's folder."""
        return self.shell.run("terraform", f"-chdir={self.folder}", *arguments, ok=ok)

    def settings(self, *options: str) -> None:
        """Do what deploy.sh does with the settings, when the images are pushed."""
        self.driver("stack", "settings", *options)
        (self.folder / "deploy.next.tfvars.json").rename(self.folder / "deploy.auto.tfvars.json")
        self.driver("stack", "share-settings")


@pytest.fixture(scope="module")
def s3() -> Iterator[emulator.Emulator]:
    """AWS's emulator, with a bucket for states."""
    if missing := emulator.MINISTACK.missing:
        pytest.skip(missing)
    with emulator.running_emulator(BUCKET) as running:
        yield running


@pytest.fixture
def small(
    terraform: tuple[Shell, Path], s3: emulator.Emulator, tmp_path: Path
) -> tuple[Checkout, Checkout]:
    """Two checkouts without a state, and with a small root."""
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name / "terraform"
        folder.mkdir(parents=True)
        (folder / "main.tf").write_text(SMALL_ROOT)
        made.append(_checkout(terraform[0], s3, folder))
    return made[0], made[1]


@pytest.fixture
def checkouts(
    terraform: tuple[Shell, Path], s3: emulator.Emulator, tmp_path: Path
) -> tuple[Checkout, Checkout]:
    """Two checkouts without a state."""
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name / "terraform"
        terraform_cli.copy_of(ROOT / "terraform", folder)
        made.append(_checkout(terraform[0], s3, folder))
    return made[0], made[1]


def _checkout(shell: Shell, s3: emulator.Emulator, folder: Path) -> Checkout:
    """Return a checkout with this folder of Terraform, whose AWS is the emulator."""
    environment = shell.environment | s3.environment
    environment |= {"MAPREDUCE_TERRAFORM": str(folder), "TF_CLI_ARGS_init": INIT}
    outputs = folder.parent / "outputs"
    outputs.mkdir()
    return Checkout(Shell(ROOT, environment, outputs), folder)


def _deploy(checkout: Checkout, name: str) -> None:
    """Deploy the image registry, the first step of ./deploy.sh."""
    checkout.driver("stack", "remote-state", BUCKET, "--name", name, "--region", REGION)
    checkout.settings("--mappers", "7")
    checkout.terraform("init", "-input=false")
    checkout.terraform("apply", "-auto-approve", *REGISTRY)


def test_a_second_checkout_sees_the_stack(checkouts: tuple[Checkout, Checkout]) -> None:
    """A second checkout has the settings of the first, plans no change, and changes the stack for
    both; the state is in neither folder, and another stack is refused.
    """
    first, second = checkouts
    _deploy(first, "books")
    said = second.driver("stack", "remote-state", BUCKET, "--name", "books", "--region", REGION)
    assert f"terraform -chdir={second.folder} init" in said.out
    refused = second.driver("run", "--input", "README.md", ok=(3,))
    assert "has not used yet" in refused.err
    second.terraform("init", "-input=false")
    name = "deploy.auto.tfvars.json"
    assert (first.folder / name).read_text() == (second.folder / name).read_text()
    assert 0 == second.terraform("plan", "-detailed-exitcode", *REGISTRY, ok=(0, 2)).code
    assert not [*first.folder.glob("*.tfstate"), *second.folder.glob("*.tfstate")]
    # by hand, as the README has it: the variable's change is all that there is
    changed = second.terraform("apply", "-auto-approve", "-var=mapper_count=10", *REGISTRY)
    assert "0 added, 0 changed, 0 destroyed" in changed.out
    other = second.driver("stack", "settings", "--name", "films", ok=(2,))
    assert "this checkout holds the stack books" in other.err
    second.settings("--mappers", "9")
    first.driver("stack", "remote-state", BUCKET)
    assert '"mapper_count": 9' in (first.folder / name).read_text()
    assert "module.registry" in first.terraform("state", "list").out


def test_a_held_lock_refuses_the_second_apply(small: tuple[Checkout, Checkout]) -> None:
    """While one checkout applies, an apply of the other fails and names the state; then it
    succeeds.
    """
    first, second = small
    for checkout in small:
        checkout.driver("stack", "remote-state", BUCKET, "--name", "locked", "--region", REGION)
        checkout.terraform("init", "-input=false")
    with subprocess.Popen(
        ["terraform", f"-chdir={first.folder}", "apply", "-no-color"],
        env=first.shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        # it holds the lock while it asks for a confirmation
        assert any("Do you want to perform these actions" in line for line in holder.stdout)
        refused = second.terraform("apply", "-auto-approve", "-no-color", ok=(1,))
        holder.communicate("no\n", timeout=LIMIT_S)
    assert "Error acquiring the state lock" in refused.err
    assert f"{BUCKET}/mapreduce/locked/{REGION}/terraform.tfstate" in refused.err
    second.terraform("apply", "-auto-approve", "-no-color")


def test_a_state_in_the_folder_moves_to_the_bucket(small: tuple[Checkout, Checkout]) -> None:
    """The state of a deployed stack moves with Terraform's own command, which the driver prints,
    and which asks; until then every command fails.
    """
    first, second = small
    first.settings("--name", "moved", "--region", REGION)
    first.terraform("init", "-input=false")
    first.terraform("apply", "-auto-approve", "-no-color")
    said = first.driver("stack", "remote-state", BUCKET)
    assert f"terraform -chdir={first.folder} init -migrate-state" in said.out
    assert "initialization required" in first.terraform("plan", "-no-color", ok=(1,)).err
    first.terraform("init", "-migrate-state", "-force-copy", "-input=false")
    second.driver("stack", "remote-state", BUCKET, "--name", "moved", "--region", REGION)
    second.terraform("init", "-input=false")
    assert "terraform_data.stack" in second.terraform("state", "list").out


def test_the_file_is_valid_without_a_bucket(checkouts: tuple[Checkout, Checkout]) -> None:
    """With the file, Terraform still validates and tests without its backend."""
    first, _ = checkouts
    first.driver("stack", "remote-state", BUCKET, "--region", REGION)
    environment = {**first.shell.environment, "TF_CLI_ARGS_init": ""}
    plain = Checkout(Shell(ROOT, environment, first.shell.outputs), first.folder)
    plain.terraform("init", "-backend=false", "-input=false")
    assert "The configuration is valid" in plain.terraform("validate", "-no-color").out
    filtered = "-filter=tests/registry.tftest.hcl"
    assert " 0 failed" in plain.terraform("test", "-no-color", filtered).out


def test_a_bucket_is_made_only_when_that_is_chosen(small: tuple[Checkout, Checkout]) -> None:
    """A bucket that does not exist is an error, and is made with --create; a made one keeps
    versions.
    """
    first, _ = small
    command = ("stack", "remote-state", "new-states", "--region", REGION)
    assert "--create" in first.driver(*command, ok=(2,)).err
    assert not (first.folder / "backend_override.tf.json").exists()
    assert "made the bucket new-states" in first.driver(*command, "--create").err
    code = (
        "from driver.cloud.aws import Aws; "
        "print(Aws().s3.get_bucket_versioning(Bucket='new-states')['Status'])"
    )
    assert "Enabled" in first.shell.run(sys.executable, "-c", code).out
