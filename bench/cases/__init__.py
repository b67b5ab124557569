"""The comparisons, one file for each group of cases."""

from __future__ import annotations

from bench.case import Case
from bench.cases.groups import GROUPS
from bench.cases.growth import GROWTH, MAPPERS
from bench.cases.h2o import H2O
from bench.cases.jobs8 import JOBS, JOIN
from bench.cases.memory import MEMORY, SPILL
from bench.cases.one_core import ONE_CORE
from bench.cases.pairs import SHUFFLE, SKEW
from bench.cases.profiles import PROFILES
from bench.cases.s3 import S3
from bench.cases.s3_requests import REQUESTS, SLOW_S3
from bench.cases.terasort import TERASORT
from bench.cases.whole_runs import INCREMENTAL, SMALL
from bench.cases.words import PYTHON_MAP_SUM, PYTHON_REDUCE, WORD_COUNT

CASES: tuple[Case, ...] = (
    WORD_COUNT,
    ONE_CORE,
    PYTHON_MAP_SUM,
    PYTHON_REDUCE,
    SHUFFLE,
    SKEW,
    H2O,
    TERASORT,
    GROWTH,
    MAPPERS,
    MEMORY,
    SPILL,
    S3,
    REQUESTS,
    SLOW_S3,
    SMALL,
    INCREMENTAL,
    *JOBS,
    JOIN,
    *GROUPS,
    PROFILES,
)
