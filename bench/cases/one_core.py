"""Word count on one core: one mapper against C programs, one of them with SIMD."""

from __future__ import annotations

from functools import partial

from bench.case import Case, Goal
from bench.cases.columns import INPUT, MAP, PROCESSOR, REDUCE, SPLIT, THROUGHPUT, WHOLE
from bench.cases.work import WORK, work_ratio
from bench.contenders import kernel, ours, simd_kernel
from bench.scale import Scale
from bench.trial import Trial

ONE = ("--mappers", "1")


def _trials(scale: Scale) -> list[Trial]:
    case, text = "word-count-one-core", scale.text(scale.text_bytes)
    return [
        ours(case, text, *ONE, label="**ours**, one mapper"),
        ours(
            case,
            text,
            *ONE,
            *("--chunk-size", "256MiB"),
            variant="long",
            label="**ours**, one mapper, splits of 256 MiB",
        ),
        simd_kernel(case, "simd", "C with SIMD", text),
        kernel(case, "c-one-core", "C hash kernel", text, 1),
    ]


ONE_CORE = Case(
    name="word-count-one-core",
    title="Word count on one core",
    about="The built-in job with one mapper, against C programs on one core. The one with SIMD is "
    "the limit: it counts each word exactly, in ASCII, and keeps nothing. The work of ours is that "
    "of its stages, with 0.3 s less for their beginnings; that of a program is all of it.",
    trials=_trials,
    columns=(INPUT, WHOLE, THROUGHPUT, SPLIT, MAP, REDUCE, WORK, PROCESSOR),
    goals=tuple(
        Goal(
            f"{name}: speed of the work, of the C program with SIMD",
            "at least",
            1,
            partial(work_ratio, contender="simd", variant=variant),
        )
        for variant, name in (("", "one mapper"), ("long", "one mapper, splits of 256 MiB"))
    ),
)
