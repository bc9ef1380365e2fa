"""What operators do to one, some, or all photos that match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from processing import announce, crew, ledger, query, queue, steering
from processing.delivery import archive
from processing.errors import PhotoError
from processing.models import BulkAct, ProductCsv, Status, Upload
from processing.models.jobs import ACTIVE
from processing.query import Query

log = structlog.stdlib.get_logger(__name__)

HANDFUL = 500
FEW = 1000  # photos that are done at once
PACE_OF = 500  # photos that ended last
LEAST, MOST = 0.85, 1.3  # of what is reckoned
FASTEST = 100_000  # photos a minute
MINUTE = timedelta(minutes=1)
NAMED = 20  # photos that the log names by their number
NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class Verb:
    """What is done, to which photos; some kinds may be `kept` from it."""

    do: Callable[["QuerySet[Upload]"], int]
    among: Sequence[str]
    kept: Q = NOTHING


VERBS = {
    "retry": Verb(ledger.retry, (Status.FAILED, Status.CANCELLED)),
    "cancel": Verb(ledger.cancel, ACTIVE),
    # The CSV of a product needs its photos.
    "delete": Verb(ledger.remove, Status.values, Q(job__in=ProductCsv.objects.values("job"))),
}


@dataclass(frozen=True)
class Preview:
    """What an act would do: to `count` of those that match; the others are left out.

    `owners` are names with their counts, most first; `minutes` is what it adds to the queue, least and most, where that
    can be told.
    """

    matched: int
    count: int
    owners: list[tuple[str, int]]
    minutes: tuple[float, float] | None

    @property
    def left_out(self) -> int:
        return self.matched - self.count


def preview(verb: str, uploads: "QuerySet[Upload]") -> Preview:
    """What would be done to these now. What is deleted cannot be brought back."""
    owners = _touched(verb, uploads).order_by().values_list("job__owner__username").annotate(count=Count("pk"))
    counts = list(owners.order_by("-count", "job__owner__username"))
    count = sum(count for _, count in counts)
    return Preview(uploads.count(), count, counts, _minutes(count) if verb == "retry" else None)


def _minutes(photos: int) -> tuple[float, float] | None:
    """How long the workers are at so many, as they went today."""
    today = Upload.objects.filter(status=Status.COMPLETED, finished_at__gt=timezone.now() - timedelta(days=1))
    spans = today.exclude(started_at=None).order_by("-finished_at").values_list("started_at", "finished_at")[:PACE_OF]
    took = [(finished - started).total_seconds() for started, finished in spans if started and finished]
    if not took:
        return None
    minutes = photos * fmean(took) / crew.wanted_in_all(queue.PHOTOS) / 60
    return LEAST * minutes, MOST * minutes


def start(operator: User, verb: str, wanted: Query, per_minute: int | None = None) -> BulkAct:
    """Do it to all that match now, in the background, so many a minute at most.

    Raises PhotoError `not_permitted`, `invalid_request`, and `nothing_to_do` where none matches.
    """
    steering.need(operator, verb)
    if per_minute is not None and not 1 <= per_minute <= FASTEST:
        raise PhotoError("invalid_request", reason=f"An act takes 1 to {FASTEST:,} photos a minute")
    at = timezone.now()
    matched = _rows(verb, wanted, at).count()
    if not matched:
        raise PhotoError("nothing_to_do", reason="No photo matches")
    with transaction.atomic():
        act = BulkAct.objects.create(
            verb=verb, query=str(wanted), by=operator, created_at=at, matched=matched, per_minute=per_minute
        )
        steering.note(operator, "begin", str(act), matched)
        queue.push()
    return act


def at_once(operator: User, verb: str, uploads: "QuerySet[Upload]") -> int:
    """Do it to these few now. Gives the number of photos that it changed. Raises PhotoError `not_permitted`."""
    return _now(operator, verb, _touched(verb, uploads), _numbers(uploads))


def soon(operator: User, verb: str, wanted: Query) -> tuple[int, BulkAct | None]:
    """Do it to all that match: now where they are few, else in the background. Gives how many it changed, or will, and
    the act. Raises PhotoError `not_permitted`."""
    steering.need(operator, verb)
    rows = _rows(verb, wanted, timezone.now())
    if rows[FEW : FEW + 1].exists():
        act = start(operator, verb, wanted)
        return act.matched, act
    return _now(operator, verb, rows, _named(str(wanted))), None


def download(operator: User, uploads: "QuerySet[Upload]", wanted: Query | None = None) -> archive.Zip:
    """The results of these photos, which a filter found or somebody picked.

    Raises PhotoError `not_permitted`, `storage_unavailable`.
    """
    steering.need(operator, "download")
    made, what = archive.zip_of_many(uploads), _named(str(wanted)) if wanted else _numbers(uploads)
    steering.note(operator, "download", what, archive.files_of(uploads).count(), "file")
    return made


def stop(operator: User, act: BulkAct) -> bool:
    """It goes no further; what is done is done. False where it has ended. Raises PhotoError `not_permitted`."""
    steering.need(operator, act.verb)
    with transaction.atomic():
        ended = BulkAct.objects.filter(pk=act.pk, ended_at=None).update(ended_at=timezone.now(), stopped_by=operator)
        if ended:
            act.refresh_from_db()
            steering.note(operator, "stop", str(act), act.done)
    return bool(ended)


def due() -> list[int]:
    """The acts that have something to do now."""
    return [act.pk for act in BulkAct.objects.filter(ended_at=None).order_by("pk") if _room(act) > 0]


def run(act_id: int, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Go on with an act for a while, a handful at a time. Any number of workers may be at it."""
    while not stopping() and _handful(act_id):
        pass


def _handful(act_id: int) -> bool:
    """The next photos of the act; false where it has none for now.

    Who moves the cursor does them, in the same transaction: so each is done and counted once, whoever dies or is asked
    twice.
    """
    act = BulkAct.objects.filter(pk=act_id, ended_at=None).first()
    if act is None or (room := _room(act)) <= 0:
        return False
    rows = _left(act)
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:room])
    moved = {"cursor": ids[-1], "paced_to": _paced_to(act, len(ids))} if ids else {"ended_at": timezone.now()}
    with transaction.atomic():
        if not BulkAct.objects.filter(pk=act.pk, cursor=act.cursor, ended_at=None).update(**moved):
            return False
        if ids:
            done = VERBS[act.verb].do(rows.filter(pk__in=ids))
            BulkAct.objects.filter(pk=act.pk).update(done=F("done") + done)
        elif act.by:
            steering.note(act.by, act.verb, _named(act.query), act.done, of=act.matched)
        if ids or not act.by:
            announce.queue_changed()
    return bool(ids)


def _left(act: BulkAct) -> "QuerySet[Upload]":
    """What it has not looked at. Nothing more where nobody answers for it, or where its filter, of another version, is
    not understood."""
    try:
        wanted = query.read(act.query)
    except PhotoError as error:
        log.warning("act_given_up", act_id=act.pk, reason=error.message)
        return Upload.objects.none()
    if act.by is None:
        log.warning("act_given_up", act_id=act.pk, reason="The account that began it is gone.")
        return Upload.objects.none()
    return _rows(act.verb, wanted, act.created_at).filter(pk__gt=act.cursor)


def _rows(verb: str, wanted: Query, at: datetime) -> "QuerySet[Upload]":
    """What matched then."""
    return _touched(verb, wanted.rows(at, among=VERBS[verb].among))


def _touched(verb: str, uploads: "QuerySet[Upload]") -> "QuerySet[Upload]":
    """Those to which it can be done."""
    return uploads.filter(status__in=VERBS[verb].among).exclude(VERBS[verb].kept)


def _room(act: BulkAct) -> int:
    """How many photos it may do now: at a rate, those of the time since the last ones, of a minute at most."""
    if act.per_minute is None:
        return HANDFUL
    at = timezone.now()
    return min(HANDFUL, int((at - _unused_from(act, at)) / (MINUTE / act.per_minute)))


def _paced_to(act: BulkAct, photos: int) -> datetime | None:
    """Up to when so many more photos use its rate."""
    return _unused_from(act, timezone.now()) + photos * MINUTE / act.per_minute if act.per_minute else None


def _unused_from(act: BulkAct, at: datetime) -> datetime:
    return max(act.paced_to or act.created_at, at - MINUTE)


def _now(operator: User, verb: str, touched: "QuerySet[Upload]", what: str) -> int:
    steering.need(operator, verb)
    with transaction.atomic():
        count = VERBS[verb].do(touched)
        if count:
            steering.note(operator, verb, what, count)
    return count


def _numbers(uploads: "QuerySet[Upload]") -> str:
    ids = list(uploads.order_by("pk").values_list("pk", flat=True)[: NAMED + 1])
    return ", ".join([*(f"#{pk}" for pk in ids[:NAMED]), *(["…"] if len(ids) > NAMED else [])])


def _named(wanted: str) -> str:
    return wanted or "everything"
