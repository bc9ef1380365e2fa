"""A stored file as an answer: whole, a range, nothing new; never wholly in memory, never left open."""

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path

from photoproc.addresses import storage_address
from processing import storage
from processing.delivery import stream
from processing.errors import PhotoError
from processing.storage import disk
from tests.bucket import Bucket, Fault, Proxy, proxy

CONTENT = bytes(range(256)) * 4  # 1,024 bytes
KEY = "7/1/results/shoe.png"


Keep = Callable[[bytes], object]


@pytest.fixture
def place(settings: Any) -> Path:
    """Where the stored file lies on the disk."""
    place: Path = settings.FILES_DIR / KEY
    place.parent.mkdir(parents=True)
    (settings.FILES_DIR / storage.MARK).write_text("disk:test")
    disk._known.add("disk:test")
    place.write_bytes(CONTENT)
    return place


@pytest.fixture(params=["disk", "bucket"])
def keep(request: pytest.FixtureRequest, settings: Any) -> Keep:
    """Stores other bytes; in a bucket, they are sent by us."""
    if request.param == "disk":
        write: Keep = request.getfixturevalue("place").write_bytes
        return write
    bucket: Bucket = request.getfixturevalue("bucket")
    settings.STORAGE = storage_address(bucket.address(direct="false"))
    bucket.put(f"house/{KEY}", CONTENT)
    return partial(bucket.put, f"house/{KEY}")


def asked(method: str = "GET", **headers: str) -> HttpRequest:
    return RequestFactory().generic(method, "/", headers={name.replace("_", "-"): v for name, v in headers.items()})


def answer(request: HttpRequest, **changes: Any) -> HttpResponseBase:
    values = {"content_type": "image/png", "filename": "shoe.png", "inline": True, "etag": "abc", "max_age": 60}
    return stream.file_response(request, KEY, **{**values, **changes})


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


async def test_a_whole_file(keep: Keep) -> None:
    response = answer(asked())
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
    response = answer(asked(), filename="Schöne Schuhe ☀.png", inline=False)
    header = response.headers["Content-Disposition"]
    assert header == "attachment; filename*=utf-8''Sch%C3%B6ne%20Schuhe%20%E2%98%80.png"
    response.close()


async def test_a_name_cannot_end_the_quotes(place: Path) -> None:
    response = answer(asked(), filename='a"; x="b.png', inline=False)
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
async def test_a_range(keep: Keep, range_header: str, first: int, last: int) -> None:
    response = answer(asked(Range=range_header))
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/1024"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert await body(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("range_header", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_past_the_end(keep: Keep, range_header: str) -> None:
    response = answer(asked(Range=range_header))
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */1024"
    assert await body(response) == b""


@pytest.mark.parametrize(
    "range_header",
    ["bytes=9-3", "bytes=-", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes", "bytes=" + "9" * 5000 + "-"],
)
async def test_a_range_that_need_not_be_understood_gives_the_whole(place: Path, range_header: str) -> None:
    response = answer(asked(Range=range_header))
    assert response.status_code == 200
    assert await body(response) == CONTENT


async def test_a_range_of_another_version_gives_the_whole(place: Path) -> None:
    same = answer(asked(Range="bytes=0-9", If_Range='"abc"'))
    other = answer(asked(Range="bytes=0-9", If_Range='"old"'))
    assert await body(same) == CONTENT[:10]
    assert (other.status_code, await body(other)) == (200, CONTENT)


@pytest.mark.parametrize("known", ['"abc"', 'W/"abc"', '"old", "abc"', "*"])
async def test_what_is_known_already_is_not_sent_again(place: Path, known: str) -> None:
    response = answer(asked(If_None_Match=known, Range="bytes=0-9"))
    assert response.status_code == 304
    assert response.headers["ETag"] == '"abc"'
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert await body(response) == b""


async def test_another_version_is_sent(place: Path) -> None:
    assert await body(answer(asked(If_None_Match='"old"'))) == CONTENT


async def test_head_says_the_size_and_opens_nothing(place: Path) -> None:
    response = answer(asked("HEAD", Range="bytes=0-9"))
    assert (response.status_code, response.headers["Content-Length"]) == (200, "1024")
    assert not response.streaming
    assert str(place) not in open_files()


@pytest.mark.parametrize(("method", "sent"), [("GET", b"made"), ("HEAD", b"")])
async def test_of_what_is_made_while_it_is_sent_head_makes_nothing(method: str, sent: bytes) -> None:
    pieces = (piece for piece in [b"made"])
    response = stream.made_now(asked(method), stream.Chunks(pieces, pieces.close), {"Content-Type": "text/csv"})
    assert (response.headers["Content-Type"], await body(response)) == ("text/csv", sent)


async def test_an_empty_file(keep: Keep) -> None:
    keep(b"")
    response = answer(asked())
    assert (response.status_code, response.headers["Content-Length"], await body(response)) == (200, "0", b"")
    assert answer(asked(Range="bytes=0-")).status_code == 416


def test_a_file_that_is_gone(keep: Keep) -> None:
    storage.delete([KEY])
    with pytest.raises(PhotoError) as caught:
        answer(asked())
    assert caught.value.code == "original_missing"


async def test_without_an_age_it_is_asked_for_again_each_time(place: Path) -> None:
    response = answer(asked(), max_age=0)
    assert response.headers["Cache-Control"] == "private, no-cache"
    response.close()


async def test_a_client_that_goes_away_leaves_nothing_open(place: Path) -> None:
    place.write_bytes(bytes(3 * storage.CHUNK))
    response = answer(asked())
    assert isinstance(response, StreamingHttpResponse)
    pieces = aiter(response)
    assert len(await anext(pieces)) == storage.CHUNK
    assert str(place) in open_files()
    response.close()
    assert str(place) not in open_files()
    assert [piece async for piece in pieces] == []


async def test_a_client_that_goes_away_leaves_no_connection_to_the_bucket_open(bucket: Bucket, settings: Any) -> None:
    bucket.put(f"house/{KEY}", bytes(3 * storage.CHUNK))
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.address(direct="false"))
        response = answer(asked())
        assert isinstance(response, StreamingHttpResponse)
        assert await anext(aiter(response))
        assert len(connections(before)) == 1
        response.close()
        assert connections(before) == []


def connections(to: Proxy) -> list[Any]:
    port = urlsplit(to.endpoint).port
    return [one for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == port]


async def test_a_client_that_goes_away_before_the_first_byte_leaves_nothing_open(place: Path) -> None:
    response = answer(asked())
    response.close()
    assert isinstance(response, StreamingHttpResponse)
    assert [piece async for piece in response] == []
    assert str(place) not in open_files()


async def test_a_bucket_that_breaks_off_breaks_the_answer_off(bucket: Bucket, settings: Any) -> None:
    bucket.put(f"house/{KEY}", CONTENT)
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.address(direct="false"))
        before.method, before.always = "GET", Fault(cut_answer=True)
        response = answer(asked())
        with pytest.raises(PhotoError) as caught:
            await body(response)
    assert caught.value.code == "storage_unavailable"


async def test_memory_stays_flat(place: Path) -> None:
    os.truncate(place, 200_000_000)
    gc.collect()
    tracemalloc.start()
    response = answer(asked())
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
async def large_file(request: HttpRequest) -> HttpResponseBase:
    return answer(request)


urlpatterns = [path("", large_file)]


async def test_a_connection_that_breaks_leaves_nothing_open(place: Path, settings: Any) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    os.truncate(place, 50_000_000)
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
        "path": "/",
        "headers": [],
        "query_string": b"",
    }
    await ASGIHandler()(scope, receive, send)
    assert gone.is_set()
    assert sent < 2_000_000
    assert str(place) not in open_files()


# ---- from the bucket itself ------------------------------------------------------------------------------------------


@pytest.fixture
def direct(bucket: Bucket) -> Bucket:
    """A bucket from which people fetch by themselves, with the file in it."""
    bucket.put(f"house/{KEY}", CONTENT)
    return bucket


def fetched(response: HttpResponseBase) -> httpx.Response:
    return httpx.get(response.headers["Location"])


@pytest.mark.parametrize("max_age", [0, 60])
def test_the_bucket_gives_the_file_with_our_headers(direct: Bucket, max_age: int) -> None:
    response = answer(asked(), max_age=max_age, inline=False, filename="Schöne Schuhe, ☀.png")
    got = fetched(response)
    assert (response.status_code, got.status_code, got.content) == (302, 200, CONTENT)
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Content-Disposition"] == (
        "attachment; filename*=utf-8''Sch%C3%B6ne%20Schuhe%2C%20%E2%98%80.png"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    ("max_age", "minutes", "kept"),
    [
        (0, 60, "private, no-cache"),
        (60, 60, "private, max-age=60"),
        (31_536_000, 60, "private, max-age=1800"),
        (3600, 1, "private, max-age=30"),
    ],
)
def test_nobody_is_sent_to_an_address_that_has_run_out(
    direct: Bucket, settings: Any, max_age: int, minutes: int, kept: str
) -> None:
    settings.STORAGE = replace(settings.STORAGE, minutes=minutes)
    response = answer(asked(), max_age=max_age)
    assert response.headers["Cache-Control"] == kept
    assert f"X-Amz-Expires={60 * minutes}" in response.headers["Location"]


async def test_what_is_public_can_be_fetched_no_longer_than_it_may_be_kept(direct: Bucket, settings: Any) -> None:
    response = answer(asked(), max_age=3600, public=True)
    assert (response.status_code, response.headers["Cache-Control"]) == (302, "public, max-age=1800")
    settings.STORAGE = replace(settings.STORAGE, minutes=61)
    ours = answer(asked(), max_age=3600, public=True)
    assert (ours.status_code, ours.headers["Cache-Control"]) == (200, "public, max-age=3600")
    assert await body(ours) == CONTENT
    assert answer(asked(), max_age=3600).status_code == 302


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
async def test_who_comes_with_a_token_is_not_led_elsewhere_with_it(direct: Bucket, header: str) -> None:
    token = {"Authorization": "Bearer pho_secret", "X-Api-Key": "pho_secret"}[header]
    for response in (answer(asked(**{header: token})), answer(asked(**{header: token}), max_age=0)):
        assert (response.status_code, response.headers["ETag"], await body(response)) == (200, '"abc"', CONTENT)


def test_a_password_of_a_proxy_before_us_is_no_token(direct: Bucket) -> None:
    assert answer(asked(Authorization="Basic eDp5")).status_code == 302


async def test_a_head_and_a_script_of_another_origin_are_answered_by_us(direct: Bucket) -> None:
    head, script = answer(asked("HEAD")), answer(asked(Origin="https://shop.example.com", Range="bytes=0-9"))
    assert (head.status_code, head.headers["Content-Length"], head.headers["ETag"]) == (200, "1024", '"abc"')
    assert (script.status_code, await body(script)) == (206, CONTENT[:10])
    assert (await body(answer(asked("POST")))) == CONTENT


def test_what_is_known_already_is_judged_by_us(direct: Bucket) -> None:
    assert answer(asked(If_None_Match='"abc"')).status_code == 304
    assert answer(asked(If_Match='"old"')).status_code == 412
    assert answer(asked(If_None_Match='"old"')).status_code == 302


def test_a_picture_of_a_page_costs_no_question_and_what_is_fetched_is_looked_for(bucket: Bucket, settings: Any) -> None:
    with proxy(bucket) as before:
        settings.STORAGE = storage_address(before.url)
        assert answer(asked(), max_age=60).status_code == 302
        assert before.seen == []
        with pytest.raises(PhotoError) as caught:
            answer(asked(), max_age=0)
    assert caught.value.code == "original_missing"
