"""`everycall sandbox`: serves an invented contact centre or a file, or records a real org."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from everycall.api.auth import hosts
from everycall.cli.context import Context
from everycall.cli.options import Serving
from everycall.cli.parser import Arguments
from everycall.credentials import recorded_env
from everycall.errors import SettingsError
from everycall.sandbox import Faults, Switches, server
from everycall.sandbox.recording import load, recorder
from everycall.sandbox.replaying import replay
from everycall.sandbox.server import Responder, stay


def run(arguments: Arguments, _context: Context) -> int:
    """Serve until Ctrl-C, and return the exit code."""
    serving = arguments.of(Serving)
    serve(serving, recorded_env() if serving.record else None)
    return 0


def serve(serving: Serving, env: str | None) -> None:
    """Print the variables that a client needs, then serve until Ctrl-C.

    Args:
        serving: the options.
        env: the org to which `--record` forwards requests, as in GENESYS_ENV.

    Raises:
        SettingsError: options exclude each other, a file cannot be read or written, or the port is in use.
    """
    check_files(serving)
    try:
        with suppress(KeyboardInterrupt), responder(serving, env) as running:
            show(running)
            stay()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError(reason(error)) from error
    except (ValueError, TypeError, OverflowError, ImportError) as error:
        raise SettingsError(str(error), hint=HELP_HINT) from error


def reason(error: OSError) -> str:
    """The message of a system error, without its number."""
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


HELP_HINT = "everycall sandbox --help shows how to write it."


def check_files(serving: Serving) -> None:
    """Refuse more than one of --load, --replay and --record.

    Raises:
        SettingsError: the message names the options.
    """
    given = [f"--{name}" for name in ("load", "replay", "record") if getattr(serving, name)]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} exclude each other.", hint="Use one of them.")


def responder(serving: Serving, env: str | None) -> AbstractContextManager[Responder]:
    """The server that answers requests while the context is open."""
    tls: Path | bool = Path(serving.certificates) if serving.certificates else serving.tls
    where: dict[str, Any] = {"host": serving.host, "port": serving.port, "tls": tls}
    if serving.replay:
        return replay(Path(serving.replay), **where)
    if serving.record:
        org = hosts(recorded_org(env))
        return recorder(Path(serving.record), org.api, org.login, **where)
    return server(
        load(Path(serving.load)) if serving.load else None,
        seed=serving.seed,
        conversations_per_day=serving.conversations_per_day,
        rate_limit=serving.rate_limit,
        now=serving.now,
        speed=serving.speed,
        faults=Faults.parse(*serving.fault),
        switches=Switches.parse(*serving.switch),
        **where,
    )


def recorded_org(env: str | None) -> str:
    """The org to record.

    Raises:
        SettingsError: GENESYS_ENV is not set.
    """
    if not env:
        raise SettingsError(
            "--record forwards requests to a real org, and GENESYS_ENV is not set.",
            hint="Set GENESYS_ENV to its region, domain or URL, in the environment or in .env.",
        )
    return env


def show(running: Responder) -> None:
    """Print the variables that a client needs, as lines to paste into a shell.

    The lines for POSIX shells, which scripts read, go to standard output; the rest goes to standard error.
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
    """The lines that set the variables, by shell."""
    quoted = {name: value.replace("'", "''") for name, value in environ.items()}
    return {
        "sh, bash, zsh": [f"export {name}={shlex.quote(value)}" for name, value in environ.items()],
        "PowerShell": [f"$env:{name} = '{value}'" for name, value in quoted.items()],
        "cmd": [f'set "{name}={value}"' for name, value in environ.items()],
    }
