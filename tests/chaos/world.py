"""A house of its own, and people who send to it at random while something bad is done to it; `check` says what came of
all that they sent.
"""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from random import Random

import httpx

from tests.chaos import check
from tests.chaos.found import Found
from tests.chaos.harms import age
from tests.chaos.load import SECONDS as SECONDS  # noqa: PLC0414  # where experiments look for it
from tests.chaos.load import Crowd, Sent, Way
from tests.chaos.ways import WAYS
from tests.environment import ROOT
from tests.house import PASSWORD, House
from tests.misbehaving import Misbehaving
from tests.receiver import listening

LEASE = 5  # seconds; a house in use has 20
QUICK = {
    "PHOTO_WORKERS": "2", "PHOTO_SPARE_WORKERS": "1", "PHOTO_IO_WORKERS": "2", "PHOTO_LEASE": str(LEASE),
    "PHOTO_HEARTBEAT": "1", "PHOTO_RETRY_DELAY": "1", "PHOTO_BREAKER_PAUSE": "1",
}  # fmt: skip


class World:
    """Starts on construction. `fetched` serves the photos of product CSVs, `receiver` hears the webhooks. `may_fail`
    are codes with which a good photo may end, `may_leave` says how many files killed processes may leave behind."""

    ways: Sequence[Way] = WAYS

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.numbers = count(1)  # of photos, none twice
        self.crowd: Crowd | None = None
        self.sent: list[Sent] = []
        self.wrong: list[str] = []
        self.last_upload = 0  # of which was asked already
        self.stack = ExitStack()
        try:
            self.fetched = Misbehaving()
            self.stack.callback(self.fetched.stop)
            self.receiver = self.stack.enter_context(listening())
            self.stranger = self.stack.enter_context(httpx.Client(timeout=60, follow_redirects=True))
            allow = sorted(self.fetched.allow | self.receiver.allow)
            allowed = " ".join(f"{host}:{port}" for host, port in allow)
            self.settings = {**QUICK, "PHOTO_FETCH_ALLOW": allowed, **self.ground()}
            self.begin(seed)
            self.house = House(folder, **self.settings)
            self.stack.callback(self._leave)
            self.token = self._token()
            self.hook, self.secret = self._hook()
        except BaseException:
            self.stack.close()
            raise

    def ground(self) -> dict[str, str]:
        """What the house stands on begins, and ends with the `stack`; the settings that lead the house there."""
        return {}

    def begin(self, seed: int, experiment: str = "") -> None:
        """All that is random follows from the seed and the name of the experiment."""
        self.rng = Random(f"{seed} {experiment}")
        self.may_fail: set[str] = set()
        self.may_leave = 0
        self.sent, self.wrong = [], []
        self.receiver.got.clear()

    @contextmanager
    def load(self, impatience: float = 0.2) -> Iterator[None]:
        """People send while this lasts, and SECONDS at least; `impatience` is how many of them ask again before they
        are answered. In the end each waits for the answer that is due."""
        begun = time.monotonic()
        self.crowd = Crowd(self, self.ways, impatience)
        try:
            yield
            time.sleep(max(0.0, begun + SECONDS - time.monotonic()))
        finally:
            self.crowd.end()
            self.sent += self.crowd.sent
            self.wrong += self.crowd.wrong

    def pause(self, least: float = 0.2, most: float = 0.7) -> None:
        """A random part of the time that people send."""
        time.sleep(self.rng.uniform(least, most) * SECONDS)

    def check(self, patience: float = 150) -> Found:
        """Wait until everything has ended, then ask for everything that was sent since `begin`."""
        return check.check(self, patience)

    def restart(self) -> None:
        """The house begins again, at another port, with what lies in its folder."""
        self.house = House(self.folder, **self.settings)

    def _leave(self) -> None:
        self.house.stop()  # whichever it is by then

    def stop(self) -> None:
        self.stack.close()

    def get(self, path: str) -> httpx.Response:
        return self.stranger.get(self.house.url + path, headers=self.who)

    def stored(self) -> set[str]:
        """The keys of all its files."""
        top = self.folder / "files"
        return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}

    def tidy_away(self, keys: Iterable[str]) -> None:
        """The house removes these files that no row names, as if they were two days old."""
        age(self.folder / "files" / key for key in keys)
        command = [sys.executable, "manage.py", "doctor", "--files", "--delete-unnamed"]
        subprocess.run(command, cwd=ROOT, env=self.house.env, stdout=subprocess.DEVNULL, check=False)  # 1: some miss

    @property
    def who(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _token(self) -> str:
        asked = {"username": "admin", "password": PASSWORD, "name": "chaos", "scopes": ["read", "write"]}
        return str(self._made("tokens", asked)["token"])

    def _hook(self) -> tuple[int, str]:
        """The webhook's id, and the secret by which it is signed."""
        made = self._made("webhooks", {"url": self.receiver.url}, **self.who)
        return int(str(made["id"])), str(made["secret"])

    def _made(self, path: str, asked: object, **headers: str) -> dict[str, object]:
        answer = httpx.post(f"{self.house.url}/api/v1/{path}", json=asked, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())
