"""How the queue stands."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, cast

import redis
from django.contrib.auth.models import User
from django.db.models import Count, Q
from ninja import Schema
from pydantic import Field

from processing import breaker, crew, pauses, queue
from processing.models import Status
from processing.overview import house, photos

STATE: dict[str, Any] = {
    "paused": None,
    "pauses": [{
        "person": None, "job_id": 412, "since": "2026-05-04T09:30:00Z", "by": "olga", "drains": True, "left": 31,
    }],
    "counts": {"new": 0, "queued": 12, "processing": 2, "completed": 840, "failed": 3, "cancelled": 1},
    "waiting": 6, "workers": 2, "workers_wanted": 2,
    "at_work": [{
        "name": "w1", "host": "shop", "pid": 4711, "since": "2026-05-04T08:00:00Z", "photos": 38, "memory": 402653184,
        "upload_id": 8123,
    }],
    "breakers": [{
        "name": "fetch:img.example.com", "state": "open", "failures": 5, "reason": "The server does not answer.",
        "opened_at": "2026-05-04T09:12:00Z", "probe_at": "2026-05-04T09:13:00Z", "tripped_by": None, "parked": 18,
    }],
    "oldest_wait": 4.2, "people": [{"name": "kim", "queued": 12, "processing": 2}],
}  # fmt: skip


class Paused(Schema):
    """No further photo is begun; where it drains, only what was queued since then is held."""

    since: datetime
    by: str | None
    drains: bool
    left: int | None = Field(description="Photos still to go before it has drained.")


class PartPaused(Paused):
    """Of the photos of one person, or of one job."""

    person: str | None
    job_id: int | None


class Worker(Schema):
    """What a worker said of itself last, a few seconds ago at most."""

    name: str
    host: str
    pid: int
    since: datetime
    photos: int = Field(description="That it has worked on since then.")
    memory: int = Field(description="Resident bytes.")
    upload_id: int | None = Field(description="The photo that it works on.")


class BreakerState(Schema):
    """Something that the house depends on. While it is open, nobody asks it, and what needs it waits."""

    name: str = Field(description="`storage`, `fetch:` or `hooks:` and a host, or `model:` and its name.")
    state: Literal["closed", "open", "half open"]
    failures: int = Field(description="In a row.")
    reason: str = Field(description="Of the last failure.")
    opened_at: datetime | None
    probe_at: datetime | None = Field(description="When one photo is let through to see.")
    tripped_by: str | None = Field(description="The operator who opened it: it stays open until it is reset.")
    parked: int = Field(description="Photos behind it: they wait and lose no try.")


class Person(Schema):
    """Somebody who has photos in the queue."""

    name: str
    queued: int
    processing: int


class Queue(Schema):
    """How it stands. `waiting` (handed to the workers, and not begun), `workers` and `at_work` are null while Redis is
    away."""

    model_config = {"json_schema_extra": {"examples": [STATE]}}

    paused: Paused | None = Field(description="The whole queue.")
    pauses: list[PartPaused] = Field(description="Of parts of it.")
    counts: dict[Status, int] = Field(description="Photos by state, everybody's.")
    waiting: int | None
    workers: int | None
    workers_wanted: int = Field(description="On each machine.")
    at_work: list[Worker] | None
    breakers: list[BreakerState] = Field(description="Storage, and whatever else failed last.")
    oldest_wait: float | None = Field(description="Seconds that one waits at most for a worker.")
    people: list[Person]


def now() -> Queue:
    """How everybody's photos stand, and who works on them."""
    held = [_paused(one) for one in pauses.all_ones()]
    return Queue(
        paused=next((one for one in held if not one.person and not one.job_id), None),
        pauses=[one for one in held if one.person or one.job_id],
        counts=photos.by_state(), **_redis(), workers_wanted=crew.wanted(queue.PHOTOS),
        breakers=[_breaker(one) for one in house.breakers(breaker.parked())], oldest_wait=photos.waited(),
        people=_people(),
    )  # fmt: skip


def _paused(one: pauses.Hold) -> PartPaused:
    pause = one.pause
    return PartPaused(
        person=_name(pause.owner), job_id=pause.job_id, since=pause.since, by=_name(pause.by), drains=pause.drains,
        left=one.left,
    )  # fmt: skip


def _breaker(one: house.Needed) -> BreakerState:
    row = one.row
    return BreakerState(
        name=row.name, state=cast(Any, row.state), failures=row.failures, reason=row.reason, opened_at=row.opened_at,
        probe_at=row.probe_at, tripped_by=_name(row.tripped_by), parked=one.parked,
    )  # fmt: skip


def _name(person: User | None) -> str | None:
    return person.get_username() if person else None


def _redis() -> dict[str, Any]:
    try:
        signs = crew.at_work(queue.PHOTOS) + crew.at_work(queue.SOON)
        at_work = [Worker(**asdict(sign)) for sign in signs]
        waiting = queue.waiting(queue.PHOTOS) + queue.waiting(queue.SOON)
        return {"waiting": waiting, "workers": queue.workers(queue.PHOTOS), "at_work": at_work}
    except redis.RedisError:
        return {"waiting": None, "workers": None, "at_work": None}


def _people() -> list[Person]:
    """Those who have photos in the queue, who has most of them first."""
    active = photos.photos().filter(status__in=[Status.QUEUED, Status.PROCESSING])
    queued, processing = (Count("pk", filter=Q(status=state)) for state in (Status.QUEUED, Status.PROCESSING))
    rows = active.values_list("job__owner__username").annotate(queued=queued, processing=processing)
    found = [Person(name=name, queued=queued, processing=processing) for name, queued, processing in rows]
    return sorted(found, key=lambda one: (-one.queued, one.name))
