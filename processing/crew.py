"""Who is at work: how many are wanted (the database), and what each says of itself (Redis, for as long as it lives)."""

from dataclasses import dataclass
from datetime import datetime


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
    """How many workers of a queue are to be at work."""
    raise NotImplementedError


def at_work(queue: str) -> list[Sign]:
    """Raises redis.RedisError."""
    raise NotImplementedError


def losses() -> list[Loss]:
    """The last ones, newest first. Raises redis.RedisError."""
    raise NotImplementedError
