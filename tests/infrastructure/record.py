"""Record which calls the AWS provider makes for each type of resource: `python -m
tests.infrastructure.record` applies, plans, changes and destroys the stack of each system on an
emulator, and writes provider_calls.json. Needed after a new type of resource, or another provider.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.e2e import terraform_cli
from tests.e2e.processes import Shell
from tests.infrastructure.variants import EXAMPLES, Account, emulated_account

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("provider_calls.json")
CHANGED = ["-var=monthly_budget_usd=30", "-var=nightly_stop=cron(0 23 * * ? *)"]
STOPPED = [f"-var={role}_count=0" for role in ("splitter", "mapper", "reducer")]
PATH_STYLE = 'provider "aws" {\n  s3_use_path_style = true\n}\n'
# an attribute that the emulator does not keep
FORGOTTEN = (
    'resource "aws_ecs_service" "this" {\n'
    "  lifecycle {\n    ignore_changes = [availability_zone_rebalancing]\n  }\n}\n"
)


def record(folder: Path) -> dict[str, list[str]]:
    """Return the calls for each type of resource and data source, signed service and operation.

    Args:
        folder: for temporary files.
    """
    (folder / "outputs").mkdir()
    log = folder / "log"
    shell = _prepared(ROOT / "terraform", folder)
    (folder / "terraform/modules/service/emulator_override.tf").write_text(FORGOTTEN)
    shell, _ = terraform_cli.with_provider(shell, shell.folder, folder)
    logged = shell.having(TF_LOG="JSON", TF_LOG_PATH=str(log))
    with emulated_account(logged) as account:
        _live(account)
        for variant, root in EXAMPLES.items():
            other = replace(account.shell, folder=_prepared(root, folder).folder)
            other.run("terraform", "init", "-input=false", "-no-color")
            for command in ("apply", "plan", "destroy"):
                sure = () if command == "plan" else ("-auto-approve",)
                other.run("terraform", command, *sure, "-input=false", *account.arguments(variant))
    found: dict[str, set[str]] = {}
    for kind, call in _calls(log):
        found.setdefault(kind, set()).add(call)
    return {kind: sorted(calls) for kind, calls in sorted(found.items())}


def _prepared(root: Path, folder: Path) -> Shell:
    """Copy a root to its place below a folder; return a shell there."""
    copy = folder / root.relative_to(ROOT)
    terraform_cli.copy_of(root, copy)
    # path-style addresses, as the emulator has them
    (copy / "emulator_override.tf").write_text(PATH_STYLE)
    return Shell(copy, dict(os.environ), folder / "outputs")


def _live(account: Account) -> None:
    """Create the stack with every option, read it, change much of it, and destroy it."""
    options = ("-input=false", "-no-color", *STOPPED)
    first = account.arguments("options")
    second = [*first, *account.arguments("dns"), *CHANGED]
    account.shell.run("terraform", "apply", "-auto-approve", *options, *first)
    account.shell.run("terraform", "plan", *options, *first)
    account.shell.run("terraform", "apply", "-auto-approve", *options, *second)
    account.shell.run("terraform", "destroy", "-auto-approve", *options, *second)


def _calls(log: Path) -> Iterator[tuple[str, str]]:
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"HTTP Request Sent"' not in line:
                continue
            sent = json.loads(line)
            kind = sent.get("tf_resource_type") or sent.get("tf_data_source_type") or "provider"
            signed = sent.get("http.request.header.authorization", "")
            service = re.search(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/aws4_request", signed)
            if service:
                yield kind, f"{service[1]}:{sent['rpc.method']}"


def main() -> None:
    """Write the table."""
    with tempfile.TemporaryDirectory() as folder:
        calls = record(Path(folder))
    provider = terraform_cli.locked_version(ROOT / "terraform" / ".terraform.lock.hcl")
    TABLE.write_text(json.dumps({"provider": provider, "calls": calls}, indent=1) + "\n")
    sys.stderr.write(f"{TABLE.name}: {len(calls)} types\n")


if __name__ == "__main__":
    main()
