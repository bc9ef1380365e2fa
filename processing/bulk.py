"""What operators do to one, some, or all photos that match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

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

HANDFUL = 500
FEW = 1000  # photos that are done at once
PACE_OF = 500  # photos that ended last
LEAST, MOST = 0.85, 1.3  # of what is reckoned
FASTEST = 100_000  # photos a minute
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
    """What an act would do to those that match, but for those that are left out: of deleted jobs, or kept from it.

    `owners` are names with their counts, most first; `minutes` is what it adds to the queue, least and most, where that
    can be told.
    """

    matched: int
    left_out: int
    owners: list[tuple[str, int]]
    minutes: tuple[float, float] | None


def preview(verb: str, wanted: Query) -> Preview:
    """What `start` would do now. What is deleted cannot be brought back."""
    act = VERBS[verb]
    rows = wanted.rows(among=act.among)
    owners = rows.exclude(act.kept).order_by().values_list("job__owner__username").annotate(count=Count("pk"))
    counts = list(owners.order_by("-count", "job__owner__username"))
    count = sum(count for _, count in counts)
    left_out = rows.filter(act.kept).count() + wanted.rows(among=act.among, deleted=True).count()
    return Preview(count + left_out, left_out, counts, _minutes(count) if verb == "retry" else None)


def _minutes(photos: int) -> tuple[float, float] | None:
    """How long the workers are at so many, as they went today."""
    today = Upload.objects.filter(status=Status.COMPLETED, finished_at__gt=timezone.now() - timedelta(days=1))
    spans = today.exclude(started_at=None).order_by("-finished_at").values_list("started_at", "finished_at")[:PACE_OF]
    took = [(finished - started).total_seconds() for started, finished in spans if started and finished]
    if not took:
        return None
    minutes = photos * fmean(took) / crew.wanted(queue.PHOTOS) / 60
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
    act = BulkAct.objects.create(
        verb=verb, query=str(wanted), by=operator, created_at=at, matched=matched, per_minute=per_minute
    )
    announce.queue_changed()
    queue.push()
    return act


def at_once(operator: User, verb: str, uploads: "QuerySet[Upload]") -> int:
    """Do it to these few now. Gives the number of photos that it changed. Raises PhotoError `not_permitted`."""
    return _now(operator, verb, uploads, _numbers(uploads))


def soon(operator: User, verb: str, wanted: Query) -> tuple[int, BulkAct | None]:
    """Do it to all that match: now where they are few, else in the background. Gives how many it changed, or will, and
    the act. Raises PhotoError `not_permitted`."""
    steering.need(operator, verb)
    rows = _rows(verb, wanted, timezone.now())
    if rows[FEW : FEW + 1].exists():
        act = start(operator, verb, wanted)
        return act.matched, act
    return _now(operator, verb, rows, _named(wanted)), None


def download(operator: User, uploads: "QuerySet[Upload]", wanted: Query | None = None) -> archive.Zip:
    """The results of these photos, which a filter found or somebody picked. Raises PhotoError `not_permitted`."""
    steering.need(operator, "download")
    steering.note(operator, "download", _named(wanted) if wanted else _numbers(uploads), uploads.count())
    return archive.zip_of_many(uploads)


def stop(operator: User, act: BulkAct) -> bool:
    """It goes no further; what is done is done. False where it has ended. Raises PhotoError `not_permitted`."""
    steering.need(operator, act.verb)
    with transaction.atomic():
        ended = BulkAct.objects.filter(pk=act.pk, ended_at=None).update(ended_at=timezone.now(), stopped_by=operator)
        if ended:
            act.refresh_from_db()
            _log(act)
        announce.queue_changed()
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
    rows = _rows(act.verb, query.read(act.query), act.created_at)
    ids = list(rows.filter(pk__gt=act.cursor).order_by("pk").values_list("pk", flat=True)[:room])
    moved = {"cursor": ids[-1]} if ids else {"ended_at": timezone.now()}
    with transaction.atomic():
        if not BulkAct.objects.filter(pk=act.pk, cursor=act.cursor, ended_at=None).update(**moved):
            return False
        if ids:
            done = VERBS[act.verb].do(rows.filter(pk__in=ids))
            BulkAct.objects.filter(pk=act.pk).update(done=F("done") + done)
        else:
            _log(act)
        announce.queue_changed()
    return bool(ids)


def _rows(verb: str, wanted: Query, at: datetime) -> "QuerySet[Upload]":
    """What matched then."""
    return wanted.rows(at, among=VERBS[verb].among).exclude(VERBS[verb].kept)


def _room(act: BulkAct) -> int:
    """How many photos it may do now: at a rate, those of the minutes since it began that are not done."""
    if act.per_minute is None:
        return HANDFUL
    seconds = (timezone.now() - act.created_at).total_seconds()
    return min(HANDFUL, 1 + int(seconds * act.per_minute / 60) - act.done)


def _now(operator: User, verb: str, uploads: "QuerySet[Upload]", what: str) -> int:
    steering.need(operator, verb)
    act = VERBS[verb]
    with transaction.atomic():
        count = act.do(uploads.filter(status__in=act.among).exclude(act.kept))
        if count:
            steering.note(operator, verb, what, count)
    return count


def _log(act: BulkAct) -> None:
    if act.by:
        steering.note(act.by, act.verb, _named(query.read(act.query)), act.done)


def _numbers(uploads: "QuerySet[Upload]") -> str:
    ids = list(uploads.order_by("pk").values_list("pk", flat=True)[: NAMED + 1])
    return ", ".join([*(f"#{pk}" for pk in ids[:NAMED]), *(["…"] if len(ids) > NAMED else [])])


def _named(wanted: Query) -> str:
    return str(wanted) or "everything"
