"""What `everycall sandbox` serves: an invented contact centre, a file, or a real org with a recorder in between."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from everycall.api.auth import hosts
from everycall.cli.options import Count
from everycall.errors import SettingsError

if TYPE_CHECKING:
    from everycall.sandbox.server import Responder

HERE = Group("Where it listens", sort_key=1)
CENTRE = Group("Which contact centre", sort_key=2)
CLOCK = Group("Its clock", sort_key=3)
TROUBLE = Group("What goes wrong", sort_key=4)
FILES = Group("Instead of an invented one", sort_key=5)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served, and where."""

    port: Annotated[Count, Parameter(group=HERE, help="0 takes a free one. [default: 8080]")] = 8080
    tls: Annotated[
        bool,
        Parameter(
            group=HERE,
            help="Speak https, also as api. and login. of all regions, and be the proxy that leads there. "
            "What it prints makes clients trust it.",
        ),
    ] = False
    certificates: Annotated[
        Path | None,
        Parameter(group=HERE, help="The folder of the certificates; implies --tls. [default: one of your own]"),
    ] = None
    host: Annotated[str, Parameter(group=HERE, help="0.0.0.0 lets other machines in, too. [default: 127.0.0.1]")] = (
        "127.0.0.1"
    )
    seed: Annotated[Count, Parameter(group=CENTRE, help="Another seed, another one. [default: 1]")] = 1
    conversations_per_day: Annotated[Count, Parameter(group=CENTRE, help="On a weekday, about. [default: 2000]")] = 2000
    now: Annotated[
        str | None,
        Parameter(group=CLOCK, help="An ISO 8601 instant at which its clock begins. [default: the real one]"),
    ] = None
    speed: Annotated[
        float, Parameter(group=CLOCK, help="60 makes an hour of a minute, 0 stands still. [default: 1]")
    ] = 1.0
    rate_limit: Annotated[Count, Parameter(group=TROUBLE, help="Requests a minute for each token. [default: 300]")] = (
        300
    )
    fault: Annotated[
        tuple[str, ...],
        Parameter(
            group=TROUBLE,
            help="What goes wrong and when: 'on query 3: 429 retry_after=5', 'on queries 5-8: 503', 'at random 2%'. "
            "Can be given several times.",
        ),
    ] = ()
    switch: Annotated[
        tuple[str, ...],
        Parameter(group=TROUBLE, help="NAME=VALUE: how to behave where no source tells. Can be given several times."),
    ] = ()
    load: Annotated[
        Path | None, Parameter(group=FILES, help="Serve the conversations of a raw export or a recording; .gz, too.")
    ] = None
    replay: Annotated[
        Path | None, Parameter(group=FILES, help="Give the answers of a recording to the same requests, byte by byte.")
    ] = None
    record: Annotated[
        Path | None,
        Parameter(
            group=FILES,
            help="Pass requests on to the org of GENESYS_ENV and write down what passes: "
            "conversations of real people, but no secret and no token.",
        ),
    ] = None


def serve(spoken: Serving, env: str | None) -> None:
    """Serves until Ctrl-C, after printing the variables with which a client gets there.

    Args:
        spoken: the options.
        env: the org that `--record` passes requests on to, as GENESYS_ENV names it.

    Raises:
        SettingsError: options exclude each other, a file cannot be read or written, the port is in use or is none,
            TLS needs a library that is not installed.
    """
    from everycall.sandbox.server import stay  # noqa: PLC0415 - only those who serve pay for the server's import

    only_one(spoken)
    try:
        with suppress(KeyboardInterrupt), behind(spoken, env) as running:
            show(running)
            stay()
    except OSError as error:
        raise SettingsError(reason(error)) from error
    except (ValueError, TypeError, OverflowError, ImportError) as error:
        raise SettingsError(str(error)) from error


def reason(error: OSError) -> str:
    """What an error of the system says, without its number."""
    words = error.strerror or str(error)
    return f"{error.filename}: {words}" if error.filename else words


def only_one(spoken: Serving) -> None:
    """Refuses two kinds of files at once.

    Raises:
        SettingsError: naming them.
    """
    said = [name for name in ("load", "replay", "record") if getattr(spoken, name)]
    if len(said) > 1:
        names = " and ".join(f"--{name}" for name in said)
        raise SettingsError(f"{names} exclude each other.", hint="Say one of them.")


def behind(spoken: Serving, env: str | None) -> "AbstractContextManager[Responder]":
    """What answers requests while the block runs."""
    from everycall.sandbox import Faults, Switches, server  # noqa: PLC0415 - as above
    from everycall.sandbox.recording import load, recorder  # noqa: PLC0415 - as above
    from everycall.sandbox.replaying import replay  # noqa: PLC0415 - as above

    where: dict[str, Any] = {"host": spoken.host, "port": spoken.port, "tls": spoken.certificates or spoken.tls}
    if spoken.replay:
        return replay(spoken.replay, **where)
    if spoken.record:
        org = hosts(real(env))
        return recorder(spoken.record, org.api, org.login, **where)
    return server(
        load(spoken.load) if spoken.load else None,
        seed=spoken.seed,
        conversations_per_day=spoken.conversations_per_day,
        rate_limit=spoken.rate_limit,
        now=spoken.now,
        speed=spoken.speed,
        faults=Faults.parse(*spoken.fault),
        switches=Switches.parse(*spoken.switch),
        **where,
    )


def real(env: str | None) -> str:
    """The org that is recorded.

    Raises:
        SettingsError: none is named.
    """
    if not env:
        raise SettingsError(
            "--record passes requests on to a real org, and GENESYS_ENV names none.",
            hint="Set GENESYS_ENV to its region, domain or URL, in the environment or in .env.",
        )
    return env


def show(running: "Responder") -> None:
    """Prints the variables with which a client gets there, as lines to paste.

    Those for POSIX shells, which scripts read, go to standard output; the others and the headings to standard error.
    """
    blocks = lines_to_paste(running.environ)
    for number, (shell, lines) in enumerate(blocks.items()):
        sys.stderr.write(f"{'rem' if shell == 'cmd' else '#'} {shell}\n")
        sys.stderr.flush()
        stream = sys.stderr if number else sys.stdout
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
    if token := getattr(running, "admin_token", ""):
        sys.stderr.write(f"# Other machines need this admin token for {running.url}/ and /__admin/: {token}\n")
    sys.stderr.write("# Ctrl-C ends it.\n")
    sys.stderr.flush()


def lines_to_paste(environ: Mapping[str, str]) -> Mapping[str, list[str]]:
    """The lines that set variables, by the shells that take them."""
    quoted = {name: value.replace("'", "''") for name, value in environ.items()}
    return {
        "sh, bash, zsh": [f"export {name}={shlex.quote(value)}" for name, value in environ.items()],
        "PowerShell": [f"$env:{name} = '{value}'" for name, value in quoted.items()],
        "cmd": [f'set "{name}={value}"' for name, value in environ.items()],
    }
