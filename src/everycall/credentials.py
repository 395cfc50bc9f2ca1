"""Finds the credentials: a profile that is named, the environment, `.env`, or the default profile, in this order.

All three values come from one of them. Otherwise a `.env` in a downloaded folder could send the secret from elsewhere
to another address.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from everycall.api.auth import VARIABLES, Credentials
from everycall.errors import CredentialsMissing, SettingsError
from everycall.profiles import Profiles, profiles_folder


def find_credentials(
    profile: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    dotenv: Path = Path(".env"),
    profiles: Profiles | None = None,
) -> Credentials:
    """The credentials; their `source` says where they come from.

    Args:
        profile: the name of a profile; None for the first of environment, `.env` and default profile that has all
            three values.
        environment: by default that of this process.
        dotenv: the file of variables, by default in the current folder.
        profiles: by default those of the user.

    Raises:
        CredentialsMissing: there are none, some values are missing, they are in two places, or the secret of the
            profile cannot be read.
        SettingsError: there is no such profile, or a file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if profile is not None:
        return _of_profile(profiles or Profiles(profiles_folder(environment)), profile)
    is_complete = all(environment.get(name, "").strip() for name in VARIABLES)
    found = Credentials.read(environment, {} if is_complete else read_dotenv(dotenv))
    if found is not None:
        return found
    profiles = profiles or Profiles(profiles_folder(environment))
    if default := profiles.default:
        return _of_profile(profiles, default)
    raise CredentialsMissing(
        f"{', '.join(VARIABLES[:-1])} and {VARIABLES[-1]} are not set, neither in the environment nor in .env, "
        "and there is no default profile.",
        hint="Set them to use your org, or keep them with everycall profile add NAME, or add --sandbox to try "
        "everycall with invented data.",
    )


def _of_profile(profiles: Profiles, name: str) -> Credentials:
    profile = profiles.get(name)
    return Credentials(profile.client_id, profiles.secret(profile), profile.env, source=f"profile {name}")


def recorded_env(environment: Mapping[str, str] | None = None) -> str | None:
    """GENESYS_ENV from the environment or `.env`: the org to which `everycall sandbox --record` forwards requests."""
    environment = os.environ if environment is None else environment
    return environment.get("GENESYS_ENV") or read_dotenv(Path(".env")).get("GENESYS_ENV")


def read_dotenv(path: Path) -> Mapping[str, str]:
    """The variables of a `.env`; empty if the file does not exist.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        found = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f".env in this folder cannot be read: {reason}.",
            hint=f"Correct it, or set {', '.join(VARIABLES)} in the environment, or add --sandbox.",
        ) from error
    return {name: value for name, value in found.items() if value is not None}
