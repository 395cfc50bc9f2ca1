"""The pytest plug-in: a sandbox for each test that asks for one. It is there as soon as everycall is installed.

    def test_my_connector(genesys_environ, genesys_sandbox):
        genesys_sandbox.faults.on(2, "429", retry_after_s=1)

        rows = my_connector.run()        # it reads GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV

        assert len(rows) == len(genesys_sandbox.store.conversations("2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"))

    @pytest.mark.genesys_sandbox(conversations_per_day=50, rate_limit=10, now="2026-03-31T12:00:00Z")
    def test_with_another_one(genesys_sandbox): ...

Each test gets a sandbox of its own, on a port of its own, with nothing armed, so that tests may run in parallel. The
words of the mark are those of `everycall.sandbox.server`; on a class or a module it holds for all tests in it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from everycall.sandbox import Sandbox

MARK = "genesys_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    about = f"{MARK}(**settings): the settings of the test's sandbox, as everycall.sandbox.server takes them"
    config.addinivalue_line("markers", about)


@pytest.fixture
def genesys_sandbox(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """A sandbox of the Genesys Cloud API that listens while the test runs: url, environ, faults, store, requests."""
    from everycall.sandbox.server import server  # noqa: PLC0415 - only tests that ask for it pay for its import

    mark = request.node.get_closest_marker(MARK)
    if mark is not None and mark.args:
        raise pytest.UsageError(f"@pytest.mark.{MARK} takes names: conversations_per_day=50, not {mark.args[0]!r}")
    with server(**(mark.kwargs if mark is not None else {})) as sandbox:
        yield sandbox


@pytest.fixture
def genesys_environ(genesys_sandbox: "Sandbox", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV of the test's sandbox, set while the test runs."""
    for name, value in genesys_sandbox.environ.items():
        monkeypatch.setenv(name, value)
    return genesys_sandbox.environ
