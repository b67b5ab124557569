"""MapReduce: deploy, count, scale, lose a mapper, stop, destroy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.zipf import write_text
from tests.e2e import accounts, images, price, remains, runs, standing, submitted, versions
from tests.e2e.log import Log, StepFailed
from tests.e2e.proof import Proof, allowed, deployed, destroyed, sealed
from tests.e2e.stack import DeployedStack
from tests.e2e.submission import Subject
from tests.e2e.system import System

BOOKS = Path(__file__).resolve().parents[4] / "shared" / "data"
MAPPERS = 3
MORE_MAPPERS = 10
GROWING_S = 200.0  # a third of it with three mappers: enough for Terraform and new containers
SPREADING_S = 9.0
LOSING_S = 30.0
MEASURING_S = 9.0  # seconds of waiting, which more mappers share even on two processors
LEAST_SPEED_UP = 1.3
FAULTS = "kill=0.2,hang=0.05,slow=0.1,error=0.1,duplicate=0.05,corrupt=0.1"
ROLES = ("splitter", "mapper", "reducer")
ROLES_OF_POLICIES = (*ROLES, "driver")
SYSTEM = System(
    name="mapreduce",
    folder="terraform",
    requirements=(
        "requirements/services.txt",
        "requirements/guard.txt",
        "requirements/driver_image.txt",
    ),
    variables={"address_kind": "private"},
    environment={"MAPREDUCE_CHAOS": "true"},
)


def prove(log: Log, proof: Proof) -> None:
    """Run all steps in order."""
    texts = proof.inputs or _books(proof.folder)
    proof = replace(proof, inputs=texts)
    deployed(log, proof)
    for name, part in PARTS.items():
        if proof.only in ("", name):
            part(log, proof)
    with submitted.at_work(log, _subject(proof, proof.stack)):
        destroyed(log, proof, "mapper")
    allowed(log, proof, () if proof.only else ROLES_OF_POLICIES)


def _standing(log: Log, proof: Proof) -> None:
    given = (log, proof.another, proof.cloud, _book(proof), proof.folder)
    meanwhile = standing.Meanwhile(
        lambda: accounts.course(*given), lambda: accounts.company(*given)
    )
    standing.prove(log, proof.stack, _book(proof), proof.folder, MAPPERS, meanwhile)


def _price(log: Log, proof: Proof) -> None:
    price.prove(log, proof.stack, _book(proof), proof.folder)


def _submitted(log: Log, proof: Proof) -> None:
    submitted.prove(log, _subject(proof, proof.another("elsewhere", {})))


def _subject(proof: Proof, elsewhere: DeployedStack) -> Subject:
    return Subject(proof.stack, elsewhere, proof.cloud, _book(proof), proof.folder)


def _book(proof: Proof) -> Path:
    """Return the longest text."""
    return max(proof.inputs, key=lambda path: path.stat().st_size)


def _books(folder: Path) -> list[Path]:
    """Return the texts of a folder beside the repository, else one generated text."""
    found = sorted(BOOKS.glob("*.txt"))
    if not found:
        found = [folder / "zipf.txt"]
        write_text(found[0], 5_000_000, seed=7)
    return found


def _look(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("images: size, and layers shared", vital=False) as note:
        images.measure(
            made.engine,
            proof.cloud.registry,
            [f"{made.name}/{role}" for role in ROLES],
            made.image_tag,
            proof.base,
            note,
            same=True,
        )
    with log.step("images: bills of materials", vital=False) as note:
        registry = f"{proof.cloud.registry}/{made.name}"
        note(images.bills(made.engine, made.root, registry, made.image_tag, proof.folder / "sbom"))
    sealed(log, proof, "mapper", "/scratch")
    with log.step("driver doctor", vital=False) as note:
        note(f"{len(made.driver('doctor').out.splitlines())} findings, all well")
    with log.step("driver stack selftest", vital=False) as note:
        before = len(proof.watch.asked)
        steps = json.loads(made.driver("stack", "selftest", "--json", ok=(0, 3)).out)["steps"]
        # it asks on purpose for an object that the splitter may not read
        asked = [each for each in proof.watch.asked[before:] if "/selftest/" not in each[1].target]
        proof.watch.asked[before:] = asked
        states = Counter(step["state"] for step in steps)
        if failed := [step for step in steps if step["state"] == "failed"]:
            raise StepFailed("\n".join(f"{step['name']}: {step['seen']}" for step in failed))
        note(", ".join(f"{count} {state}" for state, count in states.items()))


def _count(log: Log, proof: Proof) -> None:
    made, book = proof.stack, _book(proof)
    with log.step(f"word count of {book.name} on {MAPPERS} mappers") as note:
        # slowly, so that a mapper that answers late still gets a task
        slowly = runs.slowly(proof.folder, [book], SPREADING_S)
        answer = runs.count(made, [book], proof.folder / "words.json", *slowly, "--chunks", "6")
        runs.check_counts(answer, [book])
        mappers = {one.name for one in made.boxes("mapper")}
        if answer.mappers != mappers or len(mappers) != MAPPERS:
            raise StepFailed(
                f"map tasks were done by {sorted(answer.mappers)}, and the mappers are "
                f"{sorted(mappers)}"
            )
        note(f"{len(answer.counts)} words, {answer.counts.total()} occurrences, as counted plainly")
        note(f"{len(answer.map_rows)} map tasks by {', '.join(sorted(mappers))}")
    with log.step("driver verify, audit", vital=False) as note:
        for command in ("verify", "audit"):
            note(made.driver(command, answer.run).out.splitlines()[-1].strip())
    with log.step("a chain from outside, with a module and a file beside it", vital=False) as note:
        job = ("--job", runs.own_job(proof.folder), "--chunks", "6", "--reducers", "2")
        chained = runs.count(made, [book], proof.folder / "own.json", *job)
        runs.check_counts(chained, [book], without=runs.STOP_WORD)
        note(
            f"{len(chained.report['steps'])} steps, {len(chained.counts)} words; "
            "the answer is right"
        )
    with log.step("a job with a package that the images lack", vital=False) as note:
        required = runs.packaged_job(proof.folder)
        output = proof.folder / "packaged.json"
        packaged = runs.count(made, [book], output, "--job", required, "--chunks", "6")
        runs.check_counts(packaged, [book])
        (held,) = json.loads(made.driver("packages", "--json").out)["sets"]
        names = ", ".join(f"{each['name']} {each['version']}" for each in held["packages"])
        note(f"{names} for {held['platform']}, {held['size_bytes'] >> 20} MiB; the answer is right")
    with log.step("a fault chaos", vital=False) as note:
        chaos = ("--chaos", FAULTS, "--chaos-seed", "7", "--chunks", "12", "--fresh")
        faulty = runs.count(made, [book], proof.folder / "faulty.json", *chaos)
        runs.check_counts(faulty, [book])
        faults = [fault["fault"] for fault in faulty.report["faults"]]
        if not faults:
            raise StepFailed("no fault was injected")
        note(f"{len(faults)} faults ({', '.join(sorted(set(faults)))}); the answer is right")
    with log.step("driver logs: what CloudWatch has of the run", vital=False) as note:
        lines = made.driver("logs", answer.run).out.splitlines()
        if len(lines) < len(answer.report["tasks"]):
            raise StepFailed(f"{len(lines)} lines of {len(answer.report['tasks'])} tasks")
        note(f"{len(lines)} lines")


def _measure(log: Log, proof: Proof) -> None:
    made, figures = proof.stack, proof.folder / "speedup"
    levels = [1, 2, MAPPERS]
    slowly = runs.slowly(proof.folder, [_book(proof)], MEASURING_S)
    command = [
        "bench",
        "--target",
        "aws",
        "--input",
        _book(proof),
        *(option for option in slowly if option != "--fresh"),
    ]
    with log.step(f"driver bench on {', '.join(map(str, levels))} mappers", vital=False) as note:
        before = remains.objects(proof.cloud)
        wanted = (
            "--mappers",
            ",".join(map(str, levels)),
            "--repeat",
            "1",
            "--output",
            figures,
            "--json",
        )
        found = json.loads(made.driver(*command, *wanted).out)["levels"]
        if [level["mappers"] for level in found] != levels or found[-1]["map_speed_up"][
            "median"
        ] < LEAST_SPEED_UP:
            raise StepFailed(f"measured: {found}")
        note(
            "; ".join(
                f"{each['mappers']}: map stage {each['map_speed_up']['median']:.2f} x"
                for each in found
            )
        )
        for name in ("map-stage.svg", "end-to-end.svg"):
            ElementTree.parse(figures / name)
        more = remains.objects(proof.cloud) - before
        if left := [key for key in more if not key.startswith(("jobs/", "fleet/leases/last"))]:
            raise StepFailed(f"objects were left: {sorted(left)[:10]}")
        note("two figures drawn; of the runs no object is left but the job's code")
    with log.step("driver bench on more mappers than there are", vital=False) as note:
        note(
            made.driver(*command, "--mappers", str(MORE_MAPPERS), ok=(2,))
            .err.strip()
            .splitlines()[-1]
        )


def _grow(log: Log, proof: Proof) -> None:
    made, output = proof.stack, proof.folder / "grown.json"
    slowly = runs.slowly(proof.folder, proof.inputs, GROWING_S)
    with log.step(
        f"terraform apply -var mapper_count={MORE_MAPPERS} in the middle of a run", vital=False
    ) as note:
        first = {one.name for one in made.boxes("mapper")}
        with runs.counting(made, proof.inputs, output, *slowly, "--chunks", "60") as (
            running,
            answer_of,
        ):
            runs.busy_mapper(made, running)
            note(made.apply("-var", f"mapper_count={MORE_MAPPERS}"))
            answer = answer_of()
        runs.check_counts(answer, proof.inputs)
        new = answer.mappers - first
        if not new:
            raise StepFailed("no new mapper was given a task")
        by_new = sum(row["endpoint"] in new for row in answer.map_rows)
        note(
            f"{len(new)} new mappers did {by_new} of {len(answer.map_rows)} map tasks; "
            "the answer is right"
        )
    with log.step(f"terraform apply: back to {MAPPERS} mappers", vital=False) as note:
        note(made.apply())
        made.wait_for_boxes("mapper", MAPPERS)


def _lose_a_mapper(log: Log, proof: Proof) -> None:
    made, output = proof.stack, proof.folder / "lost.json"
    slowly = runs.slowly(proof.folder, [_book(proof)], LOSING_S)
    with log.step("docker kill of a mapper in the middle of its task", vital=False) as note:
        with runs.counting(made, [_book(proof)], output, *slowly, "--chunks", "12") as (
            running,
            answer_of,
        ):
            victim = runs.busy_mapper(made, running)
            made.engine.docker("kill", victim.id)
            answer = answer_of()
        runs.check_counts(answer, [_book(proof)])
        again = [row for row in answer.map_rows if row["attempts"] > 1]
        if not again:
            raise StepFailed(f"{victim.name} was killed, and no map task was tried again")
        note(f"{victim.name} killed; {_attempts(again)}; the answer is right")
        made.wait_for_boxes("mapper", MAPPERS)
        note("and ECS has started another")


def _attempts(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"map-{row['index']} took {row['attempts']} attempts" for row in rows)


PARTS: dict[str, Callable[[Log, Proof], None]] = {
    "again": versions.prove,
    "look": _look,
    "count": _count,
    "price": _price,
    "measure": _measure,
    "grow": _grow,
    "lose": _lose_a_mapper,
    "standing": _standing,
    "submitted": _submitted,
}
"""The steps between the deployment and the destruction, in order; the last ones change the stack's
settings.
"""
