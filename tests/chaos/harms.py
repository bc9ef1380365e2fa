"""What the world does to a house: each harm is a function, or a context manager where it ends again."""

import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.house import House, wait_for
from tests.intake.packing import packed
from tests.pictures import picture

PIECE = 256 * 1024  # bytes that are sent at once
LONG_AGO = 2 * 86400  # seconds: a file that is so old, and that nobody knows of, is tidied away
PHOTOS, PROCESS_UPLOAD = "photos", "processing.tasks.process_upload"  # RQ's queue of the photos, and its nudge


# ---- the web process -------------------------------------------------------------------------------------------------


def web(house: House) -> psutil.Process:
    return wait_for(lambda: house.processes("uvicorn"), 60)[0]


def cut_off(client: httpx.Client, request: httpx.Request, harm: Callable[[], None], *, after: int) -> None:
    """Send a request; when so many of its bytes are on their way the harm is done, and no answer comes."""
    whole = request.read()

    def body() -> Iterator[bytes]:
        for first in range(0, len(whole), PIECE):
            if first <= after < first + PIECE:
                harm()
            yield whole[first : first + PIECE]

    headers = {name: request.headers[name] for name in ("content-type", "content-length")}
    with suppress(httpx.TransportError):
        answer = client.post(request.url, content=body(), headers=headers)
        raise AssertionError(f"answered {answer.status_code}")


def age(files: Iterable[Path]) -> None:
    """They were last written long ago."""
    then = time.time() - LONG_AGO
    for file in files:
        with suppress(FileNotFoundError):
            os.utime(file, (then, then))


# ---- Redis -----------------------------------------------------------------------------------------------------------


def own_redis(house: House) -> psutil.Process:
    return wait_for(lambda: house.processes("redis-server"), 60)[0]


@contextmanager
def talking(house: House) -> Iterator[redis.Redis]:
    place = next(one.laddr for one in own_redis(house).net_connections("unix") if one.laddr)
    with closing(redis.Redis(unix_socket_path=place)) as client:
        yield client


@contextmanager
def refusing(house: House) -> Iterator[None]:
    """Its Redis answers, and takes nothing more: its memory is full."""
    with talking(house) as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


def nudge_twice(house: House, upload_ids: list[int]) -> None:
    """Two workers are told of each of these at the same moment, whoever has it already."""
    nudges = [Queue.prepare_data(PROCESS_UPLOAD, args=(pk,), timeout=-1) for pk in upload_ids for _ in range(2)]
    with talking(house) as client:
        Queue(PHOTOS, connection=client, serializer=JSONSerializer).enqueue_many(nudges)


# ---- the database ----------------------------------------------------------------------------------------------------


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Somebody beside the house writes into its SQLite, and does not come to an end."""
    with closing(sqlite3.connect(house.folder / "db.sqlite3", timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


# ---- files -----------------------------------------------------------------------------------------------------------


def promising(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""
    png = picture(format="PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def hostile_photos() -> dict[str, bytes]:
    """Those that the door refuses, and those that it takes, as their first bytes are well."""
    photo, png = picture(640, 480, quality=90), picture(640, 480, "PNG")
    middle = len(png) // 2
    return {
        "cut.jpg": photo[: len(photo) // 2],
        "flipped.png": png[:middle] + bytes(byte ^ 0xFF for byte in png[middle : middle + 64]) + png[middle + 64 :],
        "hollow.png": promising(4000, 4000),
        "giant.png": promising(60_000, 60_000),
        "page.jpg": b"<!doctype html><title>Not here</title>",
        "empty.jpg": b"",
        "head.gif": picture(format="GIF")[:20],
    }


def hostile_entries() -> dict[str, bytes]:
    """Of a ZIP: one is taken."""
    photo = picture(640, 480, quality=95)
    return {
        "../../climbs.jpg": photo[: len(photo) // 3],
        "inner.zip": packed({"photo.jpg": photo}),
    }
