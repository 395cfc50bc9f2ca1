"""The command line: words -> a query, a client, an output; errors -> messages, exit codes. No decision about data.

Exit codes:

    0    complete and proven
    1    something failed on this machine (the disk is full), or something unexpected
    2    wrong usage, or a query that the API refuses
    3    credentials or permission
    4    finished, but not proven complete
    5    gave up on the network or the service; the same command goes on
    130  interrupted; the same command goes on
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, BinaryIO, Literal, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter
from dotenv import dotenv_values
from rich.console import Console

from everycall import errors, tables
from everycall.auth import Credentials
from everycall.cli import face, options, planning
from everycall.cli.options import When, Where, Which
from everycall.client import Client
from everycall.export import Summary, export
from everycall.ledger import pretty
from everycall.limits import PAGE_SIZE_MAX, RETENTION
from everycall.version import VERSION

EXIT_CODES: Mapping[type[BaseException], int] = {
    errors.QueryError: 2,
    errors.SettingsError: 2,
    errors.AccessError: 3,
    errors.ServiceError: 5,
    errors.OutputRefused: 2,
    errors.OutputFailed: 1,
}
NOT_PROVEN, INTERRUPTED = 4, 130

OUTPUT = Group("What comes out", sort_key=3)
TALK = Group("What is said", sort_key=5)

app = App(
    name="everycall",
    help="Every Genesys Cloud conversation, once, and the proof of it.",
    version=VERSION,
    help_format="markdown",
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
        str, Parameter(group=OUTPUT, help="Only these columns, in this order, separated by commas.")
    ] = "",
    fresh: Annotated[
        bool, Parameter(group=OUTPUT, help="Start over, whatever the output or an unfinished run of it holds.")
    ] = False,
    page_size: Annotated[
        int, Parameter(group=OUTPUT, help="Conversations on a page, at most 100. [default: 100]")
    ] = PAGE_SIZE_MAX,
    max_pages: Annotated[
        int | None, Parameter(group=OUTPUT, help="A safety stop. What is left unread is reported, with exit code 4.")
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
    _check_format(output, format)
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    tables.columns(view, chosen)
    with _org(where, quiet=quiet) as (client, source), _target(output) as target:
        talk = face.console()
        query = options.query(when, which, client, client.clock.utc())
        if query.interval.start < client.clock.utc() - RETENTION:
            face.notice(
                talk, "Some of this is older than 18 months: the org may answer it slowly, or not keep it any more."
            )
        listener = face.face(talk, client.counts, quiet=quiet)
        try:
            done = export(
                client,
                query,
                target,
                view=view,
                columns=chosen,
                asked=options.words(when, which),
                source=source,
                fresh=fresh,
                page_size=page_size,
                max_pages=max_pages,
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
        int, Parameter(group=OUTPUT, help="Conversations on a page, at most 100. [default: 100]")
    ] = PAGE_SIZE_MAX,
    json: Annotated[bool, Parameter(group=TALK, help="The plan as JSON.")] = False,
) -> int:
    """Say what an export would take, and export nothing: hits, windows, requests, minutes at the rate limit.

    Takes the same words as export. It costs one request per window.
    """
    _check_numbers(where, page_size, None)
    with _org(where, quiet=json) as (client, source):
        query = options.query(when, which, client, client.clock.utc())
        found = planning.plan(client, query, page_size=page_size)
        if json:
            sys.stdout.buffer.write(pretty(found.as_json()))
        else:
            planning.show(Console(highlight=False, soft_wrap=True), found, source)
        return 0


@app.command
def sandbox(
    *,
    port: Annotated[int, Parameter(help="Where to listen on 127.0.0.1; 0 takes a free port. [default: 8080]")] = 8080,
    seed: Annotated[int, Parameter(help="Which invented contact centre. [default: 1]")] = 1,
    conversations_per_day: Annotated[int, Parameter(help="On a weekday, about. [default: 2000]")] = 2000,
    rate_limit: Annotated[int, Parameter(help="Requests a minute for each token. [default: 300]")] = 300,
) -> int:
    """Serve a stand-in for the API: an invented contact centre behind the real routes, limits and errors.

    Point anything at it that speaks to Genesys Cloud; nothing leaves this machine. Ctrl-C ends it.
    """
    from everycall.sandbox import serve  # noqa: PLC0415 - only those who serve pay for the server's import

    def ready(running: Any) -> None:
        for name, value in running.environ.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201 - meant to be pasted, or read by eval
        print("# Ctrl-C ends it.", file=sys.stderr)  # noqa: T201

    try:
        serve(port, ready=ready, seed=seed, conversations_per_day=conversations_per_day, rate_limit=rate_limit)
    except OSError as error:
        raise errors.SettingsError(str(error), hint="Choose another one with --port, or 0 for a free one.") from error
    except (ValueError, OverflowError) as error:
        raise errors.SettingsError(str(error)) from error
    return 0


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code. No traceback reaches a reader, but for a bug in everycall itself."""
    signal.signal(signal.SIGTERM, _interrupt)
    talk = face.console()
    try:
        spoken = list(sys.argv[1:] if words is None else words)
        result = app(spoken, exit_on_error=False, print_error=False, result_action="return_value")
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except CycloptsError as error:
        face.failure(
            talk, str(error), hint="everycall --help lists the commands, everycall COMMAND --help the options."
        )
        code = 2
    except errors.EverycallError as error:
        face.failure(talk, str(error), error.hint, error.correlation_id)
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        face.failure(
            talk, "Interrupted.", hint="Windows that were finished are kept: the same command goes on from there."
        )
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
    except Exception as error:
        if os.environ.get("EVERYCALL_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}"
        face.failure(
            talk,
            f"Something unexpected happened ({what}).",
            hint="A fault of everycall. With EVERYCALL_TRACEBACK=1 the same command says where: please report it.",
        )
        code = 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Leave without complaints about a pipe that nobody reads any more, or a disk that is full."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _org(where: Where, *, quiet: bool) -> Iterator[tuple[Client, str]]:
    """A client of the org that the environment names, or of the built-in sandbox; and what to call it."""
    credentials = None if where.sandbox else Credentials.read(_variables())
    if credentials is not None:
        with Client(credentials, rate_share=where.rate_share) as client:
            yield client, credentials.env
        return
    from everycall.sandbox import server  # noqa: PLC0415 - as above

    if not where.sandbox and not quiet:
        face.notice(
            face.console(),
            "GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV are not set: "
            "this comes out of the built-in sandbox, and is invented.",
        )
    with (
        server() as running,
        Client(
            Credentials(running.client_id, running.client_secret, running.url), rate_share=where.rate_share
        ) as client,
    ):
        yield client, "the built-in sandbox: invented data"


def _variables() -> Mapping[str, str]:
    """The environment over `.env` in this folder."""
    written = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**written, **os.environ}


@contextmanager
def _target(output: str) -> Iterator[Path | BinaryIO]:
    with nullcontext(sys.stdout.buffer if output == "-" else Path(output)) as target:
        yield target


def _report(talk: Console, done: Summary, source: str, *, quiet: bool, json: bool) -> None:
    if json:
        told = {**done.manifest, "source": source, "requests": done.counts.requests, "rejected": done.counts.rejected}
        stream = sys.stdout.buffer if done.output is not None else sys.stderr.buffer
        stream.write(pretty(told))
        stream.flush()
    elif not quiet:
        face.summary(talk, done, source)
    elif done.verdict != "proven":
        face.notice(talk, f"not proven complete: {len(done.unproven) + len(done.unread)} windows.")


def _check_numbers(where: Where, page_size: int, max_pages: int | None) -> None:
    if not 0 < where.rate_share <= 1:
        raise errors.SettingsError(f"--rate-share is {where.rate_share:g}.", hint="It is above 0 and at most 1.")
    if not 1 <= page_size <= PAGE_SIZE_MAX:
        raise errors.SettingsError(
            f"--page-size is {page_size}.",
            hint=f"The details query takes 1 to {PAGE_SIZE_MAX}, whatever a tutorial says.",
        )
    if max_pages is not None and max_pages < 1:
        raise errors.SettingsError(f"--max-pages is {max_pages}.", hint="It is at least 1.")


def _check_format(output: str, chosen: str | None) -> None:
    if output.startswith("-") and output != "-":
        raise errors.SettingsError(
            f"--output is followed by '{output}', which looks like an option.",
            hint=f"Name the file first; a file of that name is ./{output}.",
        )
    suffix = Path(output).suffix.lower()
    if chosen is None and output != "-" and suffix not in (".csv", ".txt", ""):
        raise errors.SettingsError(
            f"'{output}' does not look like CSV, and everycall {VERSION} writes CSV only.",
            hint="Name the file .csv, or say --format csv to write CSV under that name.",
        )
