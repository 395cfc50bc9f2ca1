"""`everycall sandbox`: an invented contact centre, a file, or a real org with a recorder in between."""

import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from everycall.api.auth import hosts
from everycall.cli.context import Context
from everycall.cli.options import Serving
from everycall.cli.org import recorded_env
from everycall.cli.parser import Arguments
from everycall.errors import SettingsError
from everycall.sandbox import Faults, Switches, server
from everycall.sandbox.recording import load, recorder, replay
from everycall.sandbox.server import Responder, stay


def run(arguments: Arguments, _context: Context) -> int:
    """Serve until Ctrl-C, and return the exit code."""
    serving = arguments.of(Serving)
    serve(serving, recorded_env() if serving.record else None)
    return 0


def serve(serving: Serving, env: str | None) -> None:
    """Serve until Ctrl-C, after printing on standard output the variables that a client needs.

    Args:
        serving: what to serve, and where.
        env: the org that `--record` passes requests on to, as GENESYS_ENV names it.

    Raises:
        SettingsError: options exclude each other, a file cannot be read or written, the port is in use.
    """
    check_files(serving)
    try:
        with suppress(KeyboardInterrupt), responder(serving, env) as running:
            print_variables(running)
            stay()
    except BrokenPipeError:
        raise
    except OSError as error:
        hint = "Choose another one with --port, or 0 for a free one." if "--port" in str(error) else ""
        raise SettingsError(str(error), hint=hint or HELP_HINT) from error
    except (ValueError, TypeError, OverflowError) as error:
        raise SettingsError(str(error), hint=HELP_HINT) from error


HELP_HINT = "everycall sandbox --help shows how to write it."


def check_files(serving: Serving) -> None:
    """Refuse two kinds of files at once.

    Raises:
        SettingsError: naming them.
    """
    given = [f"--{name}" for name in ("load", "replay", "record") if getattr(serving, name)]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} exclude each other.", hint="Use one of them.")


def responder(serving: Serving, env: str | None) -> AbstractContextManager[Responder]:
    """What answers requests while the block runs."""
    where: dict[str, Any] = {"host": serving.host, "port": serving.port}
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


def print_variables(running: Responder) -> None:
    """How to get there, in a form to paste, or to eval; a recorder's clients log in with their own secret."""
    variables: dict[str, str] = getattr(running, "environ", None) or {"GENESYS_ENV": running.url}
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.flush()
    if token := getattr(running, "admin_token", ""):
        sys.stderr.write(f"# Other machines need this admin token for {running.url}/ and /__admin/: {token}\n")
    sys.stderr.write("# Ctrl-C ends it.\n")
