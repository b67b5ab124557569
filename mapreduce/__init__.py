"""What a job means and what one task does: no HTTP, no fleet, no Terraform. Importable alone, and light.

A job's author needs only the names below.
"""

from mapreduce.aggregate import Aggregation, CollectList, CollectSet, Count, Max, Mean, Min, Sum, TopK
from mapreduce.job import Job
from mapreduce.words import words

__all__ = [
    "Aggregation",
    "CollectList",
    "CollectSet",
    "Count",
    "Job",
    "Max",
    "Mean",
    "Min",
    "Sum",
    "TopK",
    "words",
]
