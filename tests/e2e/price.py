"""The steps that show the price: a plan beside its receipt, and a limit that pauses a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e import runs
from tests.e2e.log import Log, StepFailed
from tests.e2e.stack import DeployedStack

WAITING_S = 24.0
"""Seconds of waiting of all map tasks together: what the mappers share, also on two processors."""
CHUNKS = ("--chunks", "12")
LEARNED = 3
"""Runs to learn from, after which a range is narrow."""
MOST_OFF = 0.25
"""How far the price may be off: the machine of the emulator is as noisy as those around it."""
REFUSED, PAUSED = 4, 5
# list prices of us-east-1, dollars an hour: a vCPU, a GiB, an address; Spot costs 30 %
VCPU, GIB, ADDRESS, SPOT = 0.04048, 0.004445, 0.005, 0.3


def prove(log: Log, made: DeployedStack, book: Path, folder: Path) -> None:
    """Run all steps in order."""
    slowly = [*runs.slowly(folder, [book], WAITING_S), *CHUNKS]
    job = ["plan", book, "--target", "aws", "--json", *slowly]
    with log.step("the price of a run is in the range of its plan", vital=False) as note:
        for _ in range(LEARNED):  # this stack is no Fargate
            _planned(made, job)
        expected, receipt = _planned(made, job)
        low, high = expected["low"], expected["high"]
        # the range is as wide either way: its middle is the forecast without its margin
        price, actual = math.sqrt(low * high), receipt["usd"]
        off = f"{abs(price - actual) / actual:.0%} off"
        note(f"${price:.6f} (${low:.6f} to ${high:.6f}) forecast, ${actual:.6f} came: {off}")
        if not low <= actual <= high:
            raise StepFailed("the price is not in its range")
        if abs(price - actual) > MOST_OFF * actual:
            raise StepFailed(f"the price is more than {MOST_OFF:.0%} off its receipt")
        _check_by_hand(receipt)
        note("vCPU- and GiB-seconds times list prices give the receipt's sum")
    with log.step("--max-usd: refused, paused, continued", vital=False) as note:
        once = [option for option in slowly if option != "--fresh"]
        once[-1] = "14"  # other splits, of which nothing is done yet
        small = ("run", book, "--target", "aws", *once)
        said = made.driver(*small, "--max-usd", "0.0000001", ok=(REFUSED,)).err
        note(said.strip().splitlines()[-1])
        plan = json.loads(made.driver("plan", *small[1:], "--json").out)
        limit = f"{plan['money']['together']['low'] * 1.1:.8f}"
        said = made.driver(*small, "--max-usd", limit, ok=(PAUSED,)).err
        note(said.strip().splitlines()[-1])
        answer = runs.count(made, [book], folder / "more.json", *once, "--max-usd", "5")
        runs.check_counts(answer, [book])
        if not answer.report["reused_tasks"]:
            raise StepFailed("the run that went on reused no task of the paused one")
        note(f"{answer.report['reused_tasks']} tasks reused; the answer is right")


def _planned(
    made: DeployedStack, job: Sequence[str | Path]
) -> tuple[Mapping[str, float], dict[str, Any]]:
    """Plan a run and carry the plan out; return the range of its price, and its receipt."""
    plan = json.loads(made.driver(*job).out)
    report = json.loads(made.driver("run", "--plan", plan["run"], "--json").out)
    if plan["run"] != report["run_id"]:
        raise StepFailed(f"the plan {plan['run']} was carried out as {report['run_id']}")
    return plan["money"]["together"], report["receipt"]


def _check_by_hand(receipt: Mapping[str, Any]) -> None:
    """Check a receipt's sum against the published formula, with prices of this file."""
    lines = {line["name"]: line["actual"] for line in receipt["lines"]}
    full = (lines["vcpu_s"] * VCPU + lines["gib_s"] * GIB) / 3600
    parts = lines["usd_tasks"] + lines["usd_requests"]
    if abs(parts - receipt["usd"]) > 1e-9 or lines["usd_tasks"] < full * SPOT:
        raise StepFailed(f"the receipt does not add up: {lines}")
    addresses = lines["usd_tasks"] - (full - lines["spot_saved"])
    if not 0 <= addresses <= full * ADDRESS / GIB:
        raise StepFailed(f"${addresses:.8f} of addresses, of ${full:.8f} for all tasks")
