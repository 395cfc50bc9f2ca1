from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

MADE = """
import os
import urllib.request
import urllib.error

import pytest

def answered(url):
    try:
        return urllib.request.urlopen(url + "/api/v2/users").status
    except urllib.error.HTTPError as error:
        return error.code
"""


def run(pytester: pytest.Pytester, text: str) -> pytest.RunResult:
    """The result of a test file in a project that knows nothing of everycall but that it is installed."""
    pytester.makepyfile(MADE + dedent(text))
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider")
    return pytester.runpytest_inprocess("-q", "-p", "no:xdist", "-p", "no:hypothesispytest")


def test_a_sandbox_listens_while_a_test_runs(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(genesys_sandbox):
            assert answered(genesys_sandbox.url) == 401
            assert [served.path for served in genesys_sandbox.requests] == ["/api/v2/users"]
        """,
    )

    result.assert_outcomes(passed=1)


def test_the_environment_names_it_while_a_test_runs(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_with(genesys_environ, genesys_sandbox):
            assert os.environ["GENESYS_ENV"] == genesys_sandbox.url == genesys_environ["GENESYS_ENV"]
            assert os.environ["GENESYS_CLIENT_SECRET"] == genesys_sandbox.client_secret

        def test_without():
            assert "GENESYS_ENV" not in os.environ
        """,
    )

    result.assert_outcomes(passed=2)


def test_each_test_has_one_of_its_own_with_nothing_armed(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(genesys_sandbox, turn):
            assert answered(genesys_sandbox.url) == 401
            assert len(genesys_sandbox.requests) == 1
            genesys_sandbox.faults.on(None, "503")
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_mark_sets_it_up(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        pytestmark = pytest.mark.genesys_sandbox(conversations_per_day=3, flat=True)
        DAY = "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"

        def test_of_the_module(genesys_sandbox):
            assert len(genesys_sandbox.store.conversations(DAY)) == 3

        @pytest.mark.genesys_sandbox(conversations_per_day=5, flat=True)
        def test_of_its_own(genesys_sandbox):
            assert len(genesys_sandbox.store.conversations(DAY)) == 5
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_mark_without_names_is_refused(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @pytest.mark.genesys_sandbox(50)
        def test_it(genesys_sandbox):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes names: conversations_per_day=50, not 50*"])
