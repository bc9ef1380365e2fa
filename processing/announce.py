"""Tell those who watch that something changed: the only door to the channel layer, and only after the commit.

A nudge may be lost; watchers read the database again by themselves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)

T = TypeVar("T")
LOOK = 1.5  # seconds after which who waits looks without a nudge


def job_group(job_id: int) -> str:
    return f"job-{job_id}"


QUEUE_GROUP = "queue"  # of those who watch everybody's


def upload_changed(job_id: int, upload_id: int) -> None:
    transaction.on_commit(lambda: _publish(job_id, upload_id))


def job_changed(job_id: int) -> None:
    transaction.on_commit(lambda: _publish(job_id, None))


def queue_changed() -> None:
    """An operator changed something."""
    transaction.on_commit(lambda: _send(QUEUE_GROUP, {}))


@cache
def _connection(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)


def _publish(job_id: int, upload_id: int | None) -> None:
    _send(job_group(job_id), {"job_id": job_id, "upload_id": upload_id})


def _send(group: str, what: dict[str, int | None]) -> None:
    # The layer's own message on its own channel: 0.04 ms, where `async_to_sync(group_send)` costs 2.1.
    message = get_channel_layer().serialize({"type": "changed", **what})
    try:
        _connection(settings.REDIS_URL).publish(f"asgi__group__{group}", message)
    except redis.RedisError as error:
        log.warning("%s: watchers not told: %s", group, error)


async def until(job_id: int, look: Callable[[], Awaitable[tuple[T, bool]]], seconds: float) -> T:
    """What `look` sees at last: it looks at once, after each nudge, and now and then, until it says that this is it, or
    until the time is over."""
    layer = get_channel_layer()
    channel, end = await layer.new_channel(), asyncio.get_running_loop().time() + seconds
    with suppress(redis.RedisError, OSError):  # without Redis it looks now and then
        await layer.group_add(job_group(job_id), channel)
    try:
        while True:
            seen, is_it = await look()
            left = end - asyncio.get_running_loop().time()
            if is_it or left <= 0:
                return seen
            with suppress(TimeoutError):
                await asyncio.wait_for(layer.receive(channel), min(left, LOOK))
    finally:
        with suppress(redis.RedisError, OSError):
            await layer.group_discard(job_group(job_id), channel)
