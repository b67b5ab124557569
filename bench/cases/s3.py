"""The same run over S3, on an emulator on this machine, and over a local folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from bench.case import Case, Column, Goal, Row, Rows, divided, found
from bench.cases.columns import MAP, REDUCE, WHOLE, figure, times
from bench.contenders import ours
from bench.results import Summary
from bench.scale import Scale
from bench.trial import CORES, Judged, Place, Trial, as_it_is

BUCKET = "bench"
INPUT = f"s3://{BUCKET}/input/text.txt"
PYTHON_MAP = ("--job", "bench/jobs/findall_sum.py")
EMULATOR = "file:.venv/emulator-env/bin/ministack"
PLAIN = "plain-gets"


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
    ] + [_plain_gets(scale)]


def _plain_gets(scale: Scale) -> Trial:
    """Return a trial that only reads the input: what the emulator takes at least."""
    text = scale.text(scale.s3_bytes)

    def command(place: Place) -> list[str]:
        program = [sys.executable, "-m", "bench.plain_gets", INPUT]
        return [*program, "--processes", str(CORES)]

    def judge(place: Place, stdout: str) -> Judged:
        figures = json.loads(stdout)
        wrong = "" if figures["bytes"] == place.corpus.stat().st_size else "bytes are missing"
        return Judged({"map_wall": figures["map_wall"]}, wrong)

    label = "plain GETs of the input by as many processes, and nothing else"
    return Trial(
        "s3", PLAIN, label, text, command, judge, variant="s3", needs=(EMULATOR,), world=emulated_s3
    )


def _of_folder(rows: Rows, prefix: str = "", *, with_gets: bool = False) -> float | None:
    """Return the map stage over S3, of that over a folder, to which the plain GETs may be added:
    the emulator's work and ours share the cores.
    """
    folder, s3 = found(rows, variant=f"{prefix}folder"), found(rows, variant=f"{prefix}s3")
    gets = found(rows, PLAIN, "s3")
    if not folder or not s3 or (with_gets and not gets):
        return None
    least = folder.figures["map_wall"]
    if with_gets and gets:
        least += gets.figures["map_wall"]
    return divided(s3.figures["map_wall"], least)


def _cell(summary: Summary, row: Row, rows: Rows, *, with_gets: bool = False) -> str:
    if "requests" not in summary.figures:  # the plain GETs
        return "-"
    prefix, is_s3 = (
        row.variant.removesuffix("folder").removesuffix("s3"),
        row.variant.endswith("s3"),
    )
    if not is_s3:
        return "-" if with_gets else times(1)
    return times(_of_folder(rows, prefix, with_gets=with_gets))


S3 = Case(
    name="s3",
    title="S3",
    about="Input and store in a local folder, and in a bucket of an S3 emulator on the same cores: "
    "the time includes the emulator's work. The built-in word count reads as fast as the emulator "
    "can send; in a plain "
    "Python map the reading is done while it computes. Plain GETs of the same blocks by as many "
    "processes are the emulator's own limit, and take the place of a map stage in the table.",
    trials=_s3,
    columns=(
        WHOLE,
        MAP,
        REDUCE,
        Column("map stage, of the folder's", _cell),
        Column("of the folder's and the plain GETs'", partial(_cell, with_gets=True)),
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
            "map stage of the word count over S3, in times of that over a folder and the "
            "emulator's own limit together",
            "at most",
            1.2,
            partial(_of_folder, with_gets=True),
        ),
        Goal(
            "map stage of a plain Python map over S3, in times of that over a folder",
            "at most",
            1.2,
            lambda rows: _of_folder(rows, "python-"),
        ),
    ),
)
