"""The command line: arguments -> a query, a client, an output; errors -> messages and exit codes.

Exit codes:

    0    complete and proven
    1    something unexpected
    2    wrong usage, or a query that the API refuses
    3    credentials or permission
    4    finished, but not proven complete; or verified, and does not hold
    5    gave up on the network, the service or an output (the disk is full); the same command continues
    130  interrupted; the same command continues
    141  the program that read standard output ended early

`everycall --version` loads this module only. Help and wrong usage load `commands`, and each command loads what it needs
when it runs.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as in `typing`, which takes as long to import as Python to start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its exit code."""
    _end_at_once_when_interrupted()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"] and _version_is_printed():
        sys.exit(0)
    from everycall.cli import process  # noqa: PLC0415 - slow imports come after the signal handler

    process.main(arguments)


def _end_at_once_when_interrupted() -> None:
    """Make Ctrl-C print one line instead of a traceback while the command is being loaded."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"error: Interrupted.\n")
    os._exit(INTERRUPTED)


def _version_is_printed() -> bool:
    """Print the version. Return False if that fails; `commands.run` then reports the error of standard output."""
    from everycall.version import VERSION  # noqa: PLC0415 - as above

    try:
        os.write(1, f"{VERSION}\n".encode())
    except OSError:
        return False
    return True
