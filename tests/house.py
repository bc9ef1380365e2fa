"""A whole house of its own: every process, as `script/server` starts them, on a free port and a fresh data folder."""

import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from tests import environment

PASSWORD = "the-house-of-the-tests"
DATABASE = "db.sqlite3"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], seconds: float, step: float = 0.2) -> Any:
    """The first true value of `what`. Raises AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(step)
    raise AssertionError(f"not within {seconds} s")


class Site:
    """What people and a database see of a photoproc, wherever its processes are."""

    def __init__(self, url: str, database: str) -> None:
        self.url, self.database = url, database
        self.clients: list[httpx.Client] = []
        self.signed_in = ""

    def leave(self) -> None:
        for client in self.clients:
            client.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What its database says, read from beside it."""
        with closing(self.connect()) as connection:
            return connection.execute(sql).fetchall()

    def change(self, sql: str) -> None:
        """Write into its database, from beside it."""
        with closing(self.connect()) as connection, connection:
            connection.execute(sql)

    def connect(self) -> Any:
        return psycopg.connect(self.database)

    def counts(self, job: str = "") -> dict[str, int]:
        """How many photos are in each state: all of them, or those of the job whose page has this path."""
        which = f"WHERE job_id = {job.strip('/').rpartition('/')[2]}" if job else ""
        return dict(self.rows(f"SELECT status, count(*) FROM processing_upload {which} GROUP BY status"))

    def client(self, name: str = "admin") -> httpx.Client:
        """Signed in, as the first superuser or another with that password; posts carry the token of the form that came
        before."""
        client = httpx.Client(base_url=self.url, timeout=60, follow_redirects=False)
        self.clients.append(client)
        page = client.get("/account/login/").text
        answer = client.post("/account/login/", data={"username": name, "password": PASSWORD, **token(page)})
        assert answer.status_code == 302, answer.text
        return client

    def session(self) -> str:
        """The key of a session of the first superuser's, of its own: one sign-in for all, and its row anew."""
        if not self.signed_in:
            self.signed_in = str(self.client().cookies["sessionid"])
        key = secrets.token_hex(16)
        self.change(
            "INSERT INTO django_session (session_key, session_data, expire_date) "
            f"SELECT '{key}', session_data, expire_date FROM django_session WHERE session_key = '{self.signed_in}'"
        )
        return key

    def send(self, client: httpx.Client, files: dict[str, bytes], **recipe: str) -> str:
        """Hand files over with the plain form; gives the path of the job's page."""
        answer = client.send(self.form(client, files, **recipe))
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def form(self, client: httpx.Client, files: dict[str, bytes], **recipe: str) -> httpx.Request:
        """The plain form, filled in, and all of its bytes at hand."""
        fields = {"model": "u2netp", "remove_bg": "on", **recipe, **token(client.get("/").text)}
        parts = [("files", (name, data)) for name, data in files.items()]
        request = client.build_request("POST", "/", data=fields, files=parts)
        request.read()
        return request


class House(Site):
    """Starts on construction; `stop` ends it and gives the supervisor's exit code."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "server.log"
        self.env = {
            **os.environ, "PHOTO_DATA_DIR": str(folder), "PORT": str(self.port), "PHOTO_ADMIN_PASSWORD": PASSWORD,
            "DATABASE_URL": database_of(folder, prepared()), "SECRET_KEY": "", **settings,
        }  # fmt: skip
        super().__init__(f"http://127.0.0.1:{self.port}", self.env["DATABASE_URL"])
        if not (self.database or (folder / DATABASE).exists()):
            shutil.copy(prepared() / DATABASE, folder)
        with self.log.open("wb") as log:
            self.supervisor = psutil.Popen(
                [str(environment.ROOT / "script" / "server")], env=self.env, cwd=environment.ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(self.ready, 180)  # on a busy machine
        except AssertionError:
            self.stop()
            raise AssertionError(self.log.read_text()) from None

    def ready(self) -> bool:
        assert self.supervisor.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        self.leave()
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
        return int(self.supervisor.wait(60))

    def processes(self, *words: str) -> list[psutil.Process]:
        """Its processes whose command line has all these words, oldest first."""
        found = []
        for process in self.supervisor.children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def connect(self) -> Any:
        return super().connect() if self.database else sqlite3.connect(self.folder / DATABASE, timeout=20)


@cache
def prepared() -> Path:
    """A folder with an empty database, migrated as `script/setup` does it: once for all houses of this process."""
    folder = Path(tempfile.mkdtemp(dir=environment.DATA))
    env = {**os.environ, "PHOTO_DATA_DIR": str(folder), "DATABASE_URL": database_of(folder), "SECRET_KEY": ""}
    subprocess.run([sys.executable, "script/prepare.py", "database"], cwd=environment.ROOT, env=env, check=True)
    return folder


def database_of(folder: Path, after: Path | None = None) -> str:
    """The address of a database for the house in this folder, where the tests run on PostgreSQL; else empty. It is made
    where there is none: empty, or as that of another folder."""
    server = os.environ.get(environment.DATABASE, "")
    if not server:
        return ""
    pattern = _name(after) if after else "template1"
    with closing(psycopg.connect(server, autocommit=True)) as connection, suppress(psycopg.errors.DuplicateDatabase):
        connection.execute(f"CREATE DATABASE {_name(folder)} TEMPLATE {pattern}")
    return f"{server.rpartition('/')[0]}/{_name(folder)}"


def _name(folder: Path) -> str:
    return f"house_{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def token(page: str) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    return {"csrfmiddlewaretoken": found[1]}
