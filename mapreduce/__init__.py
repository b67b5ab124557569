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
from mapreduce.aggregations.approximate import ApproximateQuantile
from mapreduce.aggregations.correlation import Correlation
from mapreduce.aggregations.ranks import ArgMax, ArgMin, First, Last, Quantile, Quantiles
from mapreduce.aggregations.spread import StandardDeviation, Variance
from mapreduce.batch import Batch
from mapreduce.chain import Chain, Step, StepResult
from mapreduce.encoding import Descending
from mapreduce.input_formats import (
    Avro,
    Csv,
    FixedLength,
    InputFormat,
    JsonLines,
    Parquet,
    Text,
    Warc,
    WarcRecord,
    WholeFile,
)
from mapreduce.job import Job
from mapreduce.reducers import identity
from mapreduce.spool import Spool
from mapreduce.user_code.row_join import RowJoin
from mapreduce.word_counts import WordCounts
from mapreduce.words import words

__all__ = [
    "Aggregation",
    "ApproximateQuantile",
    "ArgMax",
    "ArgMin",
    "Avro",
    "Batch",
    "Chain",
    "CollectList",
    "CollectSet",
    "Correlation",
    "Count",
    "Csv",
    "Descending",
    "First",
    "FixedLength",
    "InputFormat",
    "Job",
    "JsonLines",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Parquet",
    "Quantile",
    "Quantiles",
    "RowJoin",
    "Spool",
    "StandardDeviation",
    "Step",
    "StepResult",
    "Sum",
    "Text",
    "TopK",
    "Variance",
    "Warc",
    "WarcRecord",
    "WholeFile",
    "WordCounts",
    "identity",
    "words",
]
