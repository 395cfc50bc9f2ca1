import inspect
from textwrap import dedent

import pytest

from everycall.sandbox import server
from everycall.sandbox.app import Settings
from everycall.sandbox.server import SETTINGS

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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("50", "@pytest.mark.genesys_sandbox takes names: conversations_per_day=50, not 50"),
        ("rate_limits=10", "@pytest.mark.genesys_sandbox knows no setting 'rate_limits'; near: rate_limit*"),
        ("zzz=1", "@pytest.mark.genesys_sandbox knows no setting 'zzz'; there are: admin_token, clients, *"),
        ("port=99999", "@pytest.mark.genesys_sandbox: port 99999 does not exist: *"),
        ("now='tomorrow'", "@pytest.mark.genesys_sandbox: 'tomorrow' is not an ISO 8601 instant*"),
    ],
)
def test_a_wrong_setting_is_one_line(pytester: pytest.Pytester, settings: str, message: str) -> None:
    result = run(
        pytester,
        f"""
        @pytest.mark.genesys_sandbox({settings})
        def test_it(genesys_sandbox):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*", message, "*short test summary*"], consecutive=True)


def test_every_setting_of_a_server_can_stand_in_a_mark() -> None:
    named = {*inspect.signature(server).parameters} - {"settings"}

    assert named | {*Settings.__annotations__} == SETTINGS
