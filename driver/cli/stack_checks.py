"""`stack allow`: what a deployed stack needs once in a while, without a new deployment."""

from __future__ import annotations

import json as jsonlib

from driver.cli.terminal import say
from mapreduce.errors import FleetError, UsageError


def allow(*cidr: str) -> int:
    """Set the address ranges that may call the services; change nothing else of the stack.

    Without a range, this machine's public address replaces the single addresses of before, and
    ranges stay. Later applies keep what is set here.

        python -m driver stack allow
        python -m driver stack allow 203.0.113.7/32 198.51.100.0/24

    Args:
        cidr: The ranges, instead of those of before.
    """
    from driver.cloud.admission import admit
    from driver.cloud.deployment import SETTINGS_FILE, DeploySettings, merged_settings
    from driver.cloud.own_address import OWN_ADDRESS_URL, admitting, own_address
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder()
    path = folder / SETTINGS_FILE
    found = read_stack(folder)
    if found is None or not path.exists():
        raise FleetError("there is no stack here whose rules could change; run ./deploy.sh")
    before = DeploySettings.model_validate_json(path.read_text())
    wanted = cidr
    if not wanted:
        own = own_address()
        if own is None:
            raise UsageError(
                "this machine's public address could not be found; name it, for example: "
                f"python -m driver stack allow $(curl -s {OWN_ADDRESS_URL})/32"
            )
        wanted = admitting(own, before.allowed_cidrs)
    made = merged_settings(
        jsonlib.loads(path.read_text()), None, before.image_tag, None, allowed_cidrs=list(wanted)
    )
    admit(made, folder, found.services)
    say(f"callable by {', '.join(made.allowed_cidrs)}", style="green")
    if gone := [each for each in before.allowed_cidrs if each not in made.allowed_cidrs]:
        say(f"no longer by {', '.join(gone)}")
    return 0
