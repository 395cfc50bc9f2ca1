"""The order in which credentials are looked for; all three values come from one place, which is named."""

from pathlib import Path

import pytest

from everycall.credentials import find_credentials
from everycall.errors import CredentialsMissing, SettingsError
from everycall.profiles import Keyring, Profiles

ENVIRONMENT = {"GENESYS_CLIENT_ID": "e", "GENESYS_CLIENT_SECRET": "environment", "GENESYS_ENV": "us-east-1"}
DOTENV = "GENESYS_CLIENT_ID=d\nGENESYS_CLIENT_SECRET=dotenv\nGENESYS_ENV=eu-west-1\n"


def no_keyring() -> None:
    raise ImportError


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    found = Profiles(tmp_path / "settings", Keyring(no_keyring))  # type: ignore[arg-type]
    found.add("prod", "p", "eu-central-1", "of prod")
    found.add("test", "t", "london", "of test")
    return found


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(DOTENV)
    return path


@pytest.mark.parametrize(
    ("profile", "environment", "has_dotenv", "secret", "source"),
    [
        ("test", ENVIRONMENT, True, "of test", "profile test"),
        (None, ENVIRONMENT, True, "environment", "the environment"),
        (None, {}, True, "dotenv", ".env"),
        (None, {}, False, "of prod", "profile prod"),
    ],
)
def test_the_first_place_that_has_all_three_values_is_used_and_named(
    profiles: Profiles, dotenv: Path, profile: str | None, environment: dict[str, str], has_dotenv: bool, secret: str,
    source: str,
) -> None:  # fmt: skip
    place = dotenv if has_dotenv else dotenv.with_name("missing")
    found = find_credentials(profile, environment=environment, dotenv=place, profiles=profiles)

    assert (found.client_secret, found.source) == (secret, source)


def test_a_value_is_never_filled_up_from_another_place(profiles: Profiles, dotenv: Path) -> None:
    for environment in ({"GENESYS_ENV": "us-east-1"}, {"GENESYS_CLIENT_SECRET": "half"}):
        with pytest.raises(CredentialsMissing, match="all three have to come from one place"):
            find_credentials(environment=environment, dotenv=dotenv, profiles=profiles)
        with pytest.raises(CredentialsMissing, match="not set"):
            find_credentials(environment=environment, dotenv=dotenv.with_name("missing"), profiles=profiles)


def test_without_any_the_error_names_every_way(tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match="there is no default profile") as caught:
        find_credentials(environment={}, dotenv=tmp_path / ".env", profiles=Profiles(tmp_path))

    assert "everycall profile add NAME" in caught.value.hint
    assert "--sandbox" in caught.value.hint


def test_a_named_profile_that_does_not_exist_is_not_replaced_by_the_environment(profiles: Profiles) -> None:
    with pytest.raises(SettingsError, match="There is no profile 'live'"):
        find_credentials("live", environment=ENVIRONMENT, profiles=profiles)
