"""Runs a command as a process: standard streams, signals and exit."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from everycall import memory
from everycall.cli import INTERRUPTED
from everycall.cli.commands import run
from everycall.cli.exit_codes import FAILED_HERE, NOBODY_READS

CLEAN_UP_S = 10
"""How long an interrupted command may take to clean up."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a command and exit with its exit code."""
    memory.keep_flat()
    memory.collect_rarely()
    memory.without_pandas()
    open_closed_streams()
    write_any_text()
    leave(run(arguments, handle_signals))


def open_closed_streams() -> None:
    """Reopen closed standard streams, so that no other file gets their descriptors.

    Writing to a standard output that was closed still fails.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # it gets the lowest free descriptor: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def write_any_text() -> None:
    """Write `?` for a character that standard output cannot encode, instead of failing.

    Files and pipes get UTF-8 unless PYTHONIOENCODING names another encoding: on Windows they would get a code page.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        is_data = not sys.stdout.isatty() and "PYTHONIOENCODING" not in os.environ
        sys.stdout.reconfigure(encoding="utf-8" if is_data else None, errors="replace")


def handle_signals() -> Sequence[int]:
    """Make SIGINT, SIGTERM and SIGHUP interrupt the command once, except those that are ignored (nohup).

    Returns:
        A list to which each signal is appended. Only the first one interrupts, so that the command can clean up.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            _limit_clean_up()
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    return received


def _limit_clean_up() -> None:
    """Exit after `CLEAN_UP_S`, if cleaning up waits for a lock that the interruption has left locked.

    Nothing is lost: finished windows are on disk, and the next run removes the rest.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(INTERRUPTED)

    if hasattr(signal, "SIGALRM"):  # Windows has none
        signal.signal(signal.SIGALRM, end)
        signal.alarm(CLEAN_UP_S)


def leave(code: int) -> NoReturn:
    """Exit without error messages about a standard output that is closed or full.

    A code other than 0 is kept: an unproven export stays unproven.
    """
    flush_code = _flush_standard_output()
    code = code or flush_code
    if code == INTERRUPTED:  # without waiting for threads
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _flush_standard_output() -> int:
    """Flush standard output and return an exit code: 0 if that succeeds."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS if isinstance(error, BrokenPipeError) else FAILED_HERE
    return 0
