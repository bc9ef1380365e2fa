"""Photos that are sent straight into the bucket: leave to send them, and the keys that a job may then name.

What is declared only saves the way: what arrived is judged by its content, when `found` brings it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from processing import allowances, storage
from processing.errors import PhotoError
from processing.header import FORMATS
from processing.intake import limits, photos
from processing.intake.answer import Elsewhere, Refused
from processing.intake.look import TABLES
from processing.intake.names import plain
from processing.models import Incoming, Job, Upload
from processing.storage import Post

UNTOLD = "application/octet-stream"  # what is sent for a type that a system does not know
TYPES = {UNTOLD, "image/jpg", "image/heif", *(f"image/{format}" for format in FORMATS)}
NO_PHOTOS = (".zip", *TABLES)
MOST = 1000  # leaves of one person that no job has used yet
LONGEST = 1024  # bytes of a key in a bucket
DOUBT = timedelta(minutes=5)  # by which the clocks of two machines may differ
AT_ONCE = 8  # keys that are looked up


@dataclass(frozen=True)
class Wanted:
    """A file that somebody wants to send: its size is in bytes, its type what the sender calls it."""

    name: str
    size: int
    type: str = ""


@dataclass(frozen=True)
class Leave:
    """Leave to send one file under this key, by this form."""

    name: str
    key: str
    post: Post


def leave(owner: User, wanted: Sequence[Wanted]) -> list[Leave | Refused]:
    """For each file, in order, leave to send it, or why there is none.

    Raises PhotoError `no_direct_uploads`, `limit_reached`.
    """
    if storage.origin() is None:
        raise PhotoError("no_direct_uploads")
    answers = [_leave(owner.pk, number, one) for number, one in enumerate(wanted)]
    given = [one for one in answers if isinstance(one, Leave)]
    size = sum(one.size for one, answer in zip(wanted, answers, strict=True) if answer in given)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # of two at once the second waits for the first
        allowances.check(owner.pk, len(given), size)
        if Incoming.objects.filter(owner=owner).count() + len(given) > MOST:
            reason = f"{MOST:,} photos may wait in the bucket for a job that names them"
            raise PhotoError("limit_reached", reason=reason, remedy="Name some of them in a job.")
        Incoming.objects.bulk_create([Incoming(key=one.key, owner=owner, name=one.name) for one in given])
    return answers


def until() -> datetime:
    """When leave that is given now ends."""
    assert settings.STORAGE
    return timezone.now() + timedelta(minutes=settings.STORAGE.minutes)


def _good() -> "QuerySet[Incoming]":
    """Leaves that a job may use."""
    return Incoming.objects.filter(created_at__gte=timezone.now() - timedelta(hours=settings.INCOMING_HOURS))


def over() -> "QuerySet[Incoming]":
    """Leaves that no job may use any more, by whichever machine's clock."""
    return Incoming.objects.filter(created_at__lt=timezone.now() - timedelta(hours=settings.INCOMING_HOURS) - DOUBT)


def _leave(owner_id: int, number: int, wanted: Wanted) -> Leave | Refused:
    name, type = plain(wanted.name), wanted.type.partition(";")[0].strip().lower() or UNTOLD
    try:
        limits.check_count(number)
        _check_name(name)
        if type not in TYPES:
            raise PhotoError("invalid_file_type", format=plain(type.rpartition("/")[2])[:40].upper() or "none")
        if not wanted.size:
            raise PhotoError("failed_to_read_image", reason="it is empty")
        limits.check_size(wanted.size)
    except PhotoError as error:
        return Refused.because(name, error)
    key = storage.new_incoming_key(owner_id)
    post = storage.post(key, type, wanted.size)
    assert post  # where a browser meets the bucket, it may send into it
    return Leave(name, key, post)


def _check_name(name: str) -> None:
    if name.lower().endswith(NO_PHOTOS):
        raise PhotoError("only_photos")


# ---- keys that a job names -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lying:
    """A photo in the bucket, its name as it was sent, and whether it came by leave."""

    key: str
    name: str
    by_leave: bool
    size: int


def at(owner: User | None, keys: Sequence[str], *, imports: bool = True) -> Elsewhere:
    """The photos under those of these keys that may come in: what this owner sent by leave, each once, and with
    `imports` what lies in the folder that is for all. A key that comes twice counts once.

    Raises PhotoError `storage_unavailable`.
    """
    keys = list(dict.fromkeys(keys))
    few = keys[: settings.MAX_FILES]
    own = dict(_good().filter(owner=owner, key__in=few).values_list("key", "name")) if settings.STORAGE else {}
    sizes = _sizes([key for key in few if key in own or (imports and is_imported(key))])
    found: list[Lying] = []
    refused: list[Refused] = []
    for number, key in enumerate(keys):
        name = own.get(key, plain(key.rpartition("/")[2]))
        try:
            limits.check_count(number)
            found.append(Lying(key, name, key in own, _judged(name, sizes.get(key))))
        except PhotoError as error:
            refused.append(Refused.because(plain(key), error))
    return Elsewhere([one.name for one in found], partial(_uploads, owner, found), refused, sum(o.size for o in found))


def is_imported(key: str) -> bool:
    """Whether this is the key of a file in the folder of the bucket that is for all."""
    folder = settings.IMPORT_PREFIX.strip("/")
    is_there = settings.STORAGE and folder and key.startswith(f"{folder}/") and not storage.OURS.match(key)
    return bool(is_there) and not {"", ".", ".."} & set(key.split("/")) and len(key.encode()) <= LONGEST


def _sizes(keys: Sequence[str]) -> dict[str, int | None]:
    """Several at once, as each waits for the bucket."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(keys, threads.map(storage.size, keys), strict=True))


def _judged(name: str, size: int | None) -> int:
    if size is None:
        raise PhotoError("invalid_s3_key")
    _check_name(name)
    limits.check_size(size)
    return size


def _uploads(owner: User | None, found: Sequence[Lying], job: Job) -> list[Upload]:
    """Their rows, by which the leaves are used. Raises PhotoError `invalid_s3_key` where another request, at the same
    time, has used one of them."""
    keys = [one.key for one in found if one.by_leave]
    leaves = _good().filter(owner=owner, key__in=keys)
    locked = list(leaves.order_by("key").select_for_update())  # in order, so that no two wait for each other
    leaves.delete()
    if len(locked) < len(keys):
        raise PhotoError("invalid_s3_key")
    return photos.placed(job, [Upload(sent_name=one.name, bucket_key=one.key) for one in found])
