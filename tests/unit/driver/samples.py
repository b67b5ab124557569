"""Sample values for several tests of the driver."""

from __future__ import annotations

from driver.cloud.system import System, system_of
from driver.cloud.terraform import CHECKOUT
from driver.plan.tasks import RunPlan
from driver.report.document import Report, Timings
from mapreduce.engine import Ledger
from mapreduce.wire.messages import InputObject, JobSpec, SplitRule

JOB = JobSpec(code="0" * 64, module="mapreduce_jobs.word_count", name="WordCount")


def mapreduce() -> System:
    """Return MapReduce's description."""
    return system_of(CHECKOUT / "terraform")


def run_plan(**changes: object) -> RunPlan:
    """Return a plan over one input of 1000 bytes, with these changes."""
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="local",
        store="file:///store",
        job=JOB,
        inputs=(InputObject(url="file:///in/a.txt", size=1000, etag="e1"),),
        cut=SplitRule(splits=4),
        partitions=2,
        mode="range",
        top=10,
    )
    return plan.model_copy(update=changes)


def empty_report(**changes: object) -> Report:
    """Return the report of a run without tasks, with these changes."""
    report = Report(
        run_id="run-1",
        target="local",
        job="WordCount",
        chunk_urls=(),
        map_urls=(),
        result_urls=(),
        records=0,
        top=(),
        counters={},
        timings=Timings(**dict.fromkeys(Timings.model_fields, 0.0)),
        tasks=(),
        ledger=Ledger(rows=(), bytes_in=0, records_in=0, pairs_shuffled=0, records_out=0),
        reused_tasks=0,
    )
    return report.model_copy(update=changes)


def _service(role: str, cpu: int, count: int) -> dict[str, object]:
    return {
        "service_name": role,
        "task_definition_arn": f"arn:aws:ecs:eu-central-1:1:task-definition/mapreduce-{role}:7",
        "discovery_service_id": "srv-1",
        "discovery_service_name": role,
        "container_name": role,
        "port": 8080,
        "log_group": f"/ecs/mapreduce/{role}",
        "desired_count": count,
        "cpu": cpu,
        "memory": 2048,
    }


STACK_VALUES: dict[str, object] = {
    "region": "eu-central-1",
    "name": "mapreduce",
    "system": "mapreduce",
    "bucket": "mapreduce-1-eu-central-1",
    "extra_input_buckets": ["books"],
    "extra_kms_key_arns": [],
    "cluster": "mapreduce",
    "service_discovery": "dns",
    "namespace": "mapreduce.internal",
    "allowed_cidrs": ["203.0.113.7/32"],
    "address_kind": "public",
    "assign_public_ip": True,
    "architecture": "X86_64",
    "spot_share": 50,
    "signing_key_parameter": "/mapreduce/signing-key",
    "repository_urls": {role: f"1.dkr.ecr/{role}" for role in ("splitter", "mapper", "reducer")},
    "image_tag": "abc",
    "alarms": False,
    "dashboard": False,
    "services": {
        "splitter": _service("splitter", 512, 1),
        "mapper": _service("mapper", 2048, 3),
        "reducer": _service("reducer", 1024, 1),
    },
    "idle_stop_minutes": 30,
    "guard": {
        "service_name": "guard",
        "task_definition_arn": "arn:aws:ecs:eu-central-1:1:task-definition/mapreduce-guard:7",
        "log_group": "/ecs/mapreduce/guard",
    },
}

ALBUMS_VALUES: dict[str, object] = {
    "region": "eu-central-1",
    "name": "albums",
    "system": "albums",
    "bucket": "albums-1-eu-central-1",
    "cluster": "albums",
    "service_discovery": "none",
    "assign_public_ip": True,
    "architecture": "X86_64",
    "repository_urls": {"albums": "1.dkr.ecr/albums/albums"},
    "image_tag": "abc",
    "services": {
        "albums": _service("albums", 256, 2) | {"memory": 512},
        "worker": _service("worker", 1024, 1) | {"port": None},
    },
    "an_output_of_its_own": 1,
}
"""A stack of another system, with two services."""
