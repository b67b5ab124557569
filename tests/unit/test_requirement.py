"""With MAPREDUCE_REQUIRE_ALL=1 a skipped check is a failure."""

from __future__ import annotations

import pytest

from tests.requirement import CANNOT, VARIABLE, everything_is_required, fault_of_a_skip

pytest_plugins = ["pytester"]

HOOKS = "from tests.conftest import *"
SKIPS = f'''
import pytest

@pytest.fixture
def emulator():
    pytest.skip("no emulator")

def test_in_its_body():
    pytest.skip("no extension")

def test_by_its_fixture(emulator):
    pass

@pytest.mark.skipif(True, reason="no disk")
def test_by_its_mark():
    pass

@pytest.mark.skipif(True, reason="{CANNOT}no internet")
def test_that_cannot_run():
    pass

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False

def test_that_runs():
    pass
'''


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("yes", True), ("0", False), ("", False), (None, False)]
)
def test_the_variable(value: str | None, expected: bool) -> None:
    """The variable requires everything if it is set and not 0."""
    assert expected == everything_is_required({} if value is None else {VARIABLE: value})


def test_a_skip_is_a_failure_where_everything_is_required() -> None:
    """A skip is a failure with its reason, unless the reason begins with `CANNOT`."""
    assert "" == fault_of_a_skip("no java", required=False)
    assert "no java" in fault_of_a_skip("no java", required=True)
    assert VARIABLE in fault_of_a_skip("no java", required=True)
    assert "" == fault_of_a_skip(f"{CANNOT}no internet", required=True)


def test_skipped_tests_fail_a_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skip in a body, a fixture or a mark fails the run; an expected failure, or `CANNOT`, does
    not.
    """
    monkeypatch.setenv(VARIABLE, "1")
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(SKIPS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    # a fixture fails as an error of the test's setup, and so does a mark
    result.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines([f"*{VARIABLE}=1*no extension*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_skipped_tests_pass_a_developers_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable a skip passes."""
    monkeypatch.delenv(VARIABLE, raising=False)
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(SKIPS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_skipped_file_fails_a_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing import, which skips a whole file, fails the run."""
    monkeypatch.setenv(VARIABLE, "1")
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(
        "import pytest\npytest.importorskip('no_such_package')\ndef test_a(): pass\n"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no_such_package*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
