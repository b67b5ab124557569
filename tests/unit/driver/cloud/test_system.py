"""The description of a system, and what follows from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.cloud import terraform
from driver.cloud.system import (
    ServiceSource,
    System,
    check_variables,
    script,
    system_of,
    tasks_of,
)
from driver.cloud.terraform import CHECKOUT, FOLDER_VARIABLE, system_folders, terraform_folder
from driver.forecast.pricing import GUARD
from driver.transport.endpoint import ROLES
from mapreduce.errors import UsageError
from tests.unit.driver.samples import mapreduce

TEXT = """
name = "shop"
title = "Shop"
sources = ["examples/shop"]

[images.web]
dockerfile = "examples/shop/Dockerfile"

[services.web]
count = 2
cpu = 256
memory = 512
"""
MAIN = """
module "network" {
  source = "../../../terraform/modules/network"
}
module "web" {
  source   = "../../../terraform/modules/service"
}
module "other" {
  source = "terraform-aws-modules/ecs/aws"
}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Terraform folder of a small system in a checkout."""
    folder = tmp_path / "examples" / "corner_shop" / "terraform"
    folder.mkdir(parents=True)
    (folder / "system.toml").write_text(TEXT)
    (folder / "main.tf").write_text(MAIN)
    (folder / "variables.tf").write_text('variable "web_count" {}\nvariable "region" {}\n')
    monkeypatch.setattr(terraform, "CHECKOUT", tmp_path)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return folder


def _system(**services: dict[str, Any]) -> System:
    return System(
        system="shop",
        name="shop",
        title="Shop",
        sources=(),
        images={},
        services={role: ServiceSource(**values) for role, values in services.items()},
    )


def test_a_description_is_read_with_its_terraform(shop: Path) -> None:
    """A system has the name of the folder above its root, and the modules and variables of that
    root; modules from elsewhere do not count.
    """
    found = system_of(shop)
    assert ("corner-shop", "shop", False) == (found.system, found.name, found.is_default)
    assert "./deploy.sh --system corner-shop" == found.deploy
    assert {"network", "service"} == found.modules
    assert {"web_count", "region"} == found.variables
    assert "examples/shop/Dockerfile" == found.dockerfile("web")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "is no TOML"),
        (TEXT.replace("cpu = 256", "cpus = 256"), r"system\.toml: services\.web\.cpu"),
        (TEXT.replace("count = 2", "count = -1"), r"services\.web\.count"),
        (TEXT.replace('title = "Shop"', ""), "title: Field required"),
        (TEXT.replace('title = "Shop"', 'title = "Shop"\nsystem = "A B"'), "system: "),
        (TEXT.replace('title = "Shop"', 'title = "Shop"\ncolour = "red"'), "colour: Extra"),
    ],
)
def test_a_wrong_description_is_named_with_its_place(shop: Path, text: str, why: str) -> None:
    """A description that cannot be used is an error with the file and the entry."""
    (shop / "system.toml").write_text(text)
    with pytest.raises(UsageError, match=why):
        system_of(shop)


def test_a_root_without_a_description_is_mapreduces(tmp_path: Path) -> None:
    """A folder of MAPREDUCE_TERRAFORM with a root of its own is MapReduce's, as ever."""
    assert mapreduce() == system_of(tmp_path)


def test_systems_are_found_by_name(shop: Path) -> None:
    """A system is a folder of examples with a root, with either kind of hyphen; without a name it
    is MapReduce.
    """
    empty = shop.parents[1] / "empty" / "terraform"
    empty.mkdir(parents=True)
    assert ["mapreduce", "corner-shop"] == list(system_folders())
    assert shop == terraform_folder("corner-shop") == terraform_folder("corner_shop")
    assert shop.parents[2] / "terraform" == terraform_folder() == terraform_folder("mapreduce")
    with pytest.raises(UsageError, match=r"no such system; do you mean corner-shop\?"):
        terraform_folder("corner-shp")
    with pytest.raises(UsageError, match="there are mapreduce, corner-shop"):
        terraform_folder("x")


def test_the_variable_and_the_option_may_not_disagree(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MAPREDUCE_TERRAFORM the option must name the same folder: one of them is a mistake."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(shop))
    assert shop == terraform_folder() == terraform_folder("corner-shop")
    with pytest.raises(UsageError, match=f"unset {FOLDER_VARIABLE}"):
        terraform_folder("mapreduce")


def test_mapreduces_description_is_what_its_code_and_terraform_have() -> None:
    """MapReduce's services and their sizes are those of its roles, of Terraform's defaults and of
    the guard's price.
    """
    system = mapreduce()
    assert [*ROLES.values(), "guard"] == list(system.services)
    assert [*system.services, "driver"] == list(system.images)
    assert (True, "./deploy.sh") == (system.is_default, system.deploy)
    guard = system.services["guard"]
    assert (GUARD.count, GUARD.cpu, GUARD.memory) == (guard.count, guard.cpu, guard.memory)
    text = (CHECKOUT / "terraform" / "variables.tf").read_text()
    defaults = {
        name: block.partition("default")[2].split()[1]
        for name, _, block in (each.partition('" {') for each in text.split('\nvariable "')[1:])
    }
    for role in ROLES.values():
        service = system.services[role]
        sizes = {"count": service.count, "cpu": service.cpu, "memory": service.memory}
        assert {f"{role}_{word}": str(value) for word, value in sizes.items()} == {
            f"{role}_{word}": defaults[f"{role}_{word}"] for word in sizes
        }
    assert guard.beside == {"idle_stop_minutes": int(defaults["idle_stop_minutes"])}


@pytest.mark.parametrize("name", list(system_folders()))
def test_a_description_fits_its_checkout(name: str) -> None:
    """Of every system: it has the name by which --system finds it, its Dockerfiles and sources
    exist, each variable that it names is one of its root, and the root has the variables that
    deploy.sh writes.
    """
    folder = system_folders()[name]
    assert (folder / "system.toml").is_file()
    system = system_of(folder)
    assert name == system.system
    for path in (*system.sources, *(each.dockerfile for each in system.images.values())):
        assert (CHECKOUT / path).exists(), path
    named = {
        variable
        for service in system.services.values()
        for variable in (
            service.count_variable,
            service.cpu_variable,
            service.spot_variable,
            service.needs,
            *service.beside,
        )
    }
    named |= {each.when for each in system.rights}
    written = {"region", "name", "image_tag", "image_digests", "architecture", "allowed_cidrs"}
    written |= {"existing_role_name", "extra_environment"}
    assert set() == (named | written) - system.variables - {""}
    for role, service in system.services.items():
        word = role.replace("-", "_")
        assert service.beside or {service.count_variable, f"{word}_count"} & system.variables, role
    counted = {variable for variable in system.variables if variable.endswith("_count")}
    assert counted <= {
        service.count_variable or f"{role.replace('-', '_')}_count"
        for role, service in system.services.items()
    }
    text = "\n".join(each.read_text() for each in sorted(folder.glob("*.tf")))
    for needed, role in re.findall(r"= var\.(\w+) == null \? 0 : var\.(\w+)_count", text):
        assert needed == system.services[role].needs
    discovery = re.findall(r"^ +service_discovery += .*", (folder / "main.tf").read_text(), re.M)
    assert f'"{system.service_discovery}"' in discovery[0]


@given(
    count=st.integers(0, 50),
    share=st.integers(0, 100),
    cpu=st.sampled_from([256, 1024, 4096]),
)
def test_tasks_are_divided_to_the_nearest(count: int, share: int, cpu: int) -> None:
    """The tasks on Spot are the share of all, off by a half at most, and no other service's."""
    system = _system(
        web={"cpu": 256, "memory": 512},
        worker={"count": 1, "cpu": 512, "memory": 1024, "spot_variable": "spot_share"},
    )
    chosen = {"worker_count": count, "worker_cpu": cpu, "spot_share": share}
    web, worker = tasks_of(system, chosen)
    assert (count, cpu / 1024) == (worker.count, worker.vcpus)
    assert abs(worker.on_spot - count * share / 100) <= 0.5
    assert (1, 0) == (web.count, web.on_spot)


def test_variables_of_another_name_and_tasks_that_need_one() -> None:
    """A description may name the variables; tasks that need one are none without it."""
    system = _system(
        server={"cpu": 512, "memory": 1024, "count_variable": "shards", "numbered": 3},
        canary={"cpu": 512, "memory": 1024, "needs": "canary_version"},
    )
    assert [2, 0] == [each.count for each in tasks_of(system, {"shards": 2})]
    assert [1, 1] == [each.count for each in tasks_of(system, {"canary_version": "2"})]
    assert ["server", "server-1", "server-2", "canary"] == list(system.roles())
    with pytest.raises(UsageError, match="shards is 'many', and must be a whole number"):
        tasks_of(system, {"shards": "many"})


def test_a_service_beside_others_does_not_run_alone() -> None:
    """A service beside the others has no task without theirs, or while its variable is 0."""
    system = _system(
        web={"cpu": 256, "memory": 512}, guard={"cpu": 256, "memory": 512, "beside": {"idle": 30}}
    )
    assert [1, 1] == [each.count for each in tasks_of(system, {})]
    assert [1, 0] == [each.count for each in tasks_of(system, {"idle": 0})]
    assert [0] == [each.count for each in tasks_of(system, {"web_count": 0})]


def test_only_variables_of_the_root_are_taken(shop: Path) -> None:
    """`--var` takes a variable of the root that no other option sets."""
    system = system_of(shop)
    check_variables(system, {"web_count": 3}, {"region": "--region"})
    with pytest.raises(UsageError, match="--var region: use --region"):
        check_variables(system, {"region": "x"}, {"region": "--region"})
    with pytest.raises(UsageError, match=r"Shop has no variable .*; do you mean web_count\?"):
        check_variables(system, {"web_cuont": 3}, {})


def test_the_scripts_of_a_system() -> None:
    """MapReduce needs no option, another system its name."""
    assert "./deploy.sh" == script("deploy", "mapreduce")
    assert "./destroy.sh --system albums" == script("destroy", "albums")
