"""Commands in the process of the tests, as people run them against a sandbox on a real port."""

import sys
from collections.abc import Callable

import pytest

from everycall.cli.commands import run
from everycall.sandbox import Sandbox

Cli = Callable[..., tuple[int, str, str]]
"""Runs a command; its exit code, standard output and standard error."""


def commands(shared: Sandbox, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> Cli:
    """Commands with the credentials of the shared sandbox, or for one command those of another."""
    for name, value in shared.environ.items():
        monkeypatch.setenv(name, value)

    def cli(*arguments: str, sandbox: Sandbox | None = None) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            for name, value in sandbox.environ.items() if sandbox is not None else ():
                patched.setenv(name, value)
            code = run(arguments)
        sys.stdout.flush()
        out, err = capture.readouterr()
        return code, out.decode(), err.decode()

    return cli
