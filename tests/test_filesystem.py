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


def test_a_file_goes_on_at_its_end_or_begins_anew(tmp_path: Path) -> None:
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


def test_a_file_that_is_not_there_has_no_size_and_can_be_removed(tmp_path: Path) -> None:
    DISK.unlink(tmp_path / "a")

    assert DISK.size(tmp_path / "a") is None
    assert not DISK.exists(tmp_path / "a")


def test_a_folder_is_made_once_and_goes_with_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for _ in range(2):
        DISK.make_folder(folder)
    (folder / "a").write_bytes(b"abc")
    assert DISK.is_folder(folder)
    assert DISK.is_writable(folder)
    assert DISK.size(folder / "a") == 3

    DISK.remove_folder(folder)

    assert not DISK.exists(folder)


def test_two_temporary_folders_are_different() -> None:
    folders = [DISK.temporary_folder() for _ in range(2)]
    for folder in folders:
        DISK.remove_folder(folder)

    assert folders[0] != folders[1]


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        DISK.open(tmp_path / "nowhere" / "a", "wb")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse it elsewhere, or nowhere")
def test_to_sync_is_to_ask_the_system() -> None:
    """Which says that it cannot, where nothing is kept."""
    with DISK.open(Path("/dev/null"), "wb") as file, pytest.raises(OSError, match="Invalid argument"):
        DISK.sync(file)
    with pytest.raises(OSError, match="Invalid argument"):
        DISK.sync_folder(Path("/proc"))


def test_to_sync_a_folder_takes_no_handle_for_good(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        free = file.fileno()
    DISK.sync_folder(tmp_path)

    with (tmp_path / "a").open("wb") as file:
        assert file.fileno() == free
