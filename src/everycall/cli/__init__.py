"""The command line: words -> a query, a client, an output; errors -> messages, exit codes. No decision about data.

Exit codes:

    0    complete and proven
    1    something failed on this machine (the disk is full), or something unexpected
    2    wrong usage, or a query that the API refuses
    3    credentials or permission
    4    finished, but not proven complete; or verified, and it does not hold
    5    gave up on the network or the service; the same command goes on
    130  interrupted; the same command goes on
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, BinaryIO, Literal, NoReturn

import cyclopts.exceptions
from cyclopts import App, CycloptsError, Group, Parameter
from dotenv import dotenv_values
from rich.console import Console

from everycall import errors, verification
from everycall.api.auth import VARIABLES, Credentials, hosts
from everycall.api.limits import PAGE_SIZE_MAX, RETENTION
from everycall.api.query import Query
from everycall.cli import face, memory, options, planning, verifying
from everycall.cli.options import Count, When, Where, Which
from everycall.cli.serving import Serving, serve
from everycall.client import Client
from everycall.connection import Timeouts
from everycall.exporting import Options, Summary, export
from everycall.ledger import FOLDER_SUFFIX, MANIFEST_SUFFIX
from everycall.manifest import pretty
from everycall.starting import INTERRUPTED
from everycall.tables import flat as tables
from everycall.version import VERSION

EXIT_CODES: Mapping[type[BaseException], int] = {
    errors.QueryError: 2,
    errors.SettingsError: 2,
    errors.AccessError: 3,
    errors.ServiceError: 5,
    errors.OutputRefused: 2,
    errors.OutputFailed: 1,
}
NOT_PROVEN = 4

TIDY_UP_S = 10
"""How long an interrupted command may take to end in order."""

TIMEOUT_MAX_S = 3600
"""An hour for one answer; what takes longer does not come."""

OUTPUT = Group("What comes out", sort_key=3)
TALK = Group("What is said", sort_key=5)

app = App(
    name="everycall",
    help="Every Genesys Cloud conversation, once, and the proof of it.",
    version=VERSION,
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # `run` says what an interruption means
    default_parameter=Parameter(negative=(), show_default=False),
)

Quiet = Annotated[bool, Parameter(group=TALK, help="Say nothing but notes and errors.")]
Json = Annotated[
    bool, Parameter(group=TALK, help="The summary as JSON, on standard output (with -o -, on standard error).")
]


@app.command(name="export")
def export_(
    *,
    when: When = When(),  # noqa: B008 - frozen
    which: Which = Which(),  # noqa: B008 - frozen
    output: Annotated[
        str,
        Parameter(
            name=("--output", "-o"),
            group=OUTPUT,
            help="The file; - is standard output. [default: conversations.csv]",
            allow_leading_hyphen=True,  # or "-" would be taken for an option
        ),
    ] = "conversations.csv",
    format: Annotated[  # noqa: A002 - the option's name
        Literal["csv"] | None,
        Parameter(group=OUTPUT, help="csv, which is the only one so far. [default: from the file's name]"),
    ] = None,
    view: Annotated[
        Literal["default", "extended"],
        Parameter(group=OUTPUT, help="default: eight columns; extended: all. [default: default]"),
    ] = "default",
    columns: Annotated[
        str | None, Parameter(group=OUTPUT, help="Only these columns, in this order, separated by commas.")
    ] = None,
    fresh: Annotated[
        bool, Parameter(group=OUTPUT, help="Start over, whatever the output or an unfinished run of it holds.")
    ] = False,
    page_size: Annotated[
        Count, Parameter(group=OUTPUT, help="Conversations on a page, at most 100. [default: 100]")
    ] = PAGE_SIZE_MAX,
    max_pages: Annotated[
        Count | None, Parameter(group=OUTPUT, help="A safety stop. What is left unread is reported, with exit code 4.")
    ] = None,
    where: Where = Where(),  # noqa: B008 - frozen
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Export conversations into a file, one row each, and prove that none is missing.

    Without GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV in the environment or in .env, the rows come out
    of the built-in sandbox. An interrupted export goes on where it was when the same command is given again.
    """
    _check_numbers(where, page_size, max_pages)
    _check_output(output, format)
    chosen = options.listed("columns", columns)
    tables.columns(view, chosen)
    # On standard error there is room for progress or for the summary as JSON, not for both.
    talk = face.silence() if json and output == "-" else face.console()
    with _org(where, talk) as (client, source):
        query, asked = _asked(when, which, client, talk)
        listener = face.face(talk, client.counts, quiet=quiet or (output == "-" and sys.stdout.isatty()))
        try:
            done = export(
                client,
                query,
                _target(output),
                view=view,
                columns=chosen,
                options=Options(asked=asked, source=source, fresh=fresh, page_size=page_size, max_pages=max_pages),
                progress=listener,
            )
        finally:
            listener.close()
        _report(talk, done, source, quiet=quiet, json=json)
        return 0 if done.verdict == "proven" else NOT_PROVEN


@app.command
def plan(
    *,
    when: When = When(),  # noqa: B008 - frozen
    which: Which = Which(),  # noqa: B008 - frozen
    where: Where = Where(),  # noqa: B008 - frozen
    page_size: Annotated[
        Count, Parameter(group=OUTPUT, help="Conversations on a page, at most 100. [default: 100]")
    ] = PAGE_SIZE_MAX,
    json: Annotated[bool, Parameter(group=TALK, help="The plan as JSON.")] = False,
) -> int:
    """Say what an export would take, and export nothing: hits, windows, requests, minutes at the rate limit.

    Takes the same words as export. It costs one request per window.
    """
    _check_numbers(where, page_size, None)
    talk = face.console()
    with _org(where, talk) as (client, source):
        query, _ = _asked(when, which, client, talk)
        found = planning.plan(client, query, page_size=page_size)
        if json:
            sys.stdout.buffer.write(pretty(found.as_json()))
        else:
            planning.show(Console(highlight=False, soft_wrap=True), found, source)
        return 0


@app.command
def verify(
    output: Annotated[Path, Parameter(help="A finished export; its manifest has to stand beside it.")],
    *,
    repair: Annotated[
        bool, Parameter(group=OUTPUT, help="Export the windows that do not hold again, and only those.")
    ] = False,
    where: Where = Where(),  # noqa: B008 - frozen
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Ask the API again for every window of a finished export, and say whether it still holds.

    One request a window, and the checksum of its rows. Exit code 0 if all hold, 4 if not. What leaves the count as it
    was, such as a wrap-up code that came late, is not seen: to have that too, export again.
    """
    _check_numbers(where, PAGE_SIZE_MAX, None)
    talk = face.console()
    output = _followed(output)
    made_from = verification.source_of(output)
    with _org(where, talk) as (client, source):
        if source != made_from:
            raise errors.OutputRefused(
                f"{output} came from {made_from}, and this is {source}.",
                hint="Set the environment to the org that it came from, or say --sandbox if it came from the sandbox.",
            )
        found = verification.verify(client, output)
        if json and not repair:
            sys.stdout.buffer.write(pretty(found.as_json()))
        elif not quiet:
            verifying.show(talk, found, is_repaired=repair)
        if found.holds or not repair:
            return 0 if found.holds else NOT_PROVEN
        listener = face.face(talk, client.counts, quiet=quiet)
        try:
            done = verification.repair(client, found, progress=listener)
        finally:
            listener.close()
        _report(talk, done, source, quiet=quiet, json=json)
        return 0 if done.verdict == "proven" else NOT_PROVEN


@app.command
def sandbox(*, serving: Serving = Serving()) -> int:  # noqa: B008 - frozen
    """Serve a stand-in for the API: an invented contact centre behind the real routes, limits and errors.

    Point anything at it that speaks to Genesys Cloud; nothing leaves this machine, but for what --record passes on.
    Ctrl-C ends it. In a browser, its address shows what it holds and what was asked.
    """
    serve(serving, _variables().get("GENESYS_ENV"))
    return 0


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code."""
    memory.keep_flat()
    _open_closed_streams()
    _leave(run(sys.argv[1:] if words is None else words, _heed_interruptions()))


def run(words: Sequence[str], interruptions: Sequence[int] = ()) -> int:
    """The exit code of a command. No traceback reaches a reader, unless EVERYCALL_TRACEBACK asks for it.

    Args:
        words: the command and its options.
        interruptions: signals that came; whatever fails after one fails because of it.
    """
    talk = face.console()
    try:
        result = app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(talk, words)
    except BrokenPipeError:
        return 1
    except Exception as error:
        is_bug = not isinstance(error, (errors.EverycallError, CycloptsError, OSError))
        if is_bug and os.environ.get("EVERYCALL_TRACEBACK"):
            raise
        return _interrupted(talk, words) if interruptions else _failed(talk, error)
    return result if isinstance(result, int) else 0


def _failed(talk: Console, error: Exception) -> int:
    """Say what was wrong, where, and what to do; the exit code."""
    if isinstance(error, errors.EverycallError):
        face.failure(talk, str(error), error.hint, error.correlation_id)
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    if isinstance(error, CycloptsError):
        face.failure(talk, *_misspoken(error))
        return 2
    face.failure(talk, *_unexpected(error))
    return 1


def _misspoken(error: CycloptsError) -> tuple[str, str]:
    """What is wrong with the words, and what to do."""
    hint = "everycall --help lists the commands, everycall COMMAND --help the options."
    if isinstance(error, cyclopts.exceptions.UnusedCliTokensError) and error.unused_tokens:
        return (
            f"'{error.unused_tokens[0]}' belongs to no option.",
            "Put a value with spaces in quotes, and repeat the option for each value: --queue 'Back Office' --queue B.",
        )
    return str(error), hint


def _interrupted(talk: Console, words: Sequence[str]) -> int:
    hint = "An export into a file keeps the windows that were finished: the same command goes on from there."
    face.failure(talk, "Interrupted.", hint if "export" in words or "--repair" in words else "")
    return INTERRUPTED


def _unexpected(error: Exception) -> tuple[str, str]:
    if isinstance(error, OSError):
        where = error.filename or "Standard output"
        return f"{where} cannot be used: {error.strerror or error}.", "Mend that, and run the same command again."
    return (
        f"Something unexpected happened ({type(error).__name__}: {error}).",
        "A fault of everycall. With EVERYCALL_TRACEBACK=1 the same command says where: please report it.",
    )


def _open_closed_streams() -> None:
    """Give standard streams that are closed their numbers back, or the next file would be taken for one of them.

    Writing to a standard output that was closed still fails.
    """
    for number, way in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, way)  # it gets the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _heed_interruptions() -> Sequence[int]:
    """End in order, once, on Ctrl-C, a plain kill and a lost terminal, unless they were to be ignored (nohup).

    Returns:
        The signals that came: a list that grows. The second and later ones do not disturb the tidying up.
    """
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            _end_soon()
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    return came


def _end_soon() -> None:
    """End all the same where the tidying up waits for a lock that the interruption has left locked for ever.

    Nothing is lost by it: what was finished is on filesystem, and the next run tidies up what was not.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(INTERRUPTED)

    if hasattr(signal, "SIGALRM"):  # Windows has none
        signal.signal(signal.SIGALRM, end)
        signal.alarm(TIDY_UP_S)


def _leave(code: int) -> NoReturn:
    """Leave without complaints about a standard output that nobody reads any more, or that is full."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    if code == INTERRUPTED:  # and do not wait for threads that were in the middle of something
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextmanager
def _org(where: Where, talk: Console) -> Iterator[tuple[Client, str]]:
    """A client of the org that the environment names, or of the built-in sandbox; and what to call it."""
    credentials = None if where.sandbox else Credentials.read(_variables())
    if credentials is not None:
        with Client(credentials, rate_share=where.rate_share, timeouts=Timeouts.of(where.timeout)) as client:
            yield client, hosts(credentials.env).api
        return
    from everycall.sandbox import server  # noqa: PLC0415 - as above

    if not where.sandbox:
        face.notice(
            talk,
            "GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV are not set: "
            "this comes out of the built-in sandbox, and is invented.",
        )
    with (
        server() as running,
        Client(
            Credentials(running.client_id, running.client_secret, running.url),
            rate_share=where.rate_share,
            timeouts=Timeouts.of(where.timeout),
        ) as client,
    ):
        yield client, "the built-in sandbox: invented data"


def _variables() -> Mapping[str, str]:
    """The environment over `.env` in this folder, which is not read where the environment says it all."""
    if all(os.environ.get(name) for name in VARIABLES):
        return os.environ
    try:
        read = dotenv_values(".env", interpolate=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.SettingsError(
            f".env in this folder cannot be read: {reason}.",
            hint=f"Mend it, or set {', '.join(VARIABLES)} in the environment, or say --sandbox.",
        ) from error
    return {**{name: value for name, value in read.items() if value is not None}, **os.environ}


def _asked(when: When, which: Which, client: Client, talk: Console) -> tuple[Query, Mapping[str, Any]]:
    """The query that the words mean, and the words."""
    now = client.clock.utc()
    query, asked = options.query(when, which, client, now)
    if query.interval.start < now - RETENTION:
        message = "Some of this is older than 18 months: the org may answer it slowly, or not keep it any more."
        face.notice(talk, message)
    return query, asked


def _target(output: str) -> Path | BinaryIO:
    """Where the rows go."""
    return sys.stdout.buffer if output == "-" else _followed(Path(output))


def _followed(path: Path) -> Path:
    """What a link points to: that is written and verified, and nothing is put in the link's place."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _report(talk: Console, done: Summary, source: str, *, quiet: bool, json: bool) -> None:
    if json:
        told = {**done.manifest, "source": source, "requests": done.counts.requests, "rejected": done.counts.rejected}
        stream = sys.stdout.buffer if done.output is not None else sys.stderr.buffer
        stream.write(pretty(told))
        stream.flush()
    elif not quiet:
        face.summary(talk, done, source)
    elif done.verdict != "proven":
        face.notice(talk, f"not proven complete: {face.counted(len(done.unproven) + len(done.unread), 'window')}.")


def _check_numbers(where: Where, page_size: int, max_pages: int | None) -> None:
    if not 0 < where.rate_share <= 1:
        raise errors.SettingsError(f"--rate-share is {where.rate_share:g}.", hint="It is above 0 and at most 1.")
    if not 0 < where.timeout <= TIMEOUT_MAX_S:
        raise errors.SettingsError(
            f"--timeout is {where.timeout:g}.", hint=f"It is above 0 and at most {TIMEOUT_MAX_S}: seconds."
        )
    if not 1 <= page_size <= PAGE_SIZE_MAX:
        raise errors.SettingsError(
            f"--page-size is {page_size}.",
            hint=f"The details query takes 1 to {PAGE_SIZE_MAX}, whatever a tutorial says.",
        )
    if max_pages is not None and max_pages < 1:
        raise errors.SettingsError(f"--max-pages is {max_pages}.", hint="It is at least 1.")


def _check_output(output: str, chosen: str | None) -> None:
    if output == "-":
        return
    if not output.strip():
        raise errors.SettingsError("--output is empty.", hint="Name the file, or leave it out: conversations.csv.")
    if output.startswith("-"):
        raise errors.SettingsError(
            f"--output is followed by '{output}', which looks like an option.",
            hint=f"Name the file first; a file of that name is ./{output}.",
        )
    _check_place(output)
    if chosen is None and Path(output).suffix.lower() not in (".csv", ".txt", ""):
        raise errors.SettingsError(
            f"'{output}' does not look like CSV, and everycall {VERSION} writes CSV only.",
            hint="Name the file .csv, or say --format csv to write CSV under that name.",
        )


def _check_place(output: str) -> None:
    """Refuse what is no place for a file, before anything is asked."""
    path = Path(output)
    if output.endswith(("/", os.sep)) or not path.name:
        raise errors.OutputRefused(f"{output} is a folder.", hint="Name a file in it with -o.")
    is_there, *_ = (_is_there(path.with_name(path.name + suffix)) for suffix in ("", MANIFEST_SUFFIX, FOLDER_SUFFIX))
    if path.is_dir():
        raise errors.OutputRefused(f"{output} is a folder.", hint="Name a file in it with -o.")
    if path.parent.exists() and not path.parent.is_dir():
        raise errors.OutputRefused(f"{path.parent} is no folder.", hint="Choose another output with -o.")
    if (is_there and not path.is_file()) or output.startswith(("/dev/fd/", "/dev/std", "/proc/")):
        raise errors.OutputRefused(
            f"{output} is a device or a pipe, and an export is a file that appears when it is finished.",
            hint=f"Write to standard output, and send that there: everycall export -o - > {output}",
        )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = error.strerror or str(error)
        raise errors.OutputRefused(
            f"{path} cannot be used: {reason}.", hint="Choose another output with -o."
        ) from error
    return True
