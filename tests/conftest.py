"""With MAPREDUCE_REQUIRE_ALL=1, as in CI, a test that is skipped has failed."""

from tests.requirement import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]
