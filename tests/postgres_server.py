"""A PostgreSQL server of the tests' own: in a temporary folder, reachable by a socket only, and gone at the end.

The programs come from the machine's packages (Debian and Ubuntu: apt-get install postgresql). PostgreSQL refuses to run
as root, so where root runs the tests, the server runs as another user.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DATABASE = "postgres"
"""The one that every server has; to make another one takes a second."""

USERS = ("postgres", "nobody")
"""Who runs the server where root runs the tests."""

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "64MB",
    "autovacuum": "off",
}
"""A socket and no port; and the data need not outlast a power cut."""

LOGINS = """
local all secretive scram-sha-256
local all all trust
"""
"""The user `secretive` has to give a password."""


@dataclass
class PostgresServer:
    """A running server."""

    folder: Path
    """Of its socket."""
    binaries: Path

    def url(self, user: str = "everycall") -> str:
        """The URL of its database."""
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self.folder), safe='')}"

    def clear(self) -> None:
        """Remove what tests have made."""
        schemas = "nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')"
        for schema in self.psql(f"SELECT nspname FROM pg_namespace WHERE {schemas}").split():
            self.psql(f'DROP SCHEMA "{schema}" CASCADE')

    def psql(self, *statements: str, user: str = "everycall") -> str:
        """Run statements by psql; what it prints, one line a row, cells separated by |."""
        commands = [part for statement in statements for part in ("-c", statement)]
        options = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", user, "-d", DATABASE]
        command = [str(self.binaries / "psql"), *options, *commands]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.strip()


def binaries() -> Path | None:
    """Where PostgreSQL's programs are; None if it is not installed."""
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    )
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())


@contextmanager
def running(programs: Path) -> Iterator[PostgresServer]:
    """Start a server, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="everycall-postgresql-"))  # a socket's path has to be short
    user, group = _user()
    if user is not None and group is not None:
        os.chown(folder, user, group)
    data = folder / "data"
    environ = {**os.environ, "LC_ALL": "C"}

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), "-D", str(data), *arguments], check=True, cwd=folder, env=environ, timeout=120,
            stdout=subprocess.DEVNULL, user=user, group=group,
        )  # fmt: skip

    try:
        run("initdb", "--username=everycall", "--auth=trust", "--encoding=UTF8", "--no-sync", "--wal-segsize=1")
        settings = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"{settings}unix_socket_directories = '{folder}'\n")
        (data / "pg_hba.conf").write_text(LOGINS)
        run("pg_ctl", "start", "--wait", "--silent", "--log", str(folder / "log"))
        try:
            yield PostgresServer(folder, programs)
        finally:
            run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> tuple[int, int] | tuple[None, None]:
    """The ids of another user than root, and of that user's group; None if this process is not root."""
    if os.geteuid() != 0:
        return None, None
    import pwd  # noqa: PLC0415 - Windows has none

    for name in USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise AssertionError(f"root cannot run PostgreSQL, and there is none of the users {', '.join(USERS)}")
