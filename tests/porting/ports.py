"""The ports: each job with its inputs, its options, and where its answer is from."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.porting import answers
from tests.porting.answers import Pairs
from tests.porting.processes import examples_of_mrjob, run_peer


@dataclass(frozen=True, slots=True)
class Peer:
    """An example of mrjob, with its options, that gives the answer of a port.

    Attributes:
        runner: "local" for an example with a shell command, which "inline" refuses.
        read: makes a pair of a line of its output.
    """

    example: str
    runner: str = "inline"
    options: tuple[str, ...] = ()
    read: Callable[[bytes], tuple[Any, Any]] = lambda line: json_pair(line)

    def answer(self, inputs: tuple[str, ...], folder: Path) -> Pairs:
        """Return the pairs that mrjob yields."""
        out = run_peer(self.example, inputs, folder, *self.options, runner=self.runner)
        return [self.read(line) for line in out.split(b"\n") if line]


@dataclass(frozen=True, slots=True)
class Port:
    """A job of `jobs/` and its answer.

    Attributes:
        ours: makes a comparable pair of one of the job's.
        in_order: whether the order of the pairs counts.
        tolerance: by how much a float may differ from the answer's, relative to it.
        fleet: whether the job runs on services too.
        wheels: whether it requires packages, which are in the environment of mrjob.
    """

    job: str
    inputs: tuple[str, ...]
    answer: Peer | Callable[[Path], Pairs]
    options: tuple[str, ...] = ()
    ours: Callable[[Any, Any], tuple[Any, Any]] = lambda key, value: (key, value)
    in_order: bool = False
    tolerance: float = 0.0
    fleet: bool = False
    wheels: bool = False


def json_pair(line: bytes) -> tuple[Any, Any]:
    """Read a line of mrjob's usual output."""
    key, _, value = line.partition(b"\t")
    return json.loads(key), json.loads(value)


def _base_name(key: str, value: Any) -> tuple[Any, Any]:
    return posixpath.basename(key), value


def _value_alone(_key: Any, value: Any) -> tuple[Any, Any]:
    return None, value


TEXTS = ("texts",)
MATRICES = ("a=a.csv", "b=b.csv")
STOP_WORDS = str(Path(__file__).parent / "jobs" / "few_stop_words.txt")
FEW_WORDS = "the,and,a,of,i,to,in,you,he,she"
DOCUMENTS = str(examples_of_mrjob() / "docs-to-classify")

OF_MRJOB = (
    Port("word_freq.py", TEXTS, Peer("mr_word_freq_count"), fleet=True),
    Port(
        "most_used_word.py:MostUsedWord",
        TEXTS,
        Peer(
            "mr_most_used_word",
            "inline",
            ("--stop-words-file", STOP_WORDS),
            lambda line: (None, json.loads(line)),
        ),
        ("--param", "stop_words=few_stop_words.txt"),
        _value_alone,
        fleet=True,
    ),
    Port("next_word_stats.py", TEXTS, Peer("mr_next_word_stats"), fleet=True),
    Port(
        "count_lines_by_file.py",
        TEXTS,
        Peer("mr_count_lines_by_file", "inline", (), lambda line: _base_name(*json_pair(line))),
        ours=_base_name,
        fleet=True,
    ),
    Port("wc.py", TEXTS, Peer("mr_wc"), fleet=True),
    Port(
        "grep_lines.py",
        TEXTS,
        Peer("mr_grep", "local", ("-e", "Hatter"), lambda line: (None, line.decode())),
        ("--param", "expression=Hatter"),
        _value_alone,
    ),
    Port("phone_to_url_warc.py", ("crawl",), Peer("mr_phone_to_url"), fleet=True),
    Port(
        "text_classifier.py:TextClassifier",
        (DOCUMENTS,),
        Peer("mr_text_classifier", options=("--stop-words", FEW_WORDS)),
        ("--param", f"stop_words={FEW_WORDS}"),
        tolerance=1e-9,
        fleet=True,
    ),
    Port(
        "words_containing_u.py",
        TEXTS,
        Peer("mr_words_containing_u_freq_count", "local"),
        fleet=True,
    ),
)

OF_OTHERS = (
    Port("max_temperature.py", ("weather.txt",), answers.max_temperature, fleet=True),
    Port(
        "tera_sort.py",
        ("records.txt",),
        answers.tera_sort,
        ("--reducers", "3", "--chunk-size", "16KiB"),
        in_order=True,
        fleet=True,
    ),
    Port("shell_words.py", TEXTS, answers.shell_words, fleet=True),
    Port("mit_indexer.py", TEXTS, answers.mit_indexer, fleet=True),
    Port("positions.py", TEXTS, answers.positions, fleet=True),
    Port("tf_idf.py", TEXTS, answers.tf_idf, tolerance=1e-12, fleet=True),
    Port(
        "matrix_one_step.py",
        MATRICES,
        answers.matrix_product,
        ("--param", "height=30", "--param", "width=20"),
    ),
    Port("matrix_two_steps.py", MATRICES, answers.matrix_product, fleet=True),
    Port("sessions.py", ("access.log",), answers.sessions),
    Port("reservoir.py", TEXTS, answers.reservoir),
    Port("distinct_words.py", TEXTS, answers.distinct_words, tolerance=0.03, wheels=True),
    Port(
        "k_means.py:KMeans",
        ("points.csv",),
        answers.k_means,
        ("--param", f"centres={json.dumps(answers.CENTRES)}"),
        tolerance=1e-9,
        fleet=True,
        wheels=True,
    ),
    Port("orders_of_users.py", ("users=users.tsv", "orders=orders.jsonl"), answers.orders_of_users),
    Port("mean_amount.py", ("orders.jsonl",), answers.mean_amount, fleet=True),
    Port("png_sizes.py", ("pictures",), answers.png_sizes, fleet=True),
    Port("slow_calls.py", TEXTS, answers.slow_calls, fleet=True),
    Port("packaged/job.py", TEXTS, answers.packaged, fleet=True),
)
