"""The job API: what a job means, and what one task does.

No HTTP, no fleet, no Terraform. Importable alone, and light. A job's author needs only the names
below.
"""

import mapreduce.system.supported  # noqa: F401 - first: it refuses a system that the others fail on
from mapreduce.aggregate import (
    Aggregation,
    CollectList,
    CollectSet,
    Count,
    Max,
    Mean,
    Min,
    Sum,
    TopK,
)
from mapreduce.batch import Batch
from mapreduce.chain import Chain, Step, StepResult
from mapreduce.input_formats import Csv, JsonLines, Parquet, Text, WholeFile
from mapreduce.job import Job
from mapreduce.word_counts import WordCounts
from mapreduce.words import words

__all__ = [
    "Aggregation",
    "Batch",
    "Chain",
    "CollectList",
    "CollectSet",
    "Count",
    "Csv",
    "Job",
    "JsonLines",
    "Max",
    "Mean",
    "Min",
    "Parquet",
    "Step",
    "StepResult",
    "Sum",
    "Text",
    "TopK",
    "WholeFile",
    "WordCounts",
    "words",
]
