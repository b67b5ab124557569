"""The beginnings of splits, and what the sample's process measures; in this process."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Protocol

import pytest

from driver.forecast.sampling import sample, task
from driver.forecast.sampling.messages import SampleAnswer, SampleRequest, figures_of
from driver.forecast.sampling.sample import (
    SAMPLE_BYTES,
    SAMPLES,
    WHOLE_BYTES,
    SampledJob,
    SampleOutcome,
    chosen,
    first_line_end,
    run_sample,
    whole_lines,
)
from driver.forecast.sampling.task import measured
from mapreduce.code import find_job
from mapreduce.engine.split import plan_splits
from mapreduce.formats.inspection import look_at, marked
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import Csv, Format, Text
from mapreduce.storage import open_storage
from mapreduce.wire.messages import InputObject, JobSpec, Split, SplitRule

JOB = """
from mapreduce import Csv, Job, Sum


class {name}(Job):
    reduce = Sum()

    def map(self, key, record):
        {body}
"""
TEXT = Text()


class Sampled(Protocol):
    """Samples a content with the body of a `map`."""

    def __call__(
        self, content: bytes, body: str, form: Format = TEXT, split_bytes: int = 1 << 30
    ) -> SampleOutcome:
        """Return what the sample finds."""


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sampled:
    """Return a function that samples a content with the body of a `map`."""
    monkeypatch.setattr(sample, "_asked", measured)
    monkeypatch.setattr(sample, "BUDGET_S", 600.0)  # a busy machine cuts no sample
    monkeypatch.setattr(task, "KEYS_S", 600.0)

    def run(
        content: bytes, body: str, form: Format = TEXT, split_bytes: int = 1 << 30
    ) -> SampleOutcome:
        number = len(list(tmp_path.glob("sampled_*.py")))
        path = tmp_path / f"sampled_{number}.py"
        path.write_text(JOB.format(name="Sampled", body=body))
        source, _ = find_job(str(path))
        storage = open_storage()
        info = storage.write(f"file://{tmp_path}/in-{number}", content)
        given = InputObject(url=info.url, size=info.size, etag=info.etag, format=form)
        rule = SplitRule(split_bytes=split_bytes, pack_bytes=1)
        splits = plan_splits([given], rule, [look_at(given, storage)])
        pieces = iter(marked([p for s in splits for p in s.pieces], storage, Limits(1 << 28)))
        splits = tuple(
            Split(index=each.index, pieces=tuple(next(pieces) for _ in each.pieces))
            for each in splits
        )
        spec = JobSpec(code="0" * 64, module=source.module, file=source.file, name=source.name)
        return run_sample(SampledJob(source.root, spec, 3), splits, storage)

    return run


def test_a_sample_gives_the_figures_of_a_job(sampled: Sampled) -> None:
    """100 keys in 3 partitions: two sizes of maps, a reduce of each, shares and heaviest keys."""
    lines = b"".join(b"%d\n" % (number % 100) for number in range(20_000)) + b"7\n" * 5_000
    outcome = sampled(lines, "yield record, 1")
    answer = outcome.answer
    assert "" == answer.error
    assert 2 == len(answer.maps)
    assert answer.maps[0].size_bytes < answer.maps[1].size_bytes == len(lines)
    assert [100, 100] == [each.pairs_out for each in answer.maps]
    assert 2 == len(answer.reduces)
    assert 3 == len(answer.shares)
    assert "'7'" == answer.keys[0].key
    assert pytest.approx(5200 / 25000, rel=0.2) == answer.keys[0].share
    figures = figures_of(answer)
    assert figures is not None
    assert 100 == round(figures.map.pairs_out.at(10**9))
    assert (1, len(lines)) == (outcome.samples, outcome.bytes_read)


def test_no_more_than_a_mebibyte_of_three_splits_is_read(sampled: Sampled) -> None:
    """Of 8 splits of 1.5 MiB three are sampled, and each record is a whole line of its own."""
    line = b"x" * 99 + b"\n"
    content = line * (12 * SAMPLE_BYTES // len(line))
    outcome = sampled(content, "assert len(record) == 99; yield 1, 1", split_bytes=3 << 19)
    assert "" == outcome.answer.error
    assert SAMPLES == outcome.samples
    assert SAMPLES * SAMPLE_BYTES == outcome.bytes_read


def test_a_slow_job_is_sampled_for_a_short_time(
    sampled: Sampled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A millisecond a line, so 20 s for all: a small part is mapped, at the rate of all."""
    monkeypatch.setattr(sample, "BUDGET_S", 1.5)
    monkeypatch.setattr(task, "KEYS_S", 0.25)
    line = b"0123456789abcdef\n"
    outcome = sampled(line * 20_000, "import time; time.sleep(.001); yield 1, 1")
    assert "" == outcome.answer.error
    assert outcome.answer.maps[-1].size_bytes < len(line) * 20_000 / 4
    figures = figures_of(outcome.answer)
    assert figures is not None
    assert figures.map.seconds.at(len(line) * 20_000) > 17


def test_an_error_of_the_job_is_the_answer(sampled: Sampled) -> None:
    """The message, the place in the user's file, and the author's frame."""
    outcome = sampled(b"a\nb\n", "raise ValueError('no sample today')")
    assert "no sample today" in outcome.answer.error
    assert "in-0 at byte 0" in outcome.answer.error
    assert "sampled_0.py" in outcome.answer.error
    assert figures_of(outcome.answer) is None


def test_compressed_input_is_sampled_unpacked(sampled: Sampled) -> None:
    """The ratio of unpacked to packed bytes comes with the figures."""
    content = b"".join(b"%d\n" % (number % 100) for number in range(100_000))
    outcome = sampled(gzip.compress(content), "yield record, 1")
    assert "" == outcome.answer.error
    assert outcome.unpacked > 2
    assert outcome.answer.maps[-1].size_bytes == len(content)


def test_rows_of_the_middle_of_a_table_have_their_columns(sampled: Sampled) -> None:
    """Each split of a CSV file gets the header; quoted line ends are not cut at."""
    rows = b"".join(b'%d,"two\nlines"\n' % number for number in range(5_000))
    body = "assert record['b'] == 'two\\nlines'; yield int(record['a']) % 7, 1"
    outcome = sampled(b"a,b\n" + rows, body, form=Csv(), split_bytes=20_000)
    assert "" == outcome.answer.error
    assert outcome.samples >= 1


def test_lines_are_cut_outside_of_quotes() -> None:
    """The last line end counts, with quotes the last one outside."""
    assert b"a\nb\n" == whole_lines(b"a\nb\nc", quotes=False)
    assert b"a\n" == whole_lines(b'a\n"b\nc', quotes=True)
    assert b"" == whole_lines(b"abc", quotes=False)
    assert [2, 5, 3] == [
        first_line_end(content, quotes=True) for content in (b'a\n"b\n', b'"a\nb"\nc'[:5], b"abc")
    ]


def test_the_same_splits_are_chosen_again(sampled: Sampled) -> None:
    """A plan that is made twice samples the same; fewer splits are all taken."""
    pieces = (InputObject(url="file:///a", size=100, etag="e"),)
    splits = plan_splits(pieces, SplitRule(splits=20))
    assert chosen(splits) == chosen(splits)
    assert SAMPLES == len(chosen(splits))
    assert 2 == len(chosen(splits[:2]))


def test_an_input_that_cannot_be_sampled(sampled: Sampled) -> None:
    """No split, no sample, and no error of the job."""
    outcome = run_sample(
        SampledJob(Path("/"), JobSpec(code="0" * 64, module="m", name="N"), 1), (), open_storage()
    )
    assert "no split of this input can be sampled" == outcome.answer.error
    assert SampleAnswer() == SampleAnswer.model_validate_json("{}")
    assert "budget_s" in SampleRequest.model_fields


@pytest.mark.parametrize("packed", [False, True])
def test_a_format_that_only_a_reader_cuts(sampled: Sampled, packed: bool) -> None:
    """Splits of UTF-16 are sampled in a copy of their whole file, compressed or not."""
    content = "".join(f"{number}\n" for number in range(2_000)).encode("utf-16")
    content = gzip.compress(content) if packed else content
    outcome = sampled(
        content, "yield int(record) % 5, 1", form=Text(encoding="utf-16"), split_bytes=5_000
    )
    assert "" == outcome.answer.error
    assert outcome.samples == (1 if packed else 3)


def test_a_large_file_that_only_a_reader_cuts_is_not_sampled(sampled: Sampled) -> None:
    """Beyond a size, nothing of such a file is copied."""
    content = "x\n".encode("utf-16-le") * (WHOLE_BYTES // 4 + 1)
    form = Text(encoding="utf-16-le")
    assert 0 == sampled(content, "yield record, 1", form=form).samples
