"""Errors as people see them: what went wrong, what to do, and the exit code."""

import errno
import io
import os

import pytest
from rich.console import Console

from everycall import errors
from everycall.cli.display import Display
from everycall.cli.exit_codes import EXIT_CODES
from everycall.cli.failures import guarded, report

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EverycallError) and kind is not errors.EverycallError
]


def reported(error: Exception, code: int = 0) -> tuple[int, str]:
    """The exit code, and what was shown."""
    shown = io.StringIO()
    return report(error, Display(Console(file=shown)), code=code), shown.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_exit_code_and_shows_its_next_step(kind: type[errors.EverycallError]) -> None:
    code, shown = reported(kind("It failed.", hint="Do this.", correlation_id="1-2"))

    assert code in EXIT_CODES.values()
    assert shown == "error: It failed.\n\nhint: Do this.\nFor the vendor's support: ININ-Correlation-Id 1-2\n"


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "Correct"),
    ],
)
def test_an_os_error_is_shown_with_the_file_and_the_next_step(number: int, step: str) -> None:
    code, shown = reported(OSError(number, os.strerror(number), "x.csv"))

    assert code == 1
    assert shown.startswith(f"error: x.csv cannot be used: {os.strerror(number)}.\n\nhint: ")
    assert step in shown


def test_something_unexpected_always_comes_with_what_to_do() -> None:
    code, shown = reported(RuntimeError("a\nb"))

    assert code == 1
    assert shown.startswith("error: Something unexpected happened (RuntimeError: a\\nb). This is a bug in everycall.")
    assert "hint: Run the same command again" in shown
    assert "EVERYCALL_TRACEBACK=1" in shown


@pytest.mark.parametrize(("before", "after"), [(0, 141), (4, 4)])
def test_a_pipe_that_nobody_reads_is_silent_and_keeps_an_earlier_code(before: int, after: int) -> None:
    wrapped = errors.OutputFailed("Nobody reads.")
    wrapped.__cause__ = BrokenPipeError()

    assert reported(BrokenPipeError(), before) == (after, "")
    assert reported(wrapped, before) == (after, "")


def test_an_error_after_ctrl_c_is_shown_as_the_interruption(capfd: pytest.CaptureFixture[str]) -> None:
    """A signal may have torn a thread or a connection, whose error says nothing."""

    def command(_context: object) -> int:
        raise RuntimeError("torn")

    assert guarded(command, lambda: [15]) == 130
    assert capfd.readouterr().err.startswith("error: Interrupted.")


def test_a_bug_shows_its_traceback_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCALL_TRACEBACK", "1")

    def command(_context: object) -> int:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        guarded(command, tuple)
