"""Who is at work: how many are wanted (the database), and what each says of itself (Redis, for as long as it lives)."""

import json
import logging
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User

from processing.models import Crew
from processing.queue import IO, PHOTOS, quick

log = logging.getLogger(__name__)

ALIVE = 15  # seconds that a worker is counted after its last sign
LOSSES = "photoproc:losses"
MOST_LOSSES = 20


@dataclass(frozen=True)
class Sign:
    """What a worker said of itself last. `memory` is resident bytes; `upload_id` what it works on."""

    name: str
    queue: str
    host: str
    pid: int
    since: datetime
    photos: int
    memory: int
    upload_id: int | None


@dataclass(frozen=True)
class Loss:
    """A worker that ended when nobody asked it to."""

    name: str
    at: datetime
    why: str


def wanted(queue: str) -> int:
    """How many workers of a queue are to be at work: of each pool, where there are several."""
    size = Crew.objects.filter(queue=queue).values_list("size", flat=True).first()
    return size or usual(queue)


def usual(queue: str) -> int:
    """How many there are until an operator says otherwise."""
    return settings.IO_WORKERS if queue == IO else settings.WORKERS


def want(queue: str, size: int, by: User) -> None:
    Crew.objects.update_or_create(queue=queue, defaults={"size": size, "by": by})


def name(queue: str, number: int) -> str:
    """What a worker is called: w1, w2, … and io1, io2, …"""
    return f"{'w' if queue == PHOTOS else queue}{number}"


# ---- what workers say of themselves --------------------------------------------------------------------------------


def say(sign: Sign) -> None:
    """So it stands with this worker; nobody is told while Redis is away."""
    try:
        with quick().pipeline(transaction=False) as pipe:
            pipe.sadd(_list(sign.queue), (key := _key(sign.queue, sign.host, sign.pid)))
            pipe.set(key, _json(sign), ex=ALIVE)
            pipe.set(_lately(sign.queue), 1, ex=ALIVE)  # stays when its worker is gone, until another has begun
            pipe.execute()
    except redis.RedisError as error:
        log.debug("no sign of worker %s: %s", sign.name, error)


def gone(queue: str, pid: int) -> None:
    """That worker of this machine is at work no more; while Redis is away, it is seen until its sign expires."""
    try:
        quick().delete(_key(queue, socket.gethostname(), pid))
    except redis.RedisError as error:
        log.debug("worker %s leaves unseen: %s", pid, error)


def at_work(queue: str) -> list[Sign]:
    """By name. Raises redis.RedisError."""
    keys = sorted(quick().smembers(_list(queue)))
    said = dict(zip(keys, quick().mget(keys), strict=True)) if keys else {}
    gone = [key for key in keys if said[key] is None]
    if gone:
        quick().srem(_list(queue), *gone)
    signs = [Sign(**_read(text, "since")) for text in said.values() if text]
    return sorted(signs, key=lambda sign: (sign.host, len(sign.name), sign.name))


def lately(queue: str) -> bool:
    """Whether any was at work a moment ago. Raises redis.RedisError."""
    return bool(quick().exists(_lately(queue)))


def lost(loss: Loss) -> None:
    """Somebody is to see it; nobody does while Redis is away."""
    try:
        with quick().pipeline(transaction=False) as pipe:
            pipe.lpush(LOSSES, _json(loss))
            pipe.ltrim(LOSSES, 0, MOST_LOSSES - 1)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("the loss of worker %s is not told: %s", loss.name, error)


def losses() -> list[Loss]:
    """The last ones, newest first. Raises redis.RedisError."""
    return [Loss(**_read(text, "at")) for text in quick().lrange(LOSSES, 0, -1)]


def _key(queue: str, host: str, pid: int) -> str:
    return f"photoproc:sign:{queue}:{host}:{pid}"


def _list(queue: str) -> str:
    return f"photoproc:signs:{queue}"


def _lately(queue: str) -> str:
    return f"photoproc:lately:{queue}"


def _json(said: Sign | Loss) -> str:
    return json.dumps(asdict(said), default=datetime.isoformat)


def _read(text: bytes | str, moment: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    return values | {moment: datetime.fromisoformat(values[moment])}
