"""A plan and a receipt as text."""

from __future__ import annotations

import pytest

from driver.forecast.document import (
    Difference,
    Forecast,
    HeavyKey,
    Money,
    Reuse,
    Sampled,
    Skew,
    StageForecast,
)
from driver.forecast.receipt import ForecastLine, Range, Receipt, ReceiptLine
from driver.report.plan_text import (
    amount,
    bytes_range,
    duration,
    plan_lines,
    receipt_line,
    receipt_table,
    seconds_range,
    table_lines,
    usd_range,
)

MIB = 1 << 20
FORECAST = Forecast(
    run="run-1",
    job="Errors",
    target="aws",
    place='stack "books", 10 mappers, Spot 60 %',
    inputs=412,
    size_bytes=38 << 30,
    cut="cut so",
    partitions=4,
    basis="sample",
    stages=(
        StageForecast(
            stage="map",
            tasks=216,
            reused=402,
            slots=10,
            waves=22,
            task_s=Range(low=7.8, high=12.0),
            wall_s=Range(low=170.0, high=260.0),
            memory_bytes=Range(low=900 * MIB, high=5000 * MIB),
            memory_limit_bytes=4096 * MIB,
            fits_bytes=16 * MIB,
        ),
    ),
    lines=(ForecastLine(name="end_to_end", unit="s", expected=Range(low=190, high=300)),),
    sampled=Sampled(samples=3, bytes_read=3 * MIB, seconds=1.9),
    earlier_runs=7,
    held_before=6,
    forecasts_before=7,
    reuse=Reuse(
        maps=618,
        maps_reused=402,
        nearest="run-0",
        new=(
            Difference(part="input", tasks=180, detail="14 files changed: a"),
            Difference(part="cut", tasks=36, detail="--chunk-size"),
        ),
    ),
    skew=Skew(
        shares=(0.1, 0.1, 0.1, 0.7),
        score=7.0,
        keys=(HeavyKey(key="'\x1b[31m'", share=0.5),),
        advice="do so",
    ),
    money=Money(
        tasks=Range(low=0.021, high=0.034),
        requests=Range(low=0.006, high=0.006),
        together=Range(low=0.027, high=0.040),
        standing_usd_hour=0.31,
        not_priced=("logs",),
    ),
    go="python -m driver run --plan run-1 --max-usd 0.05",
)


def test_the_form_of_a_plan() -> None:
    """What is reused, the table, money, skew, what it goes by, and the command that goes on."""
    text = "\n".join(plan_lines(FORECAST))
    for words in (
        'run-1  Errors over 412 files, 38.0 GiB; stack "books", 10 mappers, Spot 60 %',
        "402 of 618 maps; new: 180 (input: 14 files changed: a), 36 (cut: --chunk-size)",
        "memory (of 4.0 GiB)",
        "7.8-12.0 s",
        "2:50-4:20",
        "3:10-5:00 from the command to the result",
        "tasks $0.021-0.034, requests $0.0060: $0.027-0.040",
        "the stack costs $0.31 an hour",
        "the largest of 4 partitions (number 3) has 7.0 times the median",
        "do so",
        "3 samples of this input, 3.0 MiB, in 1.9 s here, and 7 earlier runs",
        "6 of the last 7 forecasts held",
        "a map task may need 4.9 GiB and has 4.0 GiB; --chunk-size 16384KiB fits",
        "python -m driver run --plan run-1 --max-usd 0.05",
    ):
        assert words in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"basis": "nothing", "lines": ()}, "no sample and no earlier run"),
        ({"basis": "earlier runs"}, "what the tasks of the last run took"),
        ({"earlier_runs": 0, "forecasts_before": 0}, "ranges are wide: 0.5 to 3 times"),
        ({"money": None, "target": "local"}, "this target is not priced"),
        ({"sampled": Sampled(error="boom\n  in map")}, "boom"),
        ({"reuse": Reuse(maps=3)}, "0 of 3 maps; 3 new, no earlier run"),
        ({"notes": ("a note",)}, "note      a note"),
        ({"skew": Skew(shares=(1.0,), keys=FORECAST.skew.keys)}, "1 partition; heaviest"),  # type: ignore[union-attr]
    ],
)
def test_what_a_plan_says_otherwise(changes: dict[str, object], words: str) -> None:
    """Each thing that may be unknown has its words."""
    assert words in "\n".join(plan_lines(FORECAST.model_copy(update=changes)))


RECEIPT = Receipt(
    run="run-1",
    usd=0.0312,
    standing_usd_hour=0.3,
    not_priced=("logs",),
    lines=(
        ReceiptLine(name="end_to_end", unit="s", expected=Range(low=1, high=2), actual=3.0),
        ReceiptLine(name="reduce", unit="s", expected=Range(low=1, high=2)),
        ReceiptLine(name="map_tasks", unit="tasks", expected=Range(low=9, high=9), actual=9),
        ReceiptLine(name="usd", unit="usd", expected=Range(low=0.02, high=0.04), actual=0.0312),
        ReceiptLine(name="map_memory", unit="bytes", expected=Range(low=MIB, high=MIB), actual=MIB),
        ReceiptLine(name="requests", unit="requests", expected=Range(low=1, high=2000)),
    ),
)


def test_a_receipt_has_each_line_beside_its_forecast() -> None:
    """In or out of its range, or unknown."""
    lines = receipt_table(RECEIPT)
    assert ["end", "to", "end", "3.0", "s", "1.0-2.0", "s", "out", "of", "range"] == lines[
        1
    ].split()
    assert ["reduce", "-", "1.0-2.0", "s"] == lines[2].split()
    assert "in range" in lines[3]
    assert "1-2,000" in lines[6]
    assert ["while its tasks run the stack costs $0.30 an hour", "not priced: logs"] == lines[-2:]


def test_a_receipt_in_one_line() -> None:
    """Price and time with their forecasts; "" without any."""
    assert (
        "$0.0312 (forecast $0.020-0.040); 3.0 s (forecast 1.0-2.0 s, out of range); "
        "3 of 4 lines of the forecast held"
    ) == receipt_line(RECEIPT)
    assert "" == receipt_line(Receipt(run="run-1"))
    assert "$0.0312" == receipt_line(Receipt(run="run-1", usd=0.0312))
    before = (ReceiptLine(name="usd_before", unit="usd", actual=0.01),)
    assert "$0.0312, of which $0.0100 by drivers that were lost" == receipt_line(
        Receipt(run="run-1", usd=0.0312, lines=before)
    )


def test_quantities() -> None:
    """Each with its unit, and no more digits than it is worth."""
    assert ["0.34 s", "9.1 s", "3:20", "1:02:03"] == list(map(duration, (0.34, 9.1, 200, 3723)))
    assert "59.0 s-1:01" == seconds_range(Range(low=59, high=61))
    assert "1.0 MiB" == bytes_range(Range(low=MIB, high=MIB))
    assert "$0.000012" == usd_range(Range(low=0.000012, high=0.000012))
    assert ["2.0 s", "1.0 MiB", "$0.5000", "1,234"] == [
        amount(unit, value) for unit, value in (("s", 2), ("bytes", MIB), ("usd", 0.5), ("", 1234))
    ]
    assert ["a    1", "bb  22"] == table_lines([("a", "1"), ("bb", "22")], right=(1,))
