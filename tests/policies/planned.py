"""The policies of the roles, read from Terraform's plans."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.processes import Shell
from tests.policies.policy import Policy

STORE, EXTRA = "mapreduce-123456789012-eu-central-1", "other"
"""The stack's bucket and the extra input bucket of the plan."""
STRANGER = "stranger"
"""A bucket that no policy names."""
PLAN = ("options", "every_option_together")
TESTS = ("terraform", "test", "-json", "-verbose")
SPLITTER, MAPPER, REDUCER = "splitter", "mapper", "reducer"
ROLES = (SPLITTER, MAPPER, REDUCER)


def planned_resources(shell: Shell, file: str = PLAN[0], run: str = PLAN[1]) -> dict[str, Any]:
    """Return the resources that a run of a file of `terraform test` plans, by address.

    Args:
        shell: a shell in an initialised root module.
        file: name of the file in its tests/; by default that of MapReduce's options.
        run: in the file; by default the stack with every option.
    """
    # its assertions are not those of our tests
    out = shell.run(*TESTS, f"-filter=tests/{file}.tftest.hcl", ok=(0, 1)).out
    for line in out.splitlines():
        if '"type":"test_plan"' in line and json.loads(line)["@testrun"] == run:
            changes = json.loads(line)["test_plan"]["resource_changes"]
            return {change["address"]: change["change"]["after"] for change in changes}
    raise AssertionError(f"terraform test shows no plan of {run}:\n{out[-2000:]}")


def task_policies(planned: dict[str, Any]) -> dict[str, Policy]:
    """Return the policy of each task role."""
    address = 'module.service["{}"].aws_iam_role_policy.task[0]'
    return {role: Policy.of(planned[address.format(role)]["policy"]) for role in ROLES}
