"""What a run's log says of the tasks that Spark has carried out."""

from __future__ import annotations

from driver.plan.clock import Clock
from driver.plan.events import EngineOnSpark, EventLog
from driver.spark.external_shuffle import Carried
from driver.spark.stage_report import StageReport


def test_the_engine_of_each_machine_is_told() -> None:
    """Tasks on the native extension are counted; a machine without it is named with the cause."""
    log = EventLog()
    times = {"started": 1.0, "ended": 2.0}
    tasks = [
        Carried(index=0, worker="one", **times),
        Carried(index=1, worker="two", not_native="not built", **times),
        Carried(index=2, worker="one", **times),
    ]
    StageReport(log, Clock()).engine(tasks)
    (event,) = log.events
    assert isinstance(event, EngineOnSpark)
    assert (2, {"two": "not built"}) == (event.native, event.missing)
