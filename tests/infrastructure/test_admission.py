"""What `stack allow` relies on: an apply of the rules alone updates the output made of them,
and no other variable's effect. With the real Terraform, and resources that need no provider.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from driver.cloud.admission import delete_part

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
variable "allowed_cidrs" {}
variable "mapper_count" {}
resource "terraform_data" "rule" {
  for_each = toset(var.allowed_cidrs)
  input    = each.key
}
resource "terraform_data" "service" {
  input = var.mapper_count
}
output "allowed_cidrs" {
  value = tolist([for cidr, rule in terraform_data.rule : cidr])
}
output "count" {
  value = terraform_data.service.output
}
"""
STACK = """
variable "allowed_cidrs" { type = list(string) }
variable "mapper_count" { type = number }
module "service" {
  source        = "./service"
  for_each      = toset(["mapper", "reducer"])
  allowed_cidrs = var.allowed_cidrs
  mapper_count  = var.mapper_count
}
output "allowed_cidrs" {
  value = module.service["mapper"].allowed_cidrs
}
output "of_the_variable" {
  value = var.allowed_cidrs
}
output "count" {
  value = module.service["mapper"].count
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small module of the same shape as the stack's, initialised."""
    if shutil.which("terraform") is None:
        pytest.skip("TERRAFORM IS NOT CHECKED: it is not on PATH")
    (tmp_path / "service").mkdir()
    (tmp_path / "main.tf").write_text(STACK)
    (tmp_path / "service" / "main.tf").write_text(MODULE)
    _terraform(tmp_path, "init", "-input=false")
    return tmp_path


def _terraform(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        env=os.environ | {"CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _apply(folder: Path, cidr: str, count: int, *options: str) -> dict[str, object]:
    values = ["-var", f'allowed_cidrs=["{cidr}"]', "-var", f"mapper_count={count}"]
    _terraform(folder, "apply", "-auto-approve", "-input=false", *values, *options)
    outputs = json.loads(_terraform(folder, "output", "-json"))
    return {name: output["value"] for name, output in outputs.items()}


def test_the_rules_alone_are_applied_and_their_output_follows(folder: Path) -> None:
    """With `-target`, the output of the rules is new; that of the variable alone would be old, and
    the number of tasks stays.
    """
    _apply(folder, "203.0.113.7/32", 3)
    targets = [
        f'-target=module.service["{role}"].terraform_data.rule' for role in ("mapper", "reducer")
    ]
    assert {
        "allowed_cidrs": ["198.51.100.9/32"],
        "of_the_variable": ["203.0.113.7/32"],
        "count": 3,
    } == _apply(folder, "198.51.100.9/32", 10, *targets)


def test_a_module_is_deleted_and_the_rest_stays(folder: Path) -> None:
    """As `stack end-drivers` deletes what starts drivers; a module that is not there is no error,
    nor is one that is deleted already.
    """
    before = _apply(folder, "203.0.113.7/32", 3)
    values = '{"allowed_cidrs": ["203.0.113.7/32"], "mapper_count": 3}'
    (folder / "deploy.auto.tfvars.json").write_text(values)
    for _ in range(2):
        delete_part(folder, ['module.service["mapper"].terraform_data.rule', "module.schedule"])
        known = _terraform(folder, "state", "list").split()
        kept = ["mapper", "reducer"]
        assert {f'module.service["{role}"].terraform_data.service' for role in kept} < set(known)
        assert not [name for name in known if '["mapper"].terraform_data.rule' in name]
    (folder / "deploy.auto.tfvars.json").unlink()
    assert before == _apply(folder, "203.0.113.7/32", 3)


def test_the_stacks_output_is_made_of_the_rules() -> None:
    """The output that the driver reads is that of the module, and the module's is of the rules."""
    outputs = (ROOT / "terraform/outputs.tf").read_text()
    found = re.search(r'output "allowed_cidrs" \{(.*?)\n\}', outputs, re.DOTALL)
    assert found is not None
    assert 'module.service["mapper"].allowed_cidrs' in found[1]
    module = (ROOT / "terraform/modules/service/outputs.tf").read_text()
    found = re.search(r'output "allowed_cidrs" \{(.*?)\n\}', module, re.DOTALL)
    assert found is not None
    assert "in aws_vpc_security_group_ingress_rule.http" in found[1]
