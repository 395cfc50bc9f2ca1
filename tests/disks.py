"""The simulation's disk that forgets, as a filesystem for a test of one promise."""

from pathlib import Path

from simulation.disk import SimDisk


class Disk(SimDisk):
    """Without links; a folder goes only when it is empty."""

    def is_link(self, path: Path) -> bool:  # noqa: ARG002
        """See `Filesystem.is_link`."""
        return False

    def remove_folder(self, path: Path) -> None:
        """See `Filesystem.remove_folder`."""
        if not self.files(path):
            super().remove_folder(path)
