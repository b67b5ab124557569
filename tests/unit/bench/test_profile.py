"""Shares of a profile: each sample counts once, for the kind of its shared object."""

from __future__ import annotations

import pytest

from bench.profile import shares

REPORT = """# Samples: 100  of event 'cpu-clock'
#
# Overhead|     Samples|Shared Object
 40.00% | 40        |libpython3.11.so.1.0
 20.00% | 20        |extension.cpython-311-x86_64-linux-gnu.so
 10.00% | 10        |_duckdb.cpython-311-x86_64-linux-gnu.so
 5.00%  | 5         |libarrow.so.2200
 5.00%  | 5         |_zstd.cpython-311-x86_64-linux-gnu.so
 10.00% | 10        |[kernel.kallsyms]
 7.00%  | 7         |_pydantic_core.cpython-311-x86_64-linux-gnu.so
 3.00%  | 3         |libc.so.6


#
# (Tip: a line of advice)
"""


def test_the_share_of_each_kind() -> None:
    """A Python library in C counts as Python; its own extension, DuckDB and Arrow do not."""
    assert shares(REPORT) == pytest.approx(
        {
            "python": 0.47,
            "native": 0.20,
            "duckdb": 0.10,
            "arrow": 0.05,
            "compression": 0.05,
            "kernel": 0.10,
            "other": 0.03,
        }
    )


def test_no_sample_is_an_error() -> None:
    """A profile without samples is no profile of zeros."""
    with pytest.raises(ValueError, match="no sample"):
        shares("# Samples: 0\n")
