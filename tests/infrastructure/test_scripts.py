"""deploy.sh and destroy.sh with programs that only record how they are called."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = """#!/bin/bash
echo "$(basename "$0") $* ATTESTATIONS=${BUILDX_NO_DEFAULT_ATTESTATIONS:-}" >>"$CALLS"
"""
# reads the password: without a reader, its writer fails
DOCKER = """
[ "$1" != login ] || cat >/dev/null
"""
# of three images two are missing; the last argument is the step
DRIVER = """
[ "$1 $2 $3" = "-m driver stack" ] || exit 99
echo "$4 in ${MAPREDUCE_TERRAFORM:-}" >>"$CALLS"
folder=${MAPREDUCE_TERRAFORM:-terraform}
case $4 in
folder)
    case "${5:-} ${6:-}" in
    "--system albums") echo examples/albums/terraform ;;
    " ") echo "$folder" ;;
    *) exit 2 ;;
    esac ;;
base-images) echo "$*" | grep -qx -- "-m driver stack base-images --missing" ;;
settings) echo new >$folder/deploy.next.tfvars.json ;;
image-digests) echo digests >>$folder/deploy.next.tfvars.json ;;
share-settings) cp $folder/deploy.auto.tfvars.json shared ;;
platform) echo linux/amd64 ;;
images)
    echo "splitter a/Dockerfile 1.dkr.ecr/mapreduce/splitter:t2 there sha256:1"
    echo "mapper b/Dockerfile 1.dkr.ecr/mapreduce/mapper:t2 missing"
    echo "reducer c/Dockerfile 1.dkr.ecr/mapreduce/reducer:t2 missing"
    ;;
registry-password) echo secret ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the two scripts, and the programs that they call."""

    folder: Path

    def replace(self, program: str, text: str = "") -> None:
        """Write a program that records its call, and then runs `text`."""
        path = self.folder / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECORD + text)
        path.chmod(0o755)

    def run(self, script: str, *arguments: str) -> int:
        """Return the exit code of a script."""
        return self.done(script, *arguments).returncode

    def done(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return a script that has ended, with what it wrote."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "CALLS": str(self.folder / "calls"),
        }
        return subprocess.run(
            [self.folder / script, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        """The calls so far."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which every program succeeds."""
    for script in ("deploy.sh", "destroy.sh"):
        shutil.copy(ROOT / script, tmp_path)
    for folder in ("terraform", "examples/albums/terraform"):
        (tmp_path / folder).mkdir(parents=True)
    made = Checkout(tmp_path)
    made.replace(".venv/bin/python", DRIVER)
    made.replace("bin/docker", DOCKER)
    for program in ("make", "terraform"):
        made.replace(f"bin/{program}")
    return made


def test_images_are_built_without_attestations(checkout: Checkout) -> None:
    """Each build has the variable that turns attestations off: with one, an image is an index, and
    its push to a repository of immutable tags is refused.
    """
    assert 0 == checkout.run("deploy.sh")
    builds = [call for call in checkout.calls if call.startswith("docker build")]
    assert 2 == len(builds)
    assert all(build.endswith("ATTESTATIONS=1") for build in builds)


@pytest.mark.parametrize("failing", ["build", "push"])
def test_settings_change_only_when_the_images_are_there(checkout: Checkout, failing: str) -> None:
    """A build or a push that fails leaves the settings of the last deployment to Terraform."""
    settings = checkout.folder / "terraform" / "deploy.auto.tfvars.json"
    settings.write_text("old\n")
    checkout.replace("bin/docker", f'{DOCKER}[ "$1" != {failing} ]')
    assert 0 != checkout.run("deploy.sh")
    assert "old\n" == settings.read_text()
    applies = [call for call in checkout.calls if " apply " in call]
    assert all("-target=module.registry" in call for call in applies)
    assert all("-var-file=deploy.next.tfvars.json" in call for call in applies)
    checkout.replace("bin/docker", DOCKER)
    assert 0 == checkout.run("deploy.sh")
    assert "new\ndigests\n" == settings.read_text()


def test_digests_follow_the_push_and_precede_the_apply(checkout: Checkout) -> None:
    """The digests are read when the last image is pushed, and are in the settings that Terraform
    applies and that other checkouts get.
    """
    assert 0 == checkout.run("deploy.sh")
    calls = checkout.calls
    order = [
        next(at for at, call in enumerate(calls) if text in call)
        for text in ("push --quiet 1.dkr.ecr/mapreduce/reducer", "image-digests", "share-settings")
    ]
    last_apply = max(at for at, call in enumerate(calls) if " apply " in call)
    assert [*order, last_apply] == sorted([*order, last_apply])
    assert "new\ndigests\n" == (checkout.folder / "shared").read_text()


def test_a_registry_that_does_not_answer_ends_no_deployment(checkout: Checkout) -> None:
    """Base images whose digests cannot be read are built by their tags."""
    checkout.replace(".venv/bin/python", f'[ "$4" != base-images ] || exit 3\n{DRIVER}')
    assert 0 == checkout.run("deploy.sh")
    assert 2 == len([call for call in checkout.calls if call.startswith("docker build")])


def test_a_first_deployment_that_failed_can_be_destroyed(checkout: Checkout) -> None:
    """Without the file of a complete deployment, destroy.sh takes that of the failed one."""
    assert 2 == checkout.run("destroy.sh", "--yes")
    checkout.replace("bin/docker", f"{DOCKER}exit 1")
    checkout.run("deploy.sh")
    assert 0 == checkout.run("destroy.sh", "--yes")
    destroyed = [call for call in checkout.calls if " destroy " in call]
    assert 1 == len(destroyed)
    assert "-var-file=deploy.next.tfvars.json" in destroyed[0]


def test_drivers_are_stopped_before_their_cluster_is_deleted(checkout: Checkout) -> None:
    """ECS deletes no cluster in which a task runs."""
    assert 0 == checkout.run("deploy.sh")
    assert 0 == checkout.run("destroy.sh", "--yes")
    steps = [at for at, call in enumerate(checkout.calls) if "stack end-drivers" in call]
    deleted = [at for at, call in enumerate(checkout.calls) if " destroy " in call]
    assert (1, 1) == (len(steps), len(deleted))
    assert steps < deleted


def test_refused_settings_change_nothing(checkout: Checkout) -> None:
    """When the settings are refused, neither Terraform nor Docker is called."""
    checkout.replace(".venv/bin/python", "exit 2")
    assert 2 == checkout.run("deploy.sh", "--name", "other")
    assert ["make", "python"] == [call.split()[0] for call in checkout.calls]
    refused = DRIVER.replace("settings)", 'settings) echo "$*" >>"$CALLS"; exit 2;;\nnever)')
    checkout.replace(".venv/bin/python", refused)
    assert 2 == checkout.run("deploy.sh", "--name", "other")
    assert "stack settings --name other" in checkout.calls[-1]
    assert not [call for call in checkout.calls if call.startswith(("terraform", "docker"))]


@pytest.mark.parametrize(
    "options",
    [["--system", "albums", "--name", "a b"], ["--name", "a b", "--system=albums"]],
)
def test_a_system_is_deployed_from_its_own_folder(checkout: Checkout, options: list[str]) -> None:
    """With --system, wherever it stands, every step and Terraform work in the folder of that
    system, the other options reach the settings as they are, and each image is built from the
    Dockerfile that the description names.
    """
    assert 0 == checkout.run("deploy.sh", *options)
    folder = "examples/albums/terraform"
    settings = checkout.folder / folder / "deploy.auto.tfvars.json"
    assert "new\ndigests\n" == settings.read_text()
    steps = [call.split(" in ") for call in checkout.calls if " in " in call]
    assert ["folder", ""] == steps[0]
    assert {folder} == {place for _, place in steps[1:]}
    terraform = [call for call in checkout.calls if call.startswith("terraform ")]
    assert all(f"-chdir={folder} " in call for call in terraform)
    (given,) = [call for call in checkout.calls if "stack settings" in call]
    assert given.startswith("python -m driver stack settings --name a b ATT")
    builds = [call for call in checkout.calls if call.startswith("docker build")]
    assert ["b/Dockerfile", "c/Dockerfile"] == [
        each.split("--file ")[1].split()[0] for each in builds
    ]


def test_a_system_is_destroyed_from_its_own_folder(checkout: Checkout) -> None:
    """destroy.sh takes the settings of the named system, and leaves another system alone."""
    assert 0 == checkout.run("deploy.sh")
    assert 2 == checkout.run("destroy.sh", "--system", "albums", "--yes")
    assert 0 == checkout.run("deploy.sh", "--system", "albums")
    assert 2 == checkout.run("destroy.sh", "--system", "albums")
    assert 0 == checkout.run("destroy.sh", "--yes", "--system", "albums")
    destroyed = [call for call in checkout.calls if " destroy " in call]
    assert ["terraform -chdir=examples/albums/terraform destroy"] == [
        " ".join(call.split()[:3]) for call in destroyed
    ]
    assert "leftovers in examples/albums/terraform" in checkout.calls


@pytest.mark.parametrize("options", [[], ["--system", "albums"], ["--system=albums"]])
def test_what_confirms_a_destruction_destroys_the_same_system(
    checkout: Checkout, options: list[str]
) -> None:
    """Without a terminal, destroy.sh names the command that deletes this stack, and no other."""
    assert 0 == checkout.run("deploy.sh", *options)
    refused = checkout.done("destroy.sh", *options)
    named = f"./destroy.sh{' --system albums' if options else ''} --yes"
    assert (2, f"to confirm: {named}\n") == (
        refused.returncode,
        refused.stderr[refused.stderr.index("to confirm") :],
    )
    assert 0 == checkout.run(*named.removeprefix("./").split())
    assert 1 == len([call for call in checkout.calls if " destroy " in call])


@pytest.mark.parametrize("script", ["deploy.sh", "destroy.sh"])
def test_an_unknown_system_changes_nothing(checkout: Checkout, script: str) -> None:
    """A system that the driver does not know ends both scripts before Terraform is called."""
    assert 2 == checkout.run(script, "--system", "nothing")
    assert not [call for call in checkout.calls if call.startswith(("terraform", "docker"))]


def test_a_word_that_destroy_does_not_know_is_refused(checkout: Checkout) -> None:
    """destroy.sh takes no other option: a misspelt one must not destroy the wrong stack."""
    assert 2 == checkout.run("destroy.sh", "--sytem", "albums", "--yes")
    assert not (checkout.folder / "calls").exists()
