"""The same run over S3, on an emulator on this machine, and over a local folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.case import Case, Column, Goal, Row, Rows, divided, found
from bench.cases.columns import MAP, REDUCE, WHOLE, figure, times
from bench.contenders import ours
from bench.results import Summary
from bench.scale import Scale
from bench.trial import Place, Trial, as_it_is

BUCKET = "bench"
INPUT = f"s3://{BUCKET}/input/text.txt"
PYTHON_MAP = ("--job", "bench/jobs/findall_sum.py")
EMULATOR = "file:.venv/emulator-env/bin/ministack"


@contextmanager
def emulated_s3(place: Place) -> Iterator[Mapping[str, str]]:
    """Run S3 on loopback, with the corpus in a bucket, until the context ends."""
    import boto3  # the harness itself needs no AWS

    from tests.contract.emulator import running_emulator

    with running_emulator(BUCKET) as emulator:
        client = boto3.client(
            "s3",
            endpoint_url=emulator.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.upload_file(str(place.corpus), BUCKET, INPUT.removeprefix(f"s3://{BUCKET}/"))
        client.close()
        yield emulator.environment


def _s3(scale: Scale) -> list[Trial]:
    text = scale.text(scale.s3_bytes)
    return [
        trial
        for prefix, options, what in (
            ("", (), "built-in word count"),
            ("python-", PYTHON_MAP, "a plain Python map"),
        )
        for trial in (
            ours(
                "s3",
                text,
                *options,
                variant=f"{prefix}folder",
                label=f"**ours**, {what}, a local folder",
                world=as_it_is,
            ),
            ours(
                "s3",
                text,
                *options,
                variant=f"{prefix}s3",
                label=f"**ours**, {what}, S3 (an emulator)",
                input_url=INPUT,
                store_url=f"s3://{BUCKET}/store",
                world=emulated_s3,
                needs=(EMULATOR,),
            ),
        )
    ]


def _of_folder(rows: Rows, prefix: str = "") -> float | None:
    folder, s3 = found(rows, variant=f"{prefix}folder"), found(rows, variant=f"{prefix}s3")
    return divided(s3.figures["map_wall"], folder.figures["map_wall"]) if folder and s3 else None


def _cell(summary: Summary, row: Row, rows: Rows) -> str:
    prefix, is_s3 = (
        row.variant.removesuffix("folder").removesuffix("s3"),
        row.variant.endswith("s3"),
    )
    return times(_of_folder(rows, prefix) if is_s3 else 1)


S3 = Case(
    name="s3",
    title="S3",
    about="Input and store in a local folder, and in a bucket of an S3 emulator on the same cores: "
    "the time includes the emulator's work. The built-in word count reads as fast as the emulator "
    "can send; in a plain "
    "Python map the reading is done while it computes.",
    trials=_s3,
    columns=(
        WHOLE,
        MAP,
        REDUCE,
        Column("map stage, of the folder's", _cell),
        figure("requests", "requests", lambda n: f"{n:.0f}"),
    ),
    goals=(
        Goal(
            "map stage of the word count over S3, in times of that over a folder",
            "at most",
            1.2,
            _of_folder,
        ),
        Goal(
            "map stage of a plain Python map over S3, in times of that over a folder",
            "at most",
            1.2,
            lambda rows: _of_folder(rows, "python-"),
        ),
    ),
)
