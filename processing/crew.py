"""Who is at work: how many are wanted (the database), and what each says of itself (Redis, for as long as it lives)."""

import json
import logging
import socket
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User

from processing import accelerator, measured
from processing.models import Crew
from processing.queue import IO, PHOTOS, SOON, quick

log = logging.getLogger(__name__)

ALIVE = 15  # seconds that a worker is counted after its last sign
LOSSES = "photoproc:losses"
MOST_LOSSES = 20
TRIAL = "workers"  # what is measured of how many are best
REMEMBERED = 3600  # seconds that a machine is missed that has gone silent
NAMES = {PHOTOS: "w", SOON: "spare", IO: "io"}
HOST = socket.gethostname()[:60]
PROCESS = f"{HOST}:{uuid.uuid4().hex[:8]}"  # and those that it forks: containers of one machine count from the same pid


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


@dataclass(frozen=True)
class Machine:
    """What the pool of a machine said of itself last. `size` is how many workers it keeps at work; `trouble` a sentence
    that says why those are fewer than are wanted; `silent_since` is when it said something last, where that is long ago
    and it did not stop in order; `engines` names what models run on there, by model."""

    host: str
    size: int
    trouble: str
    silent_since: datetime | None
    engines: dict[str, str] = field(default_factory=dict)


def wanted(queue: str) -> int:
    """How many workers of a queue are to be at work on each machine."""
    size = Crew.objects.filter(queue=queue).values_list("size", flat=True).first()
    return size or usual(queue)


def usual(queue: str) -> int:
    """How many there are until an operator says otherwise: as many as the settings say, or as were best when it was
    tried here, or one per core."""
    if queue == IO:
        return settings.IO_WORKERS
    return settings.WORKERS or (measured.known(TRIAL, trial_of()) or {}).get("workers", settings.CORES)


def threads(size: int) -> int:
    """Of each of so many workers that make photos: all together as many as there are cores, and one each at least."""
    return max(1, settings.CORES // max(1, size))


def trial_of() -> str:
    """What the number of workers that is best depends on."""
    place = settings.STORAGE.bucket if settings.STORAGE else "disk"
    return f"{accelerator.wheel()}; {accelerator.processor()}; {settings.CORES}; {place}"


def want(queue: str, size: int, by: User) -> None:
    Crew.objects.update_or_create(queue=queue, defaults={"size": size, "by": by})


def name(queue: str, number: int) -> str:
    """What a worker is called: w1, w2, …, spare1, … and io1, io2, …"""
    return f"{NAMES[queue]}{number}"


# ---- what workers say of themselves --------------------------------------------------------------------------------


def say(sign: Sign) -> None:
    """So it stands with this worker; nobody is told while Redis is away."""
    try:
        with quick().pipeline(transaction=False) as pipe:
            pipe.sadd(_list(sign.queue), (key := _key(sign.queue, sign.pid)))
            pipe.set(key, _json(sign), ex=ALIVE)
            pipe.set(_lately(sign.queue), 1, ex=ALIVE)  # stays when its worker is gone, until another has begun
            pipe.execute()
    except redis.RedisError as error:
        log.debug("no sign of worker %s: %s", sign.name, error)


def gone(queue: str, pid: int) -> None:
    """That worker of this pool is at work no more; while Redis is away, it is seen until its sign expires."""
    try:
        quick().delete(_key(queue, pid))
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


# ---- what their machines say ---------------------------------------------------------------------------------------


def tell(queue: str, size: int, trouble: str = "", engines: Mapping[str, str] | None = None) -> None:
    """This machine keeps so many workers at work; nobody is told while Redis is away."""
    try:
        said = {"host": HOST, "size": size, "trouble": trouble, "at": quick().time()[0]}  # one clock for all machines
        with quick().pipeline(transaction=False) as pipe:
            pipe.hset(_machines(queue), _place(), json.dumps(said))
            if engines is not None:  # in a place of their own: what lies above, older releases read too
                pipe.hset(_engines(queue), _place(), json.dumps(dict(engines)))
            pipe.execute()
    except redis.RedisError as error:
        log.debug("machine %s is not told of: %s", HOST, error)


def leave(queue: str) -> None:
    """This machine stops in order, and is not missed."""
    try:
        _forget(queue, _place())
    except redis.RedisError as error:
        log.debug("machine %s leaves unseen: %s", HOST, error)


def machines(queue: str) -> list[Machine]:
    """Those that are here, and those that have gone silent lately, by host. Raises redis.RedisError."""
    now, found, engines = quick().time()[0], [], quick().hgetall(_engines(queue))
    for place, text in quick().hgetall(_machines(queue)).items():
        said = json.loads(text)
        at = said.pop("at")
        if now - at > REMEMBERED:
            _forget(queue, place)
        else:
            silent = datetime.fromtimestamp(at, UTC) if now - at > ALIVE else None
            found.append(Machine(**said, silent_since=silent, engines=json.loads(engines.get(place, "{}"))))
    return sorted(found, key=lambda machine: machine.host)


def kept(machines: Iterable[Machine]) -> int:
    """How many workers these keep at work: each as many as it has cores, where nobody said otherwise."""
    return sum(machine.size for machine in machines if not machine.silent_since)


def wanted_in_all(queue: str) -> int:
    """On all machines that are here; as on one that is like this, where none is known."""
    try:
        return kept(machines(queue)) or wanted(queue)
    except redis.RedisError:
        return wanted(queue)


def _forget(queue: str, place: str | bytes) -> None:
    for key in (_machines(queue), _engines(queue)):
        quick().hdel(key, place)


def _machines(queue: str) -> str:
    return f"photoproc:machines:{queue}"


def _engines(queue: str) -> str:
    return f"photoproc:engines:{queue}"


def _place() -> str:
    """The same after each start."""
    return f"{HOST}:{settings.DATA_DIR}"


# ---- how it is kept ------------------------------------------------------------------------------------------------


def _key(queue: str, pid: int) -> str:
    return f"photoproc:sign:{queue}:{PROCESS}:{pid}"


def _list(queue: str) -> str:
    return f"photoproc:signs:{queue}"


def _lately(queue: str) -> str:
    return f"photoproc:lately:{queue}"


def _json(said: Sign | Loss) -> str:
    return json.dumps(asdict(said), default=datetime.isoformat)


def _read(text: bytes | str, moment: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    return values | {moment: datetime.fromisoformat(values[moment])}
