"""People who send at random, each time in one of the `ways`, and who keep what they were told was taken."""

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from tests.house import PASSWORD, token
from tests.reliability.test_kills import photo

if TYPE_CHECKING:
    from tests.chaos.world import World

PEOPLE = 3
SECONDS = float(os.environ.get("PHOTO_CHAOS_SECONDS", "4"))  # that people send, at least
MOST = int(2 * SECONDS)  # things that one person sends, however long a harm lasts
PAUSE = (0.2, 1.2)  # seconds between two things that somebody sends
PATIENCE = 90.0  # seconds that an answer is waited for once nobody sends any more
GIVES_UP = 0.1  # of those who were not answered: they go away, and what they sent may have come or not
LOGIN = "/account/login/"
IN_A_HURRY = 0.03  # seconds after which some ask again
SMALL = {"remove_bg": "false", "size": "64x48", "fit": "pad"}
RECIPES: Sequence[Mapping[str, str]] = (SMALL, SMALL, {"remove_bg": "true", "model": "u2netp"})

Way = Callable[["Person"], None]
Post = Callable[[httpx.Timeout], httpx.Response]


@dataclass
class Sent:
    """What somebody handed over in one go, however often it was asked. `photos` has their SHA-256, by itself or by the
    address that it is fetched from; `job` is known once it was acknowledged. `size` is that of the results;
    `may_stay_open` says that nobody was told that its job is closed."""

    way: str
    photos: dict[str, str]
    size: str = ""
    job: int | None = None
    may_stay_open: bool = False
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"{self.way} {self.key}"


class Crowd:
    """They send from the start, until `end`."""

    def __init__(self, world: "World", ways: Sequence[Way], impatience: float) -> None:
        self.world, self.ways, self.impatience = world, ways, impatience
        self.sent: list[Sent] = []
        self.wrong: list[str] = []
        self.over = Event()
        self.until = float("inf")
        self.people = [Person(self, Random(world.rng.random())) for _ in range(PEOPLE)]
        for person in self.people:
            person.start()

    def end(self) -> None:
        self.until = monotonic() + PATIENCE
        self.over.set()
        for person in self.people:
            person.join()


class Person(Thread):
    def __init__(self, crowd: Crowd, rng: Random) -> None:
        super().__init__(daemon=True)
        self.crowd, self.world, self.rng = crowd, crowd.world, rng
        self.csrf: dict[str, str] = {}

    def run(self) -> None:
        with httpx.Client(headers=self.world.who) as self.api, httpx.Client() as self.browser:
            for _ in range(MOST):
                if self.crowd.over.is_set():
                    return
                way = self.rng.choice(self.crowd.ways)
                try:
                    way(self)
                except Exception as error:
                    self.crowd.wrong.append(f"{way.__name__}: {error!r}")
                self.crowd.over.wait(self.rng.uniform(*PAUSE))

    # ---- what is sent ------------------------------------------------------------------------------------------------

    def some(self, least: int, most: int) -> dict[str, bytes]:
        """Photos by their names; none is ever made twice."""
        names = [f"photo-{next(self.world.numbers)}.jpg" for _ in range(self.rng.randint(least, most))]
        return {name: photo(self.rng.getrandbits(60)) for name in names}

    def sending(self, way: str, photos: dict[str, str], recipe: Mapping[str, str] = {}) -> Sent:
        """It is written down before it is asked, as nobody knows whether an answer comes."""
        sent = Sent(way, photos, recipe.get("size", ""))
        self.crowd.sent.append(sent)
        return sent

    def post(self, sent: Sent, path: str, step: str = "", **what: Any) -> dict[str, Any] | None:
        """To the API, with the key of what is sent, or of a step of its way."""
        headers = {"Idempotency-Key": sent.key + step}

        def ask(wait: httpx.Timeout) -> httpx.Response:
            return self.api.post(self.world.house.url + path, headers=headers, timeout=wait, **what)

        answer = self.ask(sent.way, ask)
        if answer is None or not answer.is_success:
            return None
        return dict(answer.json()) if answer.content else {}

    def ask(self, way: str, ask: Post) -> httpx.Response | None:
        """The same again until it is answered; None where this person went away, or where that came never."""
        hurries = self.rng.random() < self.crowd.impatience
        while monotonic() < self.crowd.until:
            try:
                answer = ask(httpx.Timeout(30, read=IN_A_HURRY if hurries else 30))
            except httpx.TransportError:
                answer = None
            if answer is not None and not _passes(answer):
                if answer.status_code >= 400:
                    self.crowd.wrong.append(f"{way} was answered {answer.status_code}: {answer.text[:300]}")
                return answer
            if answer is None and not hurries and self.rng.random() < GIVES_UP:
                return None
            if not hurries:
                self.crowd.over.wait(0.3)
            hurries = False
        self.crowd.wrong.append(f"{way} was never answered")
        return None

    # ---- in a browser ------------------------------------------------------------------------------------------------

    def signed_in(self) -> str:
        """The house's address, where this person is signed in by now."""
        if not self.csrf:
            page = self._browsed("GET", LOGIN)
            if not page.is_redirect:  # else this was answered before, and what came next was not
                form = {"username": "admin", "password": PASSWORD, **token(page.raise_for_status().text)}
                if self._browsed("POST", LOGIN, data=form).status_code != 302:
                    raise httpx.ReadError("not signed in")
            self.csrf = token(self._browsed("GET", "/").raise_for_status().text)
        return self.world.house.url

    def _browsed(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Raises httpx.ReadError where the house asks for the same once more."""
        answer = self.browser.request(method, self.world.house.url + path, timeout=30, **what)
        if _passes(answer):
            raise httpx.ReadError("a little later")
        return answer


def _passes(answer: httpx.Response) -> bool:
    """Whether the house asks for the same once more, a little later."""
    if answer.status_code == 409:  # a page says it for nothing else
        return "json" not in answer.headers["content-type"] or answer.json()["code"] == "request_in_progress"
    return answer.status_code == 429 or answer.status_code > 500


# ---- files and their sums --------------------------------------------------------------------------------------------


def files(some: Mapping[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (name, data)) for name, data in some.items()]


def sums(photos: Mapping[str, bytes]) -> dict[str, str]:
    return {sum_of(data): sum_of(data) for data in photos.values()}


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
