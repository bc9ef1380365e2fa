"""A whole house of its own: every process, as `script/server` starts them, on a free port and a fresh data folder."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests import environment

PASSWORD = "the-house-of-the-tests"


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


class House:
    """Starts on construction; `stop` ends it and gives the supervisor's exit code."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        env = {
            **os.environ, "PHOTO_DATA_DIR": str(folder), "PORT": str(self.port), "PHOTO_ADMIN_PASSWORD": PASSWORD,
            **settings,
        }  # fmt: skip
        self.clients: list[httpx.Client] = []
        with self.log.open("wb") as log:
            self.supervisor = psutil.Popen(
                [str(environment.ROOT / "script" / "server")], env=env, cwd=environment.ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(self.ready, 60)
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
        for client in self.clients:
            client.close()
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

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What its database says, read from beside it."""
        connection = sqlite3.connect(f"file:{self.folder / 'db.sqlite3'}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def counts(self) -> dict[str, int]:
        return dict(self.rows("SELECT status, count(*) FROM processing_upload GROUP BY status"))

    def client(self) -> httpx.Client:
        """Signed in as the first superuser; posts carry the token of the form that came before."""
        client = httpx.Client(base_url=self.url, timeout=60, follow_redirects=False)
        self.clients.append(client)
        page = client.get("/account/login/").text
        answer = client.post("/account/login/", data={"username": "admin", "password": PASSWORD, **token(page)})
        assert answer.status_code == 302, answer.text
        return client

    def send(self, client: httpx.Client, files: dict[str, bytes], **recipe: str) -> str:
        """Hand files over with the plain form; gives the path of the job's page."""
        fields = {"model": "u2netp", "remove_bg": "on", **recipe, **token(client.get("/").text)}
        parts = [("files", (name, data)) for name, data in files.items()]
        answer = client.post("/", data=fields, files=parts)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


def token(page: str) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    return {"csrfmiddlewaretoken": found[1]}
