"""Somebody who sends photos to a house and waits for them."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Self

import httpx
import psutil

from bench import made
from bench.ground import CHOOSES
from tests.environment import DATA, ROOT
from tests.house import PASSWORD, House, wait_for

OPEN = "SELECT count(*) FROM processing_upload WHERE status NOT IN ('completed', 'failed')"
FAILED = "SELECT name, error_code FROM processing_upload WHERE status = 'failed'"
LIMITS = {"PHOTO_API_RATE": "1000000/second", "LOG_LEVEL": "WARNING"}


class Visitor:
    """No two photos that are sent are the same file: those would be done already."""

    def __init__(self, house: House, client: httpx.Client, numbers: Iterator[int]) -> None:
        self.house, self.client, self.numbers = house, client, numbers

    @classmethod
    @contextmanager
    def of_a_house(cls, name: str, **settings: str) -> Iterator[Self]:
        """As people start one: it chooses its workers and its accelerator itself."""
        folder = DATA / name
        folder.mkdir()
        house = House(folder, **CHOOSES | LIMITS | settings)
        try:
            yield cls(house, house.client(), itertools.count())
        finally:
            house.stop()

    def form(self, photos: dict[str, bytes], recipe: dict[str, str]) -> httpx.Request:
        fresh = {name: made.marked(data, next(self.numbers)) for name, data in photos.items()}
        form = self.house.form(self.client, fresh, **recipe)
        form.read()  # put together now, and not while it is sent
        return form

    def send(self, form: httpx.Request) -> str:
        """Gives the path of the job's page."""
        # httpx copies what is left of a body at each piece that the socket takes: more work than the door has with it.
        line = HTTPConnection(form.url.host, form.url.port or 80)
        try:
            line.request("POST", form.url.raw_path.decode(), form.content, dict(form.headers))
            answer = line.getresponse()
            if answer.status != HTTPStatus.SEE_OTHER:
                raise RuntimeError(f"{answer.status}: {answer.read()!r}")
            return answer.headers["location"]
        finally:
            line.close()

    def another(self, name: str) -> Self:
        """Somebody else in the same house."""
        command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", name, "--email", ""]
        env = self.house.env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        return type(self)(self.house, self.house.client(name), self.numbers)

    def workers(self) -> list[psutil.Process]:
        """Those that its pool has forked for the pixels."""
        every = [one for one in self.house.processes("manage.py", "work") if "--io" not in one.cmdline()]
        return [one for one in every if one.ppid() in {other.pid for other in every}]

    def waiting(self) -> int:
        """How many photos are not done."""
        return int(self.house.rows(OPEN)[0][0])

    def wait(self, *, step: float = 0.05) -> None:
        """Until nothing is left to do; asked each `step` seconds."""
        wait_for(lambda: not self.waiting(), 600, step)
        if failed := self.house.rows(FAILED):
            raise RuntimeError(f"These photos failed: {failed}")

    def warm(self, photos: dict[str, bytes]) -> None:
        """Each worker has its model, and has met each size."""
        for _ in range(2):
            self.send(self.form(photos, {"variants": ""}))
            self.wait()
