"""The life of the process: its standard streams, its signals, and how it ends."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from everycall.cli import INTERRUPTED, memory
from everycall.cli.commands import run
from everycall.cli.exit_codes import FAILED_HERE, NOBODY_READS

TIDY_UP_S = 10
"""How long an interrupted command may take to end in order."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a command and leave with its exit code."""
    memory.keep_flat()
    open_closed_streams()
    leave(run(arguments, handle_signals))


def open_closed_streams() -> None:
    """Give standard streams that are closed their numbers back, or the next file would be taken for one of them.

    Writing to a standard output that was closed still fails.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # it gets the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def handle_signals() -> Sequence[int]:
    """Let Ctrl-C, a plain kill and a lost terminal interrupt the command once, unless they are ignored (nohup).

    Returns:
        The signals that came: a list that grows. The second and later ones do not disturb the tidying up.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            _limit_tidying_up()
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    return received


def _limit_tidying_up() -> None:
    """End all the same where the tidying up waits for a lock that the interruption has left locked for ever.

    Nothing is lost by it: what was finished is on disk, and the next run tidies up what was not.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(INTERRUPTED)

    if hasattr(signal, "SIGALRM"):  # Windows has none
        signal.signal(signal.SIGALRM, end)
        signal.alarm(TIDY_UP_S)


def leave(code: int) -> NoReturn:
    """Leave without complaints about a standard output that nobody reads any more, or that is full.

    A code that says what went wrong before is kept: an export that is not proven stays so.
    """
    failed = _flush_standard_output()
    code = code or failed
    if code == INTERRUPTED:  # and do not wait for threads that were in the middle of something
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _flush_standard_output() -> int:
    """The exit code that standard output asks for: 0 where everything was written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS if isinstance(error, BrokenPipeError) else FAILED_HERE
    return 0
