"""A stored file as an answer: whole, a range, nothing new; never wholly in memory, never left open."""

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path

from processing.delivery import stream
from processing.errors import PhotoError

CONTENT = bytes(range(256)) * 4  # 1,024 bytes


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "stored"
    place.write_bytes(CONTENT)
    return place


def asked(method: str = "GET", **headers: str) -> HttpRequest:
    return RequestFactory().generic(method, "/", headers={name.replace("_", "-"): v for name, v in headers.items()})


def answer(request: HttpRequest, place: Path, **changes: Any) -> HttpResponseBase:
    values = {"content_type": "image/png", "filename": "shoe.png", "inline": True, "etag": "abc", "max_age": 60}
    return stream.file_response(request, place, **{**values, **changes})


async def body(response: HttpResponseBase) -> bytes:
    if isinstance(response, HttpResponse):
        return response.content
    assert isinstance(response, StreamingHttpResponse)
    whole = b"".join([piece async for piece in response])
    response.close()
    return whole


def open_files() -> set[str]:
    files = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed a moment ago
            files.add(os.readlink(one))
    return files


async def test_a_whole_file(place: Path) -> None:
    response = answer(asked(), place)
    assert response.status_code == 200
    assert response.headers["Content-Length"] == "1024"
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"] == 'inline; filename="shoe.png"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"] == '"abc"'
    assert await body(response) == CONTENT


async def test_a_name_in_any_script_is_kept(place: Path) -> None:
    response = answer(asked(), place, filename="Schöne Schuhe ☀.png", inline=False)
    header = response.headers["Content-Disposition"]
    assert header == "attachment; filename*=utf-8''Sch%C3%B6ne%20Schuhe%20%E2%98%80.png"
    response.close()


async def test_a_name_cannot_end_the_quotes(place: Path) -> None:
    response = answer(asked(), place, filename='a"; x="b.png', inline=False)
    assert response.headers["Content-Disposition"] == 'attachment; filename="a\\"; x=\\"b.png"'
    response.close()


@pytest.mark.parametrize(
    ("range_header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=1000-", 1000, 1023),
        ("bytes=1000-9999", 1000, 1023),
        ("bytes=-24", 1000, 1023),
        ("bytes=-9999", 0, 1023),
        ("bytes=1023-1023", 1023, 1023),
    ],
)
async def test_a_range(place: Path, range_header: str, first: int, last: int) -> None:
    response = answer(asked(Range=range_header), place)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/1024"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert await body(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("range_header", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_past_the_end(place: Path, range_header: str) -> None:
    response = answer(asked(Range=range_header), place)
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */1024"
    assert await body(response) == b""


@pytest.mark.parametrize(
    "range_header",
    ["bytes=9-3", "bytes=-", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes", "bytes=" + "9" * 5000 + "-"],
)
async def test_a_range_that_need_not_be_understood_gives_the_whole(place: Path, range_header: str) -> None:
    response = answer(asked(Range=range_header), place)
    assert response.status_code == 200
    assert await body(response) == CONTENT


async def test_a_range_of_another_version_gives_the_whole(place: Path) -> None:
    same = answer(asked(Range="bytes=0-9", If_Range='"abc"'), place)
    other = answer(asked(Range="bytes=0-9", If_Range='"old"'), place)
    assert await body(same) == CONTENT[:10]
    assert (other.status_code, await body(other)) == (200, CONTENT)


@pytest.mark.parametrize("known", ['"abc"', 'W/"abc"', '"old", "abc"', "*"])
async def test_what_is_known_already_is_not_sent_again(place: Path, known: str) -> None:
    response = answer(asked(If_None_Match=known, Range="bytes=0-9"), place)
    assert response.status_code == 304
    assert response.headers["ETag"] == '"abc"'
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert await body(response) == b""


async def test_another_version_is_sent(place: Path) -> None:
    assert await body(answer(asked(If_None_Match='"old"'), place)) == CONTENT


async def test_head_says_the_size_and_opens_nothing(place: Path) -> None:
    response = answer(asked("HEAD", Range="bytes=0-9"), place)
    assert (response.status_code, response.headers["Content-Length"]) == (200, "1024")
    assert not response.streaming
    assert str(place) not in open_files()


@pytest.mark.parametrize(("method", "sent"), [("GET", b"made"), ("HEAD", b"")])
async def test_of_what_is_made_while_it_is_sent_head_makes_nothing(method: str, sent: bytes) -> None:
    pieces = (piece for piece in [b"made"])
    response = stream.made_now(asked(method), stream.Chunks(pieces, pieces.close), {"Content-Type": "text/csv"})
    assert (response.headers["Content-Type"], await body(response)) == ("text/csv", sent)


async def test_an_empty_file(place: Path) -> None:
    place.write_bytes(b"")
    response = answer(asked(), place)
    assert (response.status_code, response.headers["Content-Length"], await body(response)) == (200, "0", b"")
    assert answer(asked(Range="bytes=0-"), place).status_code == 416


def test_a_file_that_is_gone(place: Path, db: None) -> None:
    place.unlink()
    with pytest.raises(PhotoError) as caught:
        answer(asked(), place)
    assert caught.value.code == "original_missing"


async def test_without_an_age_it_is_asked_for_again_each_time(place: Path) -> None:
    response = answer(asked(), place, max_age=0)
    assert response.headers["Cache-Control"] == "private, no-cache"
    response.close()


async def test_a_client_that_goes_away_leaves_nothing_open(place: Path) -> None:
    place.write_bytes(bytes(3 * stream.CHUNK))
    response = answer(asked(), place)
    assert isinstance(response, StreamingHttpResponse)
    pieces = aiter(response)
    assert len(await anext(pieces)) == stream.CHUNK
    assert str(place) in open_files()
    response.close()
    assert str(place) not in open_files()
    assert [piece async for piece in pieces] == []


async def test_a_client_that_goes_away_before_the_first_byte_leaves_nothing_open(place: Path) -> None:
    response = answer(asked(), place)
    assert str(place) in open_files()
    response.close()
    assert str(place) not in open_files()


async def test_memory_stays_flat(tmp_path: Path) -> None:
    place = tmp_path / "large"
    with place.open("wb") as file:
        file.truncate(200_000_000)
    gc.collect()
    tracemalloc.start()
    response = answer(asked(), place)
    assert isinstance(response, StreamingHttpResponse)
    sent = 0
    async for piece in response:
        sent += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    response.close()
    assert sent == 200_000_000
    assert peak < 3_000_000


@login_not_required
async def large_file(request: HttpRequest, name: str) -> HttpResponseBase:
    return answer(request, Path("/tmp") / name)


urlpatterns = [path("<path:name>", large_file)]


async def test_a_connection_that_breaks_leaves_nothing_open(tmp_path: Path, settings: Any) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    place = tmp_path / "large"
    with place.open("wb") as file:
        file.truncate(50_000_000)
    gone, sent = asyncio.Event(), 0

    async def receive() -> dict[str, Any]:
        if not begun.is_set():
            begun.set()
            return {"type": "http.request", "body": b""}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))
        if sent > 1_000_000:
            assert str(place) in open_files()
            gone.set()
            await asyncio.sleep(10)

    begun = asyncio.Event()
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/{place.relative_to('/tmp')}",
        "headers": [],
        "query_string": b"",
    }
    await ASGIHandler()(scope, receive, send)
    assert gone.is_set()
    assert sent < 2_000_000
    assert str(place) not in open_files()
