"""The pytest plug-in: a sandbox for each test that asks for one. It is there as soon as everycall is installed.

    def test_my_connector(genesys_environ, genesys_sandbox):
        genesys_sandbox.faults.on(2, "429", retry_after_s=1)

        rows = my_connector.run()        # it reads GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV

        assert len(rows) == len(genesys_sandbox.store.conversations("2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"))

    @pytest.mark.genesys_sandbox(conversations_per_day=50, rate_limit=10, now="2026-03-31T12:00:00Z")
    def test_with_another_one(genesys_sandbox): ...

Each test gets a sandbox of its own, on a port of its own, with nothing armed, so that tests may run in parallel. The
settings of the mark are those of `everycall.sandbox.server`; on a class or a module it holds for all tests in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from difflib import get_close_matches
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from everycall.sandbox import Sandbox

MARK = "genesys_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark."""
    about = f"{MARK}(**settings): the settings of the test's sandbox, as everycall.sandbox.server takes them"
    config.addinivalue_line("markers", about)


@pytest.fixture
def genesys_sandbox(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """A sandbox of the Genesys Cloud API that listens while the test runs: url, environ, faults, store, requests."""
    from everycall.sandbox.server import SETTINGS, server  # noqa: PLC0415 - only tests that ask for it pay for its import

    mark = request.node.get_closest_marker(MARK)
    settings = mark.kwargs if mark is not None else {}
    wrong = wrong_settings(mark, SETTINGS) if mark is not None else ""
    with ExitStack() as running:
        if not wrong:
            try:
                sandbox = running.enter_context(server(**settings))
            except (ValueError, TypeError, ImportError, OSError) as error:
                wrong = f"@pytest.mark.{MARK}: {error}"
        if wrong:
            pytest.fail(wrong, pytrace=False)
        yield sandbox


def wrong_settings(mark: pytest.Mark, settings: Iterable[str]) -> str:
    """What is wrong with the names in a mark, in one line; empty where nothing is."""
    if mark.args:
        return f"@pytest.mark.{MARK} takes names: conversations_per_day=50, not {mark.args[0]!r}"
    known = sorted(settings)
    for name in mark.kwargs:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"near: {', '.join(near)}" if near else f"there are: {', '.join(known)}"
            return f"@pytest.mark.{MARK} knows no setting {name!r}; {hint}"
    return ""


@pytest.fixture
def genesys_environ(genesys_sandbox: "Sandbox", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV of the test's sandbox, set while the test runs."""
    for name, value in genesys_sandbox.environ.items():
        monkeypatch.setenv(name, value)
    return genesys_sandbox.environ
