"""`stack remote-state`, `share-settings`: one stack in several checkouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.cli.options import Flag, SystemName
from driver.cli.terminal import answer, say
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from driver.cloud.aws import Aws
    from driver.cloud.stack import StackIdentity


def remote_state(
    bucket: str,
    /,
    *,
    system: SystemName = None,
    name: str | None = None,
    region: str | None = None,
    create: Flag = False,
) -> int:
    """Keep Terraform's state in a bucket, so that several checkouts share one stack.

    Give it once in each checkout, and again to take over the settings of a deployment from another
    checkout. It writes terraform/backend_override.tf.json, which git ignores, and
    terraform/deploy.auto.tfvars.json if the stack is deployed; the command that it prints makes
    Terraform use them.

        python -m driver stack remote-state my-states --region eu-central-1 --create
        python -m driver stack remote-state my-states --name books --region eu-central-1

    Args:
        bucket: The bucket's name; one bucket holds the states of all stacks.
        system: Another system than MapReduce, e.g. albums.
        name: The stack's name (by default, that of this checkout, or of the system).
        region: Its region (by default, that of this checkout).
        create: Make the bucket, in that region: private, encrypted, with versions.
    """
    from driver.cli.stack import last_settings
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.deployment import SETTINGS_FILE, check_is_same
    from driver.cloud.deploy.remote_state import RemoteState, shared_settings
    from driver.cloud.stack import StackIdentity, stack_of_state
    from driver.cloud.system import system_of
    from driver.cloud.terraform import BACKEND_FILE, has_local_state, terraform_folder

    folder = terraform_folder(system)
    of = system_of(folder)
    before = last_settings(folder)
    place = region or before.get("region")
    if not place:
        raise UsageError("no region is set; give the stack's, e.g. --region us-east-1")
    stack = StackIdentity(name=str(name or before.get("name") or of.name), region=str(place))
    _check_is_free(folder / BACKEND_FILE, bucket, stack)
    moves = has_local_state(folder) and not (folder / BACKEND_FILE).exists()
    if moves:
        check_is_same(of.system, stack, stack_of_state(folder))
    aws = Aws(stack.region)
    state = RemoteState(
        bucket=bucket, bucket_region=_region_of(aws, bucket, stack.region, create), stack=stack
    )
    (folder / BACKEND_FILE).write_text(state.backend())
    answer(f"the state of {stack} is {state.url}")
    if settings := shared_settings(Aws(state.bucket_region), state):
        (folder / SETTINGS_FILE).write_text(settings)
        answer(f"its settings are in {folder / SETTINGS_FILE}")
    answer("next:")
    answer(f"  terraform -chdir={folder} init{' -migrate-state' if moves else ''}")
    return 0


def share_settings(*, system: SystemName = None) -> int:
    """Store the settings of this deployment beside the state, if the state is in a bucket.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.deployment import SETTINGS_FILE
    from driver.cloud.deploy.remote_state import remote_state as state_of
    from driver.cloud.deploy.remote_state import share_settings as share
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder(system)
    if state := state_of(folder):
        share(Aws(state.bucket_region), state, (folder / SETTINGS_FILE).read_text())
        say(f"the settings are beside {state.url}")
    return 0


def _check_is_free(file: Path, bucket: str, stack: StackIdentity) -> None:
    """Check that a checkout names no other state yet: Terraform would lose track of its stack."""
    from driver.cloud.deploy.remote_state import remote_state as state_of

    found = state_of(file.parent)
    if found is not None and (found.bucket, found.stack) != (bucket, stack):
        raise UsageError(
            f"this checkout's state is {found.url}; use another checkout for the other one "
            f"(git worktree add ../{stack.name})"
        )


def _region_of(aws: Aws, bucket: str, region: str, create: bool) -> str:
    """Return the region of a bucket; make the bucket if that is chosen."""
    from driver.cloud.deploy.remote_state import bucket_region, make_bucket

    found = bucket_region(aws, bucket)
    if found is None and not create:
        raise UsageError(f"there is no bucket {bucket}; add --create, or correct the name")
    if found is None:
        make_bucket(aws, bucket, region)
        say(f"made the bucket {bucket}", style="green")
    return found or region
