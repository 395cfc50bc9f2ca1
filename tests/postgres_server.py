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

USERS = ("postgres", "nobody")
"""Who runs the server where root runs the tests."""

SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
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
    counter: int = 0

    def url(self, database: str, user: str = "everycall") -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}"

    def new_database(self) -> str:
        """The URL of a new and empty database."""
        self.counter += 1
        name = f"test_{self.counter}"
        self.psql("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def psql(self, database: str, *statements: str, user: str = "everycall") -> str:
        """Run statements by psql; what it prints, one line a row, cells separated by |."""
        commands = [part for statement in statements for part in ("-c", statement)]
        return self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, *commands)

    def end_connections(self) -> None:
        """End all connections but that of this command, as a restart of the server would."""
        others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
        self.psql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.binaries / program), "-h", str(self.folder), *arguments]
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
        run("initdb", "--username=everycall", "--auth=trust", "--encoding=UTF8", "--no-sync")
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
