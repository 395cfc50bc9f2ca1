"""Profiles: several orgs with names, in one file under the platform's folder for settings.

    profiles.json   {"formatVersion": 1, "default": "prod", "profiles": {"prod": {"clientId", "env", "store"}}}
    secrets.json    {"prod": "..."}, which only the owner can read; for secrets that are not in the system's keyring

A secret is kept in the system's keyring if that is installed (`everycall[keyring]`) and answers without a person, and
else in `secrets.json`. A keyring that is locked may wait for a person for ever: it is given `KEYRING_LIMIT_S`, so that
a job in the night fails with a message instead. No text made here holds a secret.
"""

import os
import re
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from everycall.errors import CredentialsMissing, SettingsError

T = TypeVar("T")

Store = Literal["keyring", "file"]

FOLDER_VARIABLE = "EVERYCALL_CONFIG_DIR"
"""Names another folder than the platform's."""

SERVICE = "everycall"
"""Under which the keyring keeps the secrets."""

KEYRING_LIMIT_S = 5.0
"""Ours: a keyring that does not need a person answers within milliseconds."""

FORMAT_VERSION = 1

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Backend(Protocol):
    """The part of a keyring that is used."""

    def get_password(self, service: str, username: str) -> str | None:
        """The secret; None if there is none."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""
        ...


class KeyringFailed(Exception):
    """The keyring refused, is locked, or did not answer in time. Its text has no secret."""


class Keyring:
    """The system's keyring, which has to answer in time."""

    def __init__(self, load: Callable[[], Backend] | None = None, limit_s: float = KEYRING_LIMIT_S) -> None:
        """`load` gives the backend; by default the system's. Loading it may take long, too."""
        self._load = load or _system_keyring
        self._limit_s = limit_s

    def get(self, name: str) -> str | None:
        """The secret of a profile; None if there is none.

        Raises:
            KeyringFailed: there is no answer.
        """
        return self._answer(lambda keyring: keyring.get_password(SERVICE, name))

    def keep(self, name: str, secret: str) -> None:
        """Keep a secret, and see whether it can be read back.

        Raises:
            KeyringFailed: it cannot.
        """
        self._answer(lambda keyring: keyring.set_password(SERVICE, name, secret))
        if self.get(name) != secret:
            raise KeyringFailed("it does not keep what it is given")

    def forget(self, name: str) -> None:
        """Forget a secret.

        Raises:
            KeyringFailed: it does not.
        """
        self._answer(lambda keyring: keyring.delete_password(SERVICE, name))

    def _answer(self, ask: Callable[[Backend], T]) -> T:
        """The answer, asked for in a thread that does not hold up the end of the process."""
        answers: list[T] = []
        reasons: list[str] = []

        def run() -> None:
            try:
                answers.append(ask(self._load()))
            except ImportError:
                reasons.append("the package keyring is not installed")
            except Exception as error:  # noqa: BLE001 - backends raise whatever they like, and texts may hold secrets
                reasons.append(f"it refused ({type(error).__name__})")

        thread = threading.Thread(target=run, name="keyring", daemon=True)
        thread.start()
        thread.join(self._limit_s)
        if answers:
            return answers[0]
        raise KeyringFailed(
            reasons[0] if reasons else f"it did not answer within {self._limit_s:g} s: it may be locked"
        )


def _system_keyring() -> Backend:
    import keyring  # noqa: PLC0415 - an extra, and slow to import

    found: Backend = keyring.get_keyring()
    return found


@dataclass(frozen=True, slots=True)
class Profile:
    """One org with its OAuth client."""

    name: str
    client_id: str
    env: str
    """As GENESYS_ENV."""
    store: Store
    """Where its secret is kept."""


class _Entry(msgspec.Struct, rename="camel"):
    client_id: str
    env: str
    store: Store


class _File(msgspec.Struct, rename="camel"):
    format_version: int = FORMAT_VERSION
    default: str = ""
    profiles: dict[str, _Entry] = {}


@dataclass(slots=True)
class Profiles:
    """The profiles of the user."""

    folder: Path
    keyring: Keyring = field(default_factory=Keyring)

    @property
    def path(self) -> Path:
        """The file of the profiles."""
        return self.folder / "profiles.json"

    @property
    def secrets_path(self) -> Path:
        """The file of secrets that are not in the keyring."""
        return self.folder / "secrets.json"

    def all(self) -> list[Profile]:
        """Every profile, by name.

        Raises:
            SettingsError: the file cannot be read.
        """
        return [_profile(name, entry) for name, entry in sorted(self._read().profiles.items())]

    @property
    def default(self) -> str:
        """The name of the profile that is used unless another one is named; empty if there is none."""
        found = self._read()
        return found.default if found.default in found.profiles else ""

    def get(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            SettingsError: there is none, or the file cannot be read.
        """
        entries = self._read().profiles
        if name not in entries:
            known = f"There are: {', '.join(sorted(entries))}." if entries else "There are none."
            raise SettingsError(f"There is no profile '{name}'.", hint=f"{known} everycall profile add NAME makes one.")
        return _profile(name, entries[name])

    def secret(self, profile: Profile) -> str:
        """The secret of a profile.

        Raises:
            CredentialsMissing: it is not where it was kept, or the keyring does not answer.
            SettingsError: others can read the file of secrets.
        """
        again = f"everycall profile add {profile.name}"
        if profile.store == "file":
            found = self._read_secrets().get(profile.name)
        else:
            try:
                found = self.keyring.get(profile.name)
            except KeyringFailed as error:
                raise CredentialsMissing(
                    f"The system's keyring did not give the secret of profile '{profile.name}': {error}.",
                    hint=f"Unlock it, or keep the secret in a file that only you can read: {again} --secret-store file",
                ) from None
        if not found:
            raise CredentialsMissing(f"The secret of profile '{profile.name}' is gone.", hint=f"Give it again: {again}")
        return found

    def add(self, name: str, client_id: str, env: str, secret: str, store: Store | None = None) -> Profile:
        """Add a profile or replace one; the first one becomes the default.

        Args:
            name: letters, digits, dots, dashes and underscores.
            client_id: the OAuth client.
            env: as GENESYS_ENV.
            secret: the client's secret.
            store: where to keep the secret; None for the keyring if it answers, and else the file.

        Raises:
            SettingsError: the name is not valid, the keyring that was asked for does not answer, or a file cannot be
                written.
        """
        if not NAME.fullmatch(name):
            raise SettingsError(
                "The name of a profile has up to 64 letters, digits, dots, dashes and underscores.",
                hint="Give a name such as prod.",
            )
        found = self._read()
        profile = Profile(name, client_id, env, self._keep(name, secret, store))
        found.profiles[name] = _Entry(client_id, env, profile.store)
        found.default = found.default if found.default in found.profiles else name
        self._write(self.path, found)
        return profile

    def use(self, name: str) -> None:
        """Make a profile the default.

        Raises:
            SettingsError: there is none of that name.
        """
        self.get(name)
        found = self._read()
        found.default = name
        self._write(self.path, found)

    def remove(self, name: str) -> bool:
        """Remove a profile and its secret. Return whether the secret is gone, too: a keyring may not answer.

        Raises:
            SettingsError: there is none of that name.
        """
        profile = self.get(name)
        found = self._read()
        del found.profiles[name]
        found.default = "" if found.default == name else found.default
        self._write(self.path, found)
        return self._forget(profile)

    def _keep(self, name: str, secret: str, store: Store | None) -> Store:
        """Keep a secret in one place, and remove it from the other."""
        if store != "file":
            try:
                self.keyring.keep(name, secret)
            except KeyringFailed as error:
                if store == "keyring":
                    raise SettingsError(
                        f"The system's keyring cannot be used: {error}.",
                        hint="Install everycall[keyring] and unlock the keyring, or use --secret-store file.",
                    ) from None
            else:
                self._forget_in_file(name)
                return "keyring"
        self._write(self.secrets_path, {**self._read_secrets(), name: secret})
        return "file"

    def _forget(self, profile: Profile) -> bool:
        if profile.store == "file":
            self._forget_in_file(profile.name)
            return True
        try:
            self.keyring.forget(profile.name)
        except KeyringFailed:
            return False
        return True

    def _forget_in_file(self, name: str) -> None:
        secrets = dict(self._read_secrets())
        if secrets.pop(name, None) is not None:
            self._write(self.secrets_path, secrets)

    def _read(self) -> _File:
        found = self._decoded(self.path, _File)
        if found is None:
            return _File()
        if found.format_version != FORMAT_VERSION:
            raise SettingsError(
                f"{self.path} has format {found.format_version}, and this version of everycall reads {FORMAT_VERSION}.",
                hint="Use the version that wrote it, or move the file away and add the profiles again.",
            )
        return found

    def _read_secrets(self) -> Mapping[str, str]:
        if os.name == "posix" and self.secrets_path.exists() and stat.S_IMODE(self.secrets_path.stat().st_mode) & 0o077:
            raise SettingsError(
                f"Others on this machine can read {self.secrets_path}.",
                hint=f"Run chmod 600 '{self.secrets_path}', and give the OAuth clients new secrets.",
            )
        return self._decoded(self.secrets_path, dict[str, str]) or {}

    def _decoded(self, path: Path, kind: type[T]) -> T | None:
        """The content of a file; None if there is no file. Messages do not quote it."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what everycall wrote"
            raise SettingsError(
                f"{path} cannot be read: {reason}.", hint="Correct it, or move it away and add the profiles again."
            ) from None

    def _write(self, path: Path, content: Any) -> None:
        """Replace a file in one step; only the owner can read it."""
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
            aside.replace(path)
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be written: {error.strerror}.",
                hint=f"Make its folder writable, or name another one in {FOLDER_VARIABLE}.",
            ) from error


def _profile(name: str, entry: _Entry) -> Profile:
    return Profile(name, entry.client_id, entry.env, entry.store)


def profiles_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the profiles: that of `EVERYCALL_CONFIG_DIR`, or the platform's."""
    if named := environment.get(FOLDER_VARIABLE, "").strip():
        return Path(named)
    import platformdirs  # noqa: PLC0415 - only commands that need credentials need it

    return platformdirs.user_config_path("everycall", appauthor=False)
