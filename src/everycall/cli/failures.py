"""Turns errors into messages and exit codes."""

import errno
import os
import sys
from collections.abc import Callable, Sequence

from everycall import errors
from everycall.cli import INTERRUPTED
from everycall.cli.context import Context
from everycall.cli.display import Display, standard_error
from everycall.cli.exit_codes import EXIT_CODES, FAILED_HERE, NOBODY_READS

STEPS = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Raise the limit (ulimit -f)",
    errno.EACCES: "Change its permissions",
    errno.EMFILE: "Raise the limit (ulimit -n)",
}


def guarded(command: Callable[[Context], int], watch_signals: Callable[[], Sequence[int]]) -> int:
    """Run a command and return its exit code, also if it fails or is interrupted.

    Args:
        command: runs the command.
        watch_signals: installs the signal handlers, and returns a list to which they append each signal. Any error
            after a signal counts as an interruption.
    """
    context = Context(standard_error())
    signals: Sequence[int] = ()
    try:
        signals = watch_signals()
        code = command(context)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(context)
    except Exception as error:
        if signals:
            return _interrupted(context)
        if not isinstance(error, (errors.EverycallError, OSError)) and os.environ.get("EVERYCALL_TRACEBACK"):
            raise
        return report(error, context.display, code=context.code)
    return code


def report(error: Exception, display: Display | None = None, *, code: int = 0) -> int:
    """Show an error and its hint, and return the exit code.

    Nothing is shown if the program that read standard output has ended, as in `| head`.

    Args:
        error: what went wrong.
        display: standard error by default.
        code: the exit code that the command had reached before standard output failed; 0 if none.
    """
    display = display or standard_error()
    if is_closed_pipe(error):
        return code or NOBODY_READS
    if isinstance(error, errors.EverycallError):
        display.failure(str(error), error.hint, error.correlation_id)
        return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED_HERE)
    if isinstance(error, OSError):
        display.failure(*_system_error(error))
        return code or FAILED_HERE
    display.failure(*_unexpected(error))
    return FAILED_HERE


def is_closed_pipe(error: BaseException) -> bool:
    """Whether the program that read standard output has ended."""
    if isinstance(error, errors.OutputFailed):
        return isinstance(error.__cause__, BrokenPipeError)
    return isinstance(error, BrokenPipeError)


def _interrupted(context: Context) -> int:
    context.display.failure("Interrupted.", str(context.kept))
    return INTERRUPTED


def _system_error(error: OSError) -> tuple[str, str]:
    where = error.filename or "Standard output"
    step = STEPS.get(error.errno or 0, "Correct this")
    return f"{where} cannot be used: {error.strerror or error}.", f"{step}, and run the same command again."


def _unexpected(error: Exception) -> tuple[str, str]:
    message = f"Something unexpected happened ({type(error).__name__}: {error}). This is a bug in everycall."
    hint = (
        "Run the same command again: finished windows are kept. If it fails again, please report it, with the output "
        "of EVERYCALL_TRACEBACK=1 in front of the same command."
    )
    return message, hint
