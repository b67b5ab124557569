"""What the harness must know of a system before it can deploy it.

`tests/e2e/systems/NAME.py` has the system and its proof: `SYSTEM` and `prove(log, proof)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

NAMES = sorted(
    file.stem for file in Path(__file__).parent.glob("systems/*.py") if file.stem != "__init__"
)
SUFFIX = "-e2e"


@dataclass(frozen=True, slots=True)
class System:
    """A system, and how its stack differs in the emulator.

    Attributes:
        name: its module's name.
        folder: its Terraform root, from the repository's root.
        requirements: the files of its images' packages.
        options: of deploy.sh and destroy.sh.
        variables: of Terraform, beside those that each root has.
        environment: of its containers, beside the emulator's credentials.
        resolves: whether its containers find one another by DNS, so that it cannot run on an engine
            that was started elsewhere.
    """

    name: str
    folder: str
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    resolves: bool = False

    @property
    def stack(self) -> str:
        """Return the name of its stack."""
        return f"{self.name.replace('_', '-')}{SUFFIX}"


def example(
    name: str,
    *,
    resolves: bool = False,
    variables: Mapping[str, object] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> System:
    """Return the system of a folder in examples/."""
    return System(
        name=name,
        folder=f"examples/{name}/terraform",
        requirements=(f"examples/{name}/requirements.txt",),
        options=("--system", name),
        variables=variables,
        environment=environment,
        resolves=resolves,
    )
