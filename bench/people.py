"""People at work on a house, by locust: `-m bench.people ADDRESS SECONDS`, with the sessions of all on its input.

The last line is what they heard. Each waits between two acts as somebody does who looks at what is there.
"""

from locust import HttpUser, between, task  # first: it gives all that waits below to gevent
from locust.env import Environment  # isort: split

import html
import itertools
import json
import random
import re
import sys
import time
from typing import Any

import gevent
from requests import Response
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from bench import made
from bench.heard import PAGE, Answer

COMING = 10  # people who come in a second
PHOTO = made.photo(made.sources(None)[0], *made.SIZES["1.5"])
NUMBERS = itertools.count()
RECIPE = {"model": "u2netp", "remove_bg": "on"}
CARD = re.compile(r'id="upload-card-(\d+)" data-state="(?:completed|review)"')
PICTURE = re.compile(r'<img src="(/photos/[^"]+)"')
SOCKET = "socket, until it shows the job"
LIVE, NONE = 101, 0  # of a socket that opened; of what had no answer

sessions: list[str] = []
answers: list[Answer] = []
broken: list[str] = []  # what went wrong in here


def heard(kind: str, ms: float, status: int) -> None:
    answers.append(Answer(kind, ms, status, time.time()))


def answered(name: str, response_time: float, response: Response | None, **_: Any) -> None:
    heard(name, response_time, NONE if response is None else response.status_code)


class Person(HttpUser):
    """Comes with a photo, watches it, looks at what was sent before, and takes results along."""

    wait_time = between(5, 15)

    def on_start(self) -> None:
        self.cookie = sessions.pop()
        self.client.cookies.set("sessionid", self.cookie)
        self.jobs: list[str] = []
        self.done: set[str] = set()  # photos
        self.kept: set[str] = set()  # pictures that the browser has
        self.following: gevent.Greenlet | None = None  # the page of a job that is open
        self.send()

    def on_stop(self) -> None:
        self.leave()

    # ---- acts -------------------------------------------------------------------------------------------------------

    @task
    def send(self) -> None:
        self.visit("/", f"{PAGE}a new job")
        photo = ("photo.jpg", made.marked(PHOTO, next(NUMBERS)), "image/jpeg")
        sent = self.client.post(
            "/", RECIPE, files={"files": photo}, headers={"X-CSRFToken": self.client.cookies["csrftoken"]},
            name="upload", allow_redirects=False,
        )  # fmt: skip
        if sent.status_code == 303:
            self.jobs.append(sent.headers["Location"])
            self.watch(self.jobs[-1])

    @task(4)
    def look_at_one(self) -> None:
        if self.jobs:
            self.watch(random.choice(self.jobs))

    @task(2)
    def look_at_all(self) -> None:
        self.pictures(self.visit("/jobs/", f"{PAGE}all jobs"))

    @task
    def look_closely(self) -> None:
        if self.done:
            self.pictures(self.visit(f"/photos/{random.choice([*self.done])}/", f"{PAGE}a photo"))

    @task
    def take_one(self) -> None:
        if self.done:
            self.get(f"/photos/{random.choice([*self.done])}/files/result?download", "download")

    @task
    def take_all(self) -> None:
        if self.done:
            self.get(f"{self.jobs[0]}results.zip", "download of a ZIP")

    # ---- what a browser does of it ----------------------------------------------------------------------------------

    def get(self, path: str, kind: str) -> Response:
        found: Response = self.client.get(path, name=kind, allow_redirects=False)
        return found

    def visit(self, path: str, kind: str) -> str:
        """Another page, so the socket of the one before goes."""
        self.leave()
        return str(self.get(path, kind).text)

    def watch(self, job: str) -> None:
        page = self.visit(job, f"{PAGE}a job")
        self.done.update(CARD.findall(page))
        self.pictures(page)
        self.following = gevent.spawn(self.follow, job)

    def follow(self, job: str) -> None:
        """Until it is killed. A socket that is refused, or closed by the house, is heard of."""
        address, headers = f"ws{self.host.removeprefix('http')}/live{job}", {"Cookie": f"sessionid={self.cookie}"}
        began = time.perf_counter()
        try:
            with connect(address, origin=Origin(self.host), additional_headers=headers) as socket:
                socket.recv()
                heard(SOCKET, 1000 * (time.perf_counter() - began), LIVE)
                for _ in socket:
                    pass
        except InvalidStatus as refused:
            heard(SOCKET, 0, refused.response.status_code)
        except (OSError, WebSocketException):
            heard(SOCKET, 0, NONE)

    def leave(self) -> None:
        if self.following:
            self.following.kill()
            self.following = None

    def pictures(self, page: str) -> None:
        new = {html.unescape(path) for path in PICTURE.findall(page)} - self.kept
        self.kept |= new
        for path in new:
            self.get(path, "picture in a page")


def main() -> None:
    address, seconds = sys.argv[1], float(sys.argv[2])
    sessions.extend(json.load(sys.stdin))
    environment = Environment(user_classes=[Person], host=address)
    environment.events.request.add_listener(answered)
    environment.events.user_error.add_listener(lambda exception, **_: broken.append(repr(exception)))
    runner = environment.create_local_runner()
    runner.start(len(sessions), spawn_rate=COMING)
    runner.spawning_greenlet.join()
    began = time.time()
    gevent.sleep(seconds)
    runner.quit()
    if broken:
        sys.exit(f"Not the house but a person broke: {broken[0]}")
    print(json.dumps({"began": began, "answers": answers}))


if __name__ == "__main__":
    main()
