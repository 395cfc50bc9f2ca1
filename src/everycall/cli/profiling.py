"""`everycall profile`."""

import sys
from collections.abc import Callable
from getpass import getpass
from os import environ

from everycall.api.auth import hosts
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import Display, write_lines
from everycall.cli.options import ProfileAction
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.tables import table
from everycall.errors import SettingsError
from everycall.profiles import Profile, Profiles, profiles_folder

SECRET_MAX = 1000
"""Ours: more than any secret has, so that a file in place of it is not read to its end."""


class Person:
    """Whoever runs the command: answers questions on a terminal, and gives the secret."""

    def __init__(self, *, is_there: bool | None = None, hidden: Callable[[str], str] = getpass) -> None:
        """`is_there` is whether there is a terminal to ask on; `hidden` asks for a text that is not shown."""
        self._is_there = sys.stdin.isatty() if is_there is None else is_there
        self._hidden = hidden

    def asked(self, question: str, option: str) -> str:
        """The answer to a question.

        Raises:
            UsageError: there is nobody to ask.
        """
        if not self._is_there:
            raise UsageError(f"{option} is missing.", hint=f"Give it: {option} VALUE.")
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def secret(self, question: str) -> str:
        """The secret: typed without being shown, or the first line of standard input."""
        return (self._hidden(f"{question}: ") if self._is_there else sys.stdin.readline(SECRET_MAX)).strip()


def run(
    arguments: Arguments, context: Context, *, profiles: Profiles | None = None, person: Person | None = None
) -> int:
    """Do what was asked, and return the exit code."""
    asked = arguments.of(ProfileAction)
    profiles = profiles or Profiles(profiles_folder(environ))
    if asked.action == "list":
        _list(profiles, is_json=asked.json)
        return 0
    if not asked.name:
        raise UsageError(f"The name of the profile to {asked.action} is missing.", hint="Give it behind the action.")
    if asked.action == "add":
        _add(profiles, asked, asked.name, person or Person(), context.display)
    elif asked.action == "use":
        profiles.use(asked.name)
        context.display.print(f"{asked.name} is the default profile now.")
    elif not profiles.remove(asked.name):
        context.display.notice("The keyring did not answer: remove the secret there, under the service everycall.")
    return 0


def _add(profiles: Profiles, asked: ProfileAction, name: str, person: Person, display: Display) -> None:
    known = next((profile for profile in profiles.all() if profile.name == name), None)
    env = asked.env or (known.env if known else person.asked("Region, place, domain or URL of the org", "--env"))
    hosts(env)  # refuses one that is none
    client_id = asked.client_id or (known.client_id if known else person.asked("OAuth client id", "--client-id"))
    secret = person.secret(f"Secret of the OAuth client {client_id}")
    if not client_id or not secret:
        raise SettingsError(
            f"The {'secret' if client_id else 'client id'} is empty.",
            hint="Type it, or write it to standard input: everycall profile add NAME ... < FILE",
        )
    added = profiles.add(name, client_id, env, secret, asked.secret_store)
    where = "the system's keyring" if added.store == "keyring" else f"{profiles.secrets_path}, which only you can read"
    display.print(f"Profile {name} is kept; its secret is in {where}.", wrap=True)
    display.print(f"Check it: everycall doctor --profile {name}")


def _list(profiles: Profiles, *, is_json: bool) -> None:
    default = profiles.default
    found = profiles.all()
    if is_json:
        outputs.write_json({"default": default or None, "profiles": [_as_json(profile) for profile in found]})
    elif found:
        rows = [(one.name, one.env, one.client_id, one.store, "default" * (one.name == default)) for one in found]
        write_lines(table(("name", "env", "client id", "secret", ""), rows))
    else:
        write_lines(["There are no profiles. everycall profile add NAME makes one."])


def _as_json(profile: Profile) -> dict[str, str]:
    return {
        "name": profile.name,
        "env": profile.env,
        "clientId": profile.client_id,
        "store": profile.store,
    }
