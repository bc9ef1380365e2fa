"""A PostgreSQL of the tests' own: Debian's, on a free port and a fresh folder."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.environment import DATA
from tests.house import free_port

USER, PASSWORD = "photo", "the-database-of-the-tests"
WITHIN = 30.0  # seconds until it answers
# A kill loses nothing without fsync, as the kernel lives on; the rest stays as people have it.
FLAGS = {"fsync": "off", "full_page_writes": "off", "unix_socket_directories": "", "max_connections": "200"}
# Words in the order of a language, and not of bytes: what only holds for bytes is to be seen.
ORDER = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]


def programs() -> Path | None:
    """The folder of its programs: the newest of Debian's, else that on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("postgres")
    return Path(found).parent if found else None


def start(folder: Path, host: str = "127.0.0.1") -> "Postgres":
    """Its log lies in `folder`. Raises RuntimeError."""
    return Postgres(folder, host)


class Postgres:
    """`url` is the address of an empty database.

    Its data lie in a folder of their own under the temporary one: it refuses to run as root, and the user that it runs
    as in root's place could not enter a folder of a test.
    """

    def __init__(self, folder: Path, host: str) -> None:
        found = programs()
        if found is None:
            raise RuntimeError("There is no PostgreSQL: script/test --postgres installs it.")
        self.programs, self.host, self.port = found, host, free_port()
        self.log = folder / "postgres.log"
        self.place = Path(tempfile.mkdtemp(prefix="photoproc-postgres-", dir=DATA.parent))
        self._make()
        self.begin()
        self.url = self.database("photo")

    def _make(self) -> None:
        password = self.place / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.place, password):
                shutil.chown(path, "postgres", "postgres")
        people = ["-U", USER, "--pwfile", str(password), "-A", "scram-sha-256"]
        self._run("initdb", "-D", str(self.place / "data"), *people, *ORDER, "--no-sync")
        with (self.place / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all all scram-sha-256\n")  # from other machines too

    def begin(self) -> None:
        """Also once more after a kill: on the same port, with all its data."""
        flags = {**FLAGS, "listen_addresses": self.host, "port": str(self.port)}
        words = [f"--{name}={value}" for name, value in flags.items()]
        with self.log.open("ab") as log:
            self.process = psutil.Popen(
                self._command("postgres", "-D", str(self.place / "data"), *words),
                cwd=self.place, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + WITHIN
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.05)

    def answers(self) -> bool:
        command = self._command("pg_isready", "-h", self.host, "-p", str(self.port))
        return subprocess.run(command, cwd=self.place, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def database(self, name: str) -> str:
        """The address of the database of this name; it is made where there is none yet."""
        there = f"SELECT FROM pg_database WHERE datname = '{name}'"
        wanted = f"SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS ({there}) \\gexec\n"
        self._run("psql", "-qX", f"{self._address}/postgres", sent=wanted)
        return f"{self._address}/{name}"

    @property
    def _address(self) -> str:
        return f"postgres://{USER}:{PASSWORD}@{self.host}:{self.port}"

    def stop(self) -> None:
        """For good: its data go with it."""
        self.thaw()
        self.process.send_signal(signal.SIGINT)  # in order, and without waiting for those who are connected
        self.process.wait(WITHIN)
        shutil.rmtree(self.place, ignore_errors=True)

    def kill(self) -> None:
        """kill -9 of all its processes."""
        self.freeze()  # so that none is started meanwhile
        self._each(psutil.Process.kill)
        self.process.wait(WITHIN)

    def freeze(self) -> None:
        """The kernel still takes connections, and nobody answers them."""
        self.process.suspend()  # first, so that it starts no other
        self._each(psutil.Process.suspend)

    def thaw(self) -> None:
        self._each(psutil.Process.resume)

    def _each(self, act: Callable[[psutil.Process], None]) -> None:
        for process in [self.process, *self.process.children(recursive=True)] if self.process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):
                act(process)

    def _run(self, program: str, *words: str, sent: str = "") -> None:
        subprocess.run(
            self._command(program, *words), cwd=self.place, input=sent, text=True, check=True, timeout=WITHIN,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _command(self, program: str, *words: str) -> list[str]:
        """As user postgres where we are root; it dies with the thread that started it."""
        who = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *who, "--pdeathsig=INT", str(self.programs / program), *words]
