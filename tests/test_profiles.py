"""Profiles: what is kept where, and a keyring that may refuse, lie or hang."""

import os
import stat
import threading
from pathlib import Path

import pytest

from everycall.errors import CredentialsMissing, SettingsError
from everycall.profiles import Backend, Keyring, KeyringFailed, Profile, Profiles, profiles_folder

SECRET = "a secret that nobody may see"


class Working:
    """A keyring that answers."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Refusing(Working):
    """A keyring that is locked, and says so with the secret in its message."""

    def set_password(self, *arguments: str) -> None:
        raise RuntimeError(f"locked: {arguments}")

    def get_password(self, *_: str) -> str | None:
        raise RuntimeError(f"locked: {SECRET}")


class Forgetful(Working):
    """A keyring that keeps nothing."""

    def set_password(self, *_: str) -> None:
        pass


class Hanging(Working):
    """A keyring that waits for a person."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def get_password(self, *_: str) -> str | None:
        self.released.wait()
        return None

    def set_password(self, *_: str) -> None:
        self.released.wait()


def profiles(folder: Path, backend: Backend | None = None, limit_s: float = 10.0) -> Profiles:
    def load() -> Backend:
        if backend is None:
            raise ImportError
        return backend

    return Profiles(folder / "everycall", Keyring(load, limit_s))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_kept_in_the_keyring_where_it_answers(tmp_path: Path) -> None:
    keyring = Working()
    kept = profiles(tmp_path, keyring)
    added = kept.add("prod", "id", "eu-central-1", SECRET)

    assert added == Profile("prod", "id", "eu-central-1", "keyring")
    assert kept.secret(added) == SECRET
    assert keyring.kept == {("everycall", "prod"): SECRET}
    assert SECRET not in "".join(path.read_text() for path in kept.folder.iterdir())


@pytest.mark.parametrize("backend", [None, Refusing(), Forgetful()], ids=["not installed", "locked", "keeps nothing"])
def test_without_a_keyring_that_works_the_secret_is_in_a_file_of_the_owner(
    tmp_path: Path, backend: Backend | None
) -> None:
    kept = profiles(tmp_path, backend)
    added = kept.add("prod", "id", "eu-central-1", SECRET)

    assert added.store == "file"
    assert kept.secret(added) == SECRET
    assert (mode(kept.secrets_path), mode(kept.path), mode(kept.folder)) == (0o600, 0o600, 0o700)
    assert SECRET not in kept.path.read_text()


def test_a_keyring_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    hanging = Hanging()
    kept = profiles(tmp_path, hanging, limit_s=0.05)
    added = kept.add("prod", "id", "eu-central-1", SECRET)
    with pytest.raises(CredentialsMissing, match=r"did not answer within 0\.05 s") as caught:
        kept.secret(Profile("prod", "id", "eu-central-1", "keyring"))
    hanging.released.set()

    assert added.store == "file"
    assert "everycall profile add prod --secret-store file" in caught.value.hint


def test_a_locked_keyring_is_an_error_without_the_secret(tmp_path: Path) -> None:
    kept = profiles(tmp_path, Refusing())
    with pytest.raises(CredentialsMissing, match="it refused \\(RuntimeError\\)") as caught:
        kept.secret(Profile("prod", "id", "eu-central-1", "keyring"))

    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_a_keyring_of_the_real_package_that_keeps_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keyring")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(KeyringFailed, match="does not keep what it is given"):
        Keyring(limit_s=60).keep("prod", SECRET)


def test_the_keyring_that_is_asked_for_has_to_answer(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="keyring cannot be used: the package keyring is not installed") as caught:
        profiles(tmp_path).add("prod", "id", "eu-central-1", SECRET, "keyring")

    assert "everycall[keyring]" in caught.value.hint


def test_a_profile_that_moves_to_the_keyring_leaves_no_secret_in_the_file(tmp_path: Path) -> None:
    profiles(tmp_path).add("prod", "id", "eu-central-1", SECRET)
    kept = profiles(tmp_path, Working())
    kept.add("prod", "id", "eu-central-1", SECRET)

    assert SECRET not in kept.secrets_path.read_text()


def test_the_first_profile_is_the_default_until_another_one_is_used(tmp_path: Path) -> None:
    kept = profiles(tmp_path)
    kept.add("prod", "id", "eu-central-1", SECRET)
    kept.add("test", "other", "london", SECRET)
    assert kept.default == "prod"
    kept.use("test")

    assert kept.default == "test"
    assert [profile.name for profile in kept.all()] == ["prod", "test"]


def test_a_removed_profile_is_gone_with_its_secret(tmp_path: Path) -> None:
    keyring = Working()
    kept = profiles(tmp_path, keyring)
    kept.add("prod", "id", "eu-central-1", SECRET)
    kept.add("test", "id", "eu-central-1", SECRET, "file")

    assert kept.remove("prod")
    assert kept.remove("test")
    assert (kept.all(), kept.default, keyring.kept) == ([], "", {})
    assert SECRET not in kept.secrets_path.read_text()


def test_a_secret_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    kept = profiles(tmp_path)
    added = kept.add("prod", "id", "eu-central-1", SECRET)
    kept.secrets_path.unlink()
    with pytest.raises(CredentialsMissing, match="secret of profile 'prod' is gone") as caught:
        kept.secret(added)

    assert caught.value.hint == "Give it again: everycall profile add prod"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_of_secrets_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept = profiles(tmp_path)
    added = kept.add("prod", "id", "eu-central-1", SECRET)
    kept.secrets_path.chmod(0o644)
    with pytest.raises(SettingsError, match="Others on this machine can read") as caught:
        kept.secret(added)

    assert "chmod 600" in caught.value.hint


def test_an_unknown_profile_names_those_that_there_are(tmp_path: Path) -> None:
    kept = profiles(tmp_path)
    kept.add("prod", "id", "eu-central-1", SECRET)
    for act in (kept.get, kept.use, kept.remove):
        with pytest.raises(SettingsError, match="There is no profile 'live'") as caught:
            act("live")

        assert "There are: prod." in caught.value.hint


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x" * 65, "ä"])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="The name of a profile"):
        profiles(tmp_path).add(name, "id", "eu-central-1", SECRET)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"profiles": {"a": {}}}', b"\xff"])
def test_a_file_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    kept = profiles(tmp_path)
    kept.folder.mkdir()
    kept.path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"profiles\.json cannot be read") as caught:
        kept.all()

    assert caught.value.hint


def test_the_format_of_another_version_is_refused(tmp_path: Path) -> None:
    kept = profiles(tmp_path)
    kept.folder.mkdir()
    kept.path.write_bytes(b'{"formatVersion": 2}')
    with pytest.raises(SettingsError, match="has format 2"):
        kept.all()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "everycall").write_text("a file")
    with pytest.raises(SettingsError, match="cannot be"):
        profiles(tmp_path).add("prod", "id", "eu-central-1", SECRET)


def test_the_folder_is_the_platforms_unless_another_one_is_named() -> None:
    assert profiles_folder({}).name == "everycall"
    assert profiles_folder({"EVERYCALL_CONFIG_DIR": "/somewhere"}) == Path("/somewhere")
