"""The same run over S3, on an emulator of it on this machine, and over a local folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.case import Case, Column, Goal, Rows, divided, found
from bench.cases.columns import MAP, REDUCE, WHOLE, figure, times
from bench.contenders import ours
from bench.scale import Scale
from bench.trial import Place, Trial, as_it_is

BUCKET = "bench"
INPUT = f"s3://{BUCKET}/input/text.txt"
EMULATOR = "file:.venv/emulator-env/bin/ministack"


@contextmanager
def emulated_s3(place: Place) -> Iterator[Mapping[str, str]]:
    """S3 on loopback, with the corpus in a bucket; gone afterwards."""
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
        ours("s3", text, variant="folder", label="**ours**, a local folder", world=as_it_is),
        ours(
            "s3",
            text,
            variant="s3",
            label="**ours**, S3 (an emulator)",
            input_url=INPUT,
            store_url=f"s3://{BUCKET}/store",
            world=emulated_s3,
            needs=(EMULATOR,),
        ),
    ]


def _of_folder(rows: Rows) -> float | None:
    folder, s3 = found(rows, variant="folder"), found(rows, variant="s3")
    return divided(s3.figures["map_wall"], folder.figures["map_wall"]) if folder and s3 else None


S3 = Case(
    name="s3",
    title="S3",
    about="The built-in word count, with input and store in a local folder, and in a bucket of an S3 emulator that "
    "runs on the same cores: what it takes of them is part of the time.",
    trials=_s3,
    columns=(
        WHOLE,
        MAP,
        REDUCE,
        Column(
            "map stage, of the folder's", lambda each, row, rows: times(_of_folder(rows) if row.variant == "s3" else 1)
        ),
        figure("requests", "requests", lambda n: f"{n:.0f}"),
    ),
    goals=(Goal("map stage over S3, in times of that over a local folder", "at most", 1.2, _of_folder),),
)
