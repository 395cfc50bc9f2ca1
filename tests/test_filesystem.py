import stat
import sys
from pathlib import Path

import pytest

from everycall.filesystem import SystemFilesystem

DISK = SystemFilesystem()


def test_what_is_written_and_synced_can_be_read(tmp_path: Path) -> None:
    with DISK.open(tmp_path / "a", "wb") as file:
        file.write(b"abc")
        DISK.sync(file)

        assert DISK.read(tmp_path / "a") == b"abc"


def test_a_file_can_be_appended_to_or_written_anew(tmp_path: Path) -> None:
    for mode, data in (("wb", b"old"), ("wb", b"a"), ("ab", b"b")):
        with DISK.open(tmp_path / "a", mode) as file:  # type: ignore[arg-type]
            file.write(data)

    assert DISK.read(tmp_path / "a") == b"ab"


def test_a_file_takes_the_name_of_another(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    DISK.replace(tmp_path / "new", tmp_path / "old")
    DISK.sync_folder(tmp_path)

    assert DISK.files(tmp_path) == [tmp_path / "old"]
    assert DISK.read(tmp_path / "old") == b"new"


def test_a_file_has_two_names_until_one_of_them_goes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "taken").touch()
    with pytest.raises(FileExistsError):
        DISK.link(tmp_path / "a", tmp_path / "taken")
    DISK.link(tmp_path / "a", tmp_path / "b")
    DISK.unlink(tmp_path / "a")

    assert DISK.read(tmp_path / "b") == b"abc"


def test_a_file_gets_no_third_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    DISK.link(tmp_path / "a", tmp_path / "b")

    with pytest.raises(OSError, match="two names"):
        DISK.link(tmp_path / "a", tmp_path / "c")


def test_a_file_that_is_not_there_has_no_size_and_can_be_removed(tmp_path: Path) -> None:
    DISK.unlink(tmp_path / "a")

    assert DISK.size(tmp_path / "a") is None
    assert not DISK.exists(tmp_path / "a")


def test_a_folder_is_made_once_and_goes_only_when_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for _ in range(2):
        DISK.make_folder(folder)
    (folder / "a").write_bytes(b"abc")
    assert DISK.is_folder(folder)
    assert DISK.is_writable(folder)
    assert DISK.size(folder / "a") == 3

    DISK.remove_folder(folder)
    assert DISK.files(folder) == [folder / "a"]
    DISK.unlink(folder / "a")
    DISK.remove_folder(folder)

    assert not DISK.exists(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("file_mode", [0o600, 0o640])
def test_a_new_file_gets_the_chosen_mode_and_one_that_is_written_anew_keeps_its_own(
    tmp_path: Path, file_mode: int
) -> None:
    (tmp_path / "old").touch(0o644)
    for name in ("new", "old"):
        SystemFilesystem(file_mode).open(tmp_path / name, "wb").close()

    assert (mode(tmp_path / "new"), mode(tmp_path / "old")) == (file_mode, 0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_file_that_takes_the_name_of_another_gets_its_mode(tmp_path: Path) -> None:
    (tmp_path / "old").touch(0o644)
    for name in ("new", "newer"):
        DISK.open(tmp_path / name, "wb").close()
    DISK.replace(tmp_path / "new", tmp_path / "old")
    DISK.replace(tmp_path / "newer", tmp_path / "another")

    assert (mode(tmp_path / "old"), mode(tmp_path / "another")) == (0o644, 0o600)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_new_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    DISK.make_folder(tmp_path / "folder")

    assert mode(tmp_path / "folder") == 0o700


def test_a_link_is_known_whether_what_it_points_to_is_there_or_not(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")

    assert [DISK.is_link(tmp_path / name) for name in ("link", "dangling", "folder")] == [True, True, False]


def test_what_a_file_holds_can_be_read_from_any_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdef")
    with DISK.open(tmp_path / "a", "rb") as file:
        file.seek(2)

        assert (file.read(3), file.read()) == (b"cde", b"f")


def test_two_temporary_folders_are_different() -> None:
    folders = [DISK.temporary_folder() for _ in range(2)]
    for folder in folders:
        DISK.remove_folder(folder)

    assert folders[0] != folders[1]


def test_a_failed_write_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        DISK.open(tmp_path / "nowhere" / "a", "wb")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse it elsewhere, or nowhere")
def test_sync_calls_fsync() -> None:
    """Which says that it cannot, where nothing is kept."""
    with DISK.open(Path("/dev/null"), "wb") as file, pytest.raises(OSError, match="Invalid argument"):
        DISK.sync(file)
    with pytest.raises(OSError, match="Invalid argument"):
        DISK.sync_folder(Path("/proc"))


def test_syncing_a_folder_closes_its_handle(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        free = file.fileno()
    DISK.sync_folder(tmp_path)

    with (tmp_path / "a").open("wb") as file:
        assert file.fileno() == free
