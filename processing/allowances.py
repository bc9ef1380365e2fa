"""How much a person may send: photos a day, bytes stored, photos in flight.

The limits are those that an operator set for the person, else those of the house; where there is none, nothing is
counted. They hold for photos that come in, at every door. A retry or a redo is refused by none: it is no new photo,
though while it waits it is in flight. What is in flight are photos that wait or run, those of a started product CSV
from its Start. Stored are originals and all that was made of them, until their job is removed for good; a photo of a
ZIP or of an address is judged when it comes, as its bytes are not known before.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import Sum
from django.utils import timezone

from processing import show
from processing.errors import PhotoError
from processing.models import Allowance, ProductRow, Tally, Upload, Variant
from processing.models.jobs import ACTIVE
from processing.product_rows import RUNS

NEAR = 80  # percent, from which on the person is told louder
REMEMBERED = 10  # seconds that a process takes a sum for true which is long to add up


@dataclass(frozen=True)
class Allowed:
    """A limit and what is used of it: photos, or bytes."""

    name: str
    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def percent(self) -> int:
        return min(100, 100 * self.used // self.limit)

    @property
    def is_near(self) -> bool:
        return self.percent >= NEAR

    @property
    def sentence(self) -> str:
        return SAID[self.name][0](self)


def of(owner_id: int) -> dict[str, Allowed]:
    """Those of photos_a_day, stored_bytes and photos_in_flight that are limited for this person."""
    return {name: Allowed(name, USED[name](owner_id), limit) for name, limit in _limits(owner_id).items()}


def check(owner_id: int, photos: int, size: int = 0) -> None:
    """Whether so many photos of so many bytes may be taken in now. Must run in the transaction that takes them in,
    before they are written; of two at once the second waits for the first.

    Raises PhotoError `limit_reached`.
    """
    limits = _limits(owner_id)
    if not limits or not photos:
        return
    # FOR NO KEY UPDATE: whoever writes a row that names the person need not wait.
    User.objects.select_for_update(no_key=True).get(pk=owner_id)
    wanted = {"photos_a_day": photos, "stored_bytes": size, "photos_in_flight": photos}
    for name, limit in limits.items():
        _judge(Allowed(name, USED[name](owner_id), limit), wanted[name])


def check_room(owner_id: int, size: int) -> None:
    """Whether an original of so many bytes, whose photo was taken in before, may be stored.

    Nobody is made to wait for it: those that come within a few seconds may go over the limit together.
    Raises PhotoError `limit_reached`.
    """
    if limit := _limits(owner_id).get("stored_bytes"):
        used = cache.get_or_set(_sum(owner_id), partial(stored, owner_id), REMEMBERED) or 0
        _judge(Allowed("stored_bytes", used, limit), size)


def kept(owner_id: int, size: int) -> None:
    """An original for which there was room is stored."""
    with suppress(ValueError):  # nothing is remembered
        cache.incr(_sum(owner_id), size)


def _sum(owner_id: int) -> str:
    return f"stored-{owner_id}"


def _limits(owner_id: int) -> dict[str, int]:
    house = {
        "photos_a_day": settings.PHOTOS_A_DAY, "stored_bytes": settings.STORED_BYTES,
        "photos_in_flight": settings.PHOTOS_IN_FLIGHT,
    }  # fmt: skip
    if own := Allowance.objects.filter(owner=owner_id).first():
        mb = own.stored_mb
        said = {
            "photos_a_day": own.photos_a_day, "stored_bytes": None if mb is None else mb * settings.MB,
            "photos_in_flight": own.photos_in_flight,
        }  # fmt: skip
        house |= {name: limit for name, limit in said.items() if limit is not None}
    return {name: limit for name, limit in house.items() if limit}


# ---- what is used ---------------------------------------------------------------------------------------------------


def sent_today(owner_id: int) -> int:
    """Also those that were deleted since, or deleting would give them back."""
    today = Tally.objects.filter(owner=owner_id, day=timezone.localdate()).values_list("photos", flat=True).first()
    return today or 0


def stored(owner_id: int) -> int:
    """Bytes of the originals and of all that was made of them."""
    originals = Upload.objects.filter(job__owner=owner_id).exclude(source="").aggregate(sum=Sum("source_bytes"))["sum"]
    made = Variant.objects.filter(upload__job__owner=owner_id).aggregate(sum=Sum("bytes"))["sum"]
    return (originals or 0) + (made or 0)


def in_flight(owner_id: int) -> int:
    """Photos that wait or run, and those that rows of started CSVs are about to get."""
    here = Upload.objects.filter(job__owner=owner_id, job__deleted_at=None, status__in=ACTIVE).count()
    to_come = ProductRow.objects.filter(
        RUNS, job__owner=owner_id, job__is_open=True, job__deleted_at=None, row_photos=None
    )
    addresses = {(job, url) for job, urls in to_come.values_list("job", "urls") for url in urls}
    return here + len(addresses)


USED = {"photos_a_day": sent_today, "stored_bytes": stored, "photos_in_flight": in_flight}

# ---- what is said ---------------------------------------------------------------------------------------------------


def _judge(allowed: Allowed, more: int) -> None:
    """Raises PhotoError `limit_reached`."""
    if allowed.used + more > allowed.limit:
        raise PhotoError("limit_reached", reason=allowed.sentence, remedy=SAID[allowed.name][1])


def _day(day: Allowed) -> str:
    left = f"{day.left:,} {'is' if day.left == 1 else 'are'}" if day.left else "none is"
    return f"{show.counted(day.limit, 'photo')} a day; {day.used:,} sent today: {left} left until midnight"


def _store(room: Allowed) -> str:
    left = show.size(room.left) if room.left else "none"
    return f"{show.size(room.limit)} may be stored; {show.size(room.used)} used: {left} left"


def _flight(flight: Allowed) -> str:
    left = f"{flight.left:,}" if flight.left else "no"
    limit = show.counted(flight.limit, "photo")
    return f"{limit} at one time; {flight.used:,} wait or run: {left} more may be sent now"


SAID = {
    "photos_a_day": (_day, "Send fewer, or ask staff for more."),
    "stored_bytes": (_store, "Delete old jobs, or ask staff for more room."),
    "photos_in_flight": (_flight, "Send fewer, or wait until some are done."),
}
