"""The steps that deploy again: under another name, for another architecture, or a version that
Terraform did not make.
"""

from __future__ import annotations

from tests.e2e import remains, stack
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.proof import Proof


def prove(log: Log, proof: Proof) -> None:
    """Run all steps in order; the stack is as before."""
    made = proof.stack
    with log.step("./deploy.sh --name OTHER is refused", vital=False) as note:
        refused = made.shell.run(made.root / "deploy.sh", "--name", "mapreduce-other", ok=(2,)).err
        note(next(line for line in refused.splitlines() if line.startswith("error")))
        if made.image_tag not in (made.folder / stack.SETTINGS_FILE).read_text():
            raise StepFailed("the settings were changed")
    with log.step("another architecture has another tag", vital=False) as note:
        _another_architecture(proof, note)
    with log.step("a version that Terraform did not make is an error", vital=False) as note:
        _rolled_back(proof, note)


def _another_architecture(proof: Proof, note: Note) -> None:
    """Check that a switch of the architecture builds all images anew; change nothing."""
    made, before = proof.stack, proof.stack.image_tag
    made.driver("stack", "settings", "--architecture", "ARM64")
    try:
        found = made.driver("stack", "images").out.splitlines()
    finally:
        (made.folder / "deploy.next.tfvars.json").unlink()
    if any(before in line or not line.endswith(" missing") for line in found):
        raise StepFailed("\n".join(found))
    note(f"{before} for X86_64; none of {len(found)} images is there for ARM64")


def _rolled_back(proof: Proof, note: Note) -> None:
    """Let a service run another version, as ECS does when a new one does not start."""
    made = proof.stack
    with remains.other_version(proof.cloud, made.name, "mapper"):
        said = made.driver("stack", "wait", "--timeout-s", "5", ok=(3,)).err.strip()
        note(said.splitlines()[-1])
        if f"and not {made.name}-mapper:1" not in said:
            raise StepFailed(said)
    made.driver("stack", "wait")
