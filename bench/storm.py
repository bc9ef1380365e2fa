"""Pages of jobs that are open in browsers, and a web process that is killed under them: all come again at once.

Each does what static/js/live.js does: it opens its socket anew, after a pause that grows, and polls meanwhile, less
often after an answer that was slow.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Origin

from bench.heard import Answer

POLL, SLOW, LONGEST = 2.0, 1.0, 30.0  # seconds
REST = 10  # times as long as a slow answer took nothing is asked
PATIENCE = 180.0  # seconds until all are to be live
SOCKET, POLLED = "socket, opened anew", "poll while there is no socket"
Headers = dict[str, str]


@dataclass
class Pages:
    """How many are live, when the last one became it, and what the others were answered."""

    address: str
    live: int = 0
    at: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    async def open(self, job: str, cookie: str, client: httpx.AsyncClient) -> None:
        """Until it is cancelled."""
        headers, is_live = {"Cookie": f"sessionid={cookie}"}, asyncio.Event()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow(f"ws{self.address.removeprefix('http')}/live{job}", headers, is_live))
            both.create_task(self._poll(f"{self.address}{job}changes", headers, is_live, client))

    async def _follow(self, address: str, headers: Headers, is_live: asyncio.Event) -> None:
        tries = 0
        while True:
            began = time.perf_counter()
            try:
                async with connect(
                    address, origin=Origin(self.address), additional_headers=headers, open_timeout=LONGEST
                ) as socket:
                    await socket.recv()
                    self._heard(SOCKET, began, 101)
                    is_live.set()
                    self.live, self.at, tries = self.live + 1, time.monotonic(), 0
                    async for _ in socket:
                        pass
            except InvalidStatus as refused:
                self._heard(SOCKET, began, refused.response.status_code)
            except TimeoutError:
                self._heard(SOCKET, began, 0)
            except (OSError, WebSocketException):
                pass  # nobody is there
            if is_live.is_set():
                is_live.clear()
                self.live -= 1
            await asyncio.sleep(min(LONGEST, 2 ** min(tries, 5)) * (0.5 + random.random() / 2))
            tries += 1

    async def _poll(self, address: str, headers: Headers, is_live: asyncio.Event, client: httpx.AsyncClient) -> None:
        await is_live.wait()
        await asyncio.sleep(POLL * random.random())  # pages were not opened at the same moment
        while True:
            await asyncio.sleep(POLL)
            if not is_live.is_set():
                took = await self._asked(address, headers, client)
                await asyncio.sleep(min(LONGEST, REST * took) if took > SLOW else 0)

    async def _asked(self, address: str, headers: Headers, client: httpx.AsyncClient) -> float:
        """The seconds that it took, where it went well."""
        began = time.perf_counter()
        try:
            answer = await client.get(address, headers=headers)
            self._heard(POLLED, began, answer.status_code)
            return time.perf_counter() - began if answer.is_success else 0
        except httpx.TimeoutException:
            self._heard(POLLED, began, 0)
        except httpx.TransportError:
            pass  # nobody is there
        return 0

    def _heard(self, kind: str, began: float, status: int) -> None:
        self.answers.append(Answer(kind, 1000 * (time.perf_counter() - began), status, time.time()))

    async def reach(self, count: int) -> float:
        """Waits until so many are live, and gives the moment when the last one became it. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while self.live != count:
                await asyncio.sleep(0.05)
        return self.at


@dataclass(frozen=True)
class Storm:
    """What the pages were answered after the kill, and how many seconds after it all were live again."""

    answers: list[Answer]
    back: float


async def storm(address: str, jobs: Sequence[tuple[str, str]], kill: Callable[[], object]) -> Storm:
    """`jobs` are pairs of the path of a job's page and the cookie of its owner, one for each page that is open; `kill`
    ends the web process. Raises TimeoutError."""
    pages = Pages(address)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=len(jobs)), timeout=LONGEST) as client:
        opened = [asyncio.create_task(pages.open(*job, client)) for job in jobs]
        try:
            await pages.reach(len(jobs))
            pages.answers.clear()
            killed = time.monotonic()
            kill()
            await pages.reach(0)
            return Storm(pages.answers, await pages.reach(len(jobs)) - killed)
        finally:
            for page in opened:
                page.cancel()
            await asyncio.gather(*opened, return_exceptions=True)
