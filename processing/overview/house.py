"""What the work depends on: the workers, what may not answer, the disk, and those who are told."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db.models import Count, Max, Min
from django.utils import timezone

from processing import breaker, crew, queue, reach, storage
from processing.crew import Loss, Machine, Sign
from processing.errors import PhotoError
from processing.hooks.deliver import OPEN
from processing.models import Breaker, Delivery, Upload
from processing.overview.pace import Usual

SLOW = 10.0  # seconds that no photo counts as slow, nor one that takes less than …
SLOW_TIMES = 3  # … so many times what 95 of 100 stay under


# ---- workers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Worker:
    """One worker, the photo in its hands and for how many seconds; `width` is its memory in thousandths of what it may
    use."""

    sign: Sign
    photo: Upload | None
    seconds: float
    is_slow: bool
    width: int


@dataclass(frozen=True)
class Workers:
    """Those that work on photos, the `spare` ones that take only photos of small jobs, and how many bring and deliver;
    so many are `wanted` on each of the machines, the spare ones not counted. Not `known` where Redis does not answer;
    `lately` says that some did a moment ago, as when the last one is being replaced."""

    wanted: int
    known: bool
    at_work: list[Worker]
    spare: list[Worker]
    io: int
    lost: list[Loss]
    lately: bool
    machines: list[Machine] = field(default_factory=list)

    @property
    def all(self) -> list[Worker]:
        return self.at_work + self.spare

    @property
    def hosts(self) -> int:
        """The machines that work on photos now."""
        return max(1, sum(not machine.silent_since for machine in self.machines))

    @property
    def wanted_in_all(self) -> int:
        return crew.kept(self.machines) or self.wanted

    @property
    def troubled(self) -> list[Machine]:
        """Those that have gone silent, or begin no photo."""
        return [machine for machine in self.machines if machine.silent_since or machine.trouble]


def workers(run: Usual | None) -> Workers:
    """`run` is how long photos usually take."""
    wanted, since = crew.wanted(queue.PHOTOS), timezone.now() - timedelta(hours=1)
    try:
        signs, spare = crew.at_work(queue.PHOTOS), crew.at_work(queue.SOON)
        io, losses = len(crew.at_work(queue.IO)), crew.losses()
        lately, machines = crew.lately(queue.PHOTOS), crew.machines(queue.PHOTOS)
    except redis.RedisError:
        return Workers(wanted, False, [], [], 0, [], lately=False)
    ids = [one.upload_id for one in signs + spare if one.upload_id]
    held = Upload.objects.only("name", "step", "started_at").in_bulk(ids)
    slow = max(SLOW, SLOW_TIMES * run.most if run else 0)
    at_work, beside = ([_worker(one, held.get(one.upload_id or 0), slow) for one in some] for some in (signs, spare))
    return Workers(wanted, True, at_work, beside, io, [loss for loss in losses if loss.at >= since], lately, machines)


def _worker(sign: Sign, photo: Upload | None, slow: float) -> Worker:
    seconds = (timezone.now() - photo.started_at).total_seconds() if photo and photo.started_at else 0.0
    width = min(1000, 1000 * sign.memory // settings.WORKER_MEMORY)
    return Worker(sign, photo, max(0.0, seconds), seconds > slow, width)


# ---- breakers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needed:
    """What the work needs: of what `kind` the `thing` is, its breaker, and how many photos are parked behind that."""

    row: Breaker
    kind: str
    thing: str
    parked: int

    @property
    def is_closed(self) -> bool:
        return self.row.state == Breaker.State.CLOSED

    @property
    def look_in(self) -> int:
        """Seconds until one is let through; 0 where that is due, or is not to be."""
        return max(0, round((self.row.probe_at - timezone.now()).total_seconds())) if self.row.probe_at else 0


KINDS = {"fetch": "fetching", "model": "model", "hooks": "webhooks"}
SHOWN = 20  # breakers: a CSV of dead addresses opens one for each host


def breakers(parked: Mapping[str, int], models: Iterable[str] = ()) -> list[Needed]:
    """The storage and these models, also where they never failed, and what is not well, the first few of it. Storage
    first, then by name: each keeps its place when its state changes, under the pointer of who presses its button."""
    rows = {name: Breaker(name=name) for name in (breaker.STORAGE, *map(breaker.model, models))}
    rows |= {row.name: row for row in breaker.troubled()[:SHOWN]}
    names = sorted(rows, key=lambda name: (name != breaker.STORAGE, name))
    return [_needed(rows[name], parked.get(name, 0)) for name in names]


def _needed(row: Breaker, parked: int) -> Needed:
    kind, _, thing = row.name.partition(":")
    return Needed(row, KINDS.get(kind, ""), "Storage" if row.name == breaker.STORAGE else thing, parked)


# ---- the disk, and those who are told -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Space:
    """Bytes of the disk that the files lie on; where they lie in a `bucket`, which has no end, of the disk that takes
    what comes. Below the `floor` nothing more is taken in."""

    free: int
    total: int
    floor: int
    bucket: str = ""

    @property
    def percent(self) -> int:
        return 100 * self.free // self.total if self.total else 0

    @property
    def is_full(self) -> bool:
        return self.free < self.floor


def space() -> Space | None:
    """None where the disk does not answer. A bucket is not asked: all who look would wait for it."""
    if settings.STORAGE:
        disk = shutil.disk_usage(settings.TMP_DIR)
        return Space(disk.free, disk.total, settings.FREE_SPACE_FLOOR, reach.storage_at())
    try:
        found = storage.space()
    except PhotoError:
        return None
    return Space(*found, settings.FREE_SPACE_FLOOR) if found else None


@dataclass(frozen=True)
class Webhooks:
    """What is to be told and was not heard yet; `failing` are the hosts that did not hear a try."""

    waiting: int
    oldest: datetime | None
    failing: list[str]


def webhooks() -> Webhooks:
    """What is for an endpoint that is paused, or gone, waits for nobody."""
    on = Delivery.objects.filter(OPEN, endpoint__paused_at=None, endpoint__gone_at=None).order_by()
    rows = on.values_list("endpoint__url", "callback__url").annotate(
        Count("pk"), Min("event__created_at"), Max("attempts")
    )
    found = [(to_all or to_one or "", count, oldest, tries) for to_all, to_one, count, oldest, tries in rows]
    failing = {urlsplit(url).hostname or url for url, _, _, tries in found if tries}
    oldest = min((oldest for _, _, oldest, _ in found), default=None)
    return Webhooks(sum(count for _, count, _, _ in found), oldest, sorted(failing))
