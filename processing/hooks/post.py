"""One message to one address, bounded in time and in what is read of the answer. Knows no database."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from django.conf import settings

from processing import guard
from processing.errors import PhotoError
from processing.intake.download import CONNECT, no_answer, pause

SECONDS = 20  # until it has begun to answer
PATIENCE = 2  # seconds more for the beginning of the answer's body
LONGEST_BODY = 2_000  # characters that are kept of it
LONGEST_HEADER = 200
KEPT_HEADERS = ("content-type", "content-length", "date", "location", "retry-after", "server", "x-request-id")


@dataclass(frozen=True)
class Answer:
    """What came back, and how long that took in s; no status where nothing did, but why. `pause`: so many seconds it
    wants to be left alone."""

    seconds: float
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    pause: float = 0

    @property
    def is_heard(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == HTTPStatus.GONE

    @property
    def text(self) -> str:
        """For people."""
        if self.status is None:
            return self.error
        return " ".join([str(self.status), *(known.phrase for known in HTTPStatus if known == self.status)])


def client() -> httpx.AsyncClient:
    """For messages of many people to many addresses: it keeps no cookies."""
    return guard.client(
        settings.FETCH_ALLOW,
        timeout=httpx.Timeout(None, connect=CONNECT),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def headers(signed: Mapping[str, str]) -> dict[str, str]:
    """All that are sent: how it is signed, and who sends what."""
    agent = f"photoproc/{settings.VERSION} (+{settings.URL})"
    return {"content-type": "application/json", "accept-encoding": "identity", "user-agent": agent, **signed}


async def post(client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    began = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS):
            response = await client.send(client.build_request("POST", url, content=body, headers=headers), stream=True)
    except TimeoutError:
        error = f"The address took longer than {SECONDS} s."
    except PhotoError as known:
        error = known.message
    except (httpx.HTTPError, httpx.InvalidURL) as unknown:
        error = no_answer(unknown).message
    else:
        return await _read(response, began)
    return Answer(time.monotonic() - began, error=error)


async def _read(response: httpx.Response, began: float) -> Answer:
    seconds, kept = time.monotonic() - began, {name: response.headers.get(name) for name in KEPT_HEADERS}
    try:
        body = await _beginning(response)
    finally:
        await response.aclose()
    found = {name: value[:LONGEST_HEADER] for name, value in kept.items() if value}
    return Answer(seconds, response.status_code, found, body, pause=pause(response))


async def _beginning(response: httpx.Response) -> str:
    """Of its body, as text that every database keeps. How it goes on, or that it does not, changes nothing."""
    data = bytearray()
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(PATIENCE):
            async for piece in response.aiter_raw():
                data += piece
                if len(data) >= 4 * LONGEST_BODY:  # a character of UTF-8 has four bytes at most
                    break
    return data[: 4 * LONGEST_BODY].decode(errors="replace").replace("\0", "")[:LONGEST_BODY]
