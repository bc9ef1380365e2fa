"""The filter of the queue page: `state:failed error:fetch_timeout older:1h chair` as typed, and the photos it names."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from processing.errors import PhotoError
from processing.models import Job, Status, Upload
from processing.models.jobs import ACTIVE
from processing.progress import ENDED

REVIEW, PARKED = "review", "parked"
STATES = (*Status.values, REVIEW, PARKED)
UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}  # in seconds
OLDEST = timedelta(days=36_500)
EPOCH, TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
LONGEST, MOST_WORDS = 500, 10
TOKEN = re.compile(r'"([^"]*)"|(\S+)')
NOT_KEPT = re.compile("[\0\ud800-\udfff]")  # what no database takes


@dataclass(frozen=True)
class Query:
    """Each part is empty where it was not asked for. `owner` is a name to sign in with; `words` stand in names.

    `error` without a state names photos that failed so. A photo is as old as its state is.
    """

    state: str = ""  # a Status, or `review`, or `parked` (behind a breaker)
    error: str = ""
    owner: str = ""
    job: int | None = None
    model: str = ""
    host: str = ""
    older: timedelta | None = None
    newer: timedelta | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is typed; reading it again gives the same."""
        keyed = [f"{key}:{_typed(value)}" for key in KEYS if (value := getattr(self, key)) not in ("", None)]
        return " ".join([*keyed, *(f'"{word}"' if re.search(r"[\s:]", word) else word for word in self.words)])

    @property
    def statuses(self) -> Sequence[str]:
        """Those that its photos may have."""
        if self.state:
            return {REVIEW: [Status.COMPLETED], PARKED: ACTIVE}.get(self.state, [self.state])
        return [Status.FAILED] if self.error else Status.values

    def rows(self, before: datetime | None = None, *, among: Collection[str] = Status.values) -> "QuerySet[Upload]":
        """The photos that match, everybody's, of jobs that are not deleted.

        With `before`, those that matched then; one that has moved since may be left out, never taken in. `among` are
        the statuses that matter. No join: the rows can be changed by one UPDATE, and counted in an index.
        """
        statuses = [status for status in self.statuses if status in among]
        gone = Q(job__in=Job.objects.filter(deleted_at__isnull=False))
        rows = Upload.objects.filter(_one_of(statuses), ~gone, *self._named())
        now = before or timezone.now()
        if self.older is not None:
            rows = rows.filter(_reached(statuses, lte=now - self.older))
        if self.newer is not None:
            rows = rows.filter(_reached(statuses, gte=now - self.newer))
        return rows.filter(self._matched(statuses, before)) if before else rows

    def _named(self) -> list[Q]:
        """All but state and age."""
        asked = {"error_code": self.error, "job_id": self.job, "host": self.host}
        found = [Q(**{name: value for name, value in asked.items() if value})]
        if self.state == REVIEW:
            found.append(Q(needs_review=True))
        if self.state == PARKED:
            found.append(~Q(waits_for=""))
        if self.owner:
            found.append(Q(job__in=Job.objects.filter(owner__username=self.owner)))
        if self.model:
            uses = {"recipe__model": self.model, "recipe__remove_bg": True}
            found.append(Q(**uses) | Q(recipe__isnull=True, job__in=Job.objects.filter(**uses)))
        named = ((word, Job.objects.filter(name__icontains=word)) for word in self.words)
        return [*found, *(Q(name__icontains=word) | Q(job__in=jobs) for word, jobs in named)]

    def _matched(self, statuses: Collection[str], at: datetime) -> Q:
        """What matched then, as far as the row can tell: where no moment is kept of what is asked for, it must not have
        changed at all."""
        by_error = self.error and self.state != Status.FAILED and self.state
        vague = by_error or self.state in (REVIEW, PARKED, Status.COMPLETED)
        return _reached(statuses, lte=at) & (Q(changed_at__lte=at) if vague else Q())


def read(text: str) -> Query:
    """Raises PhotoError `invalid_filter`."""
    if len(text) > LONGEST:
        raise _odd(f"A filter has {LONGEST} characters at most")
    if NOT_KEPT.search(text):
        raise _odd("There is a character in it that cannot be kept")
    found: dict[str, Any] = {}
    words = []
    for quoted, plain in TOKEN.findall(text):
        key, colon, value = plain.partition(":")
        if '"' in plain:
            raise _odd('A quotation mark " is not closed')
        if colon:
            key = key.lower()
            found[key] = _value(key, value, found)
        elif word := " ".join((quoted or plain).split()):
            words.append(word)
    if len(words) > MOST_WORDS:
        raise _odd(f"A filter has {MOST_WORDS} words at most")
    query = Query(words=tuple(words), **found)
    if query.older is not None and query.newer is not None and query.older >= query.newer:
        raise _odd(f"Nothing is older than {_typed(query.older)} and newer than {_typed(query.newer)}")
    return query


def page(query: Query, after: str, limit: int) -> tuple[list[Upload], str]:
    """So many of the photos that match, with their job and its owner, the newest first, and the name of the page that
    follows ("" where none does). `after` is such a name.

    Those that have ended are told by when, others by when they came. Raises PhotoError `invalid_filter`.
    """
    order = ("finished_at", "pk") if set(query.statuses) <= set(ENDED) else ("pk",)
    rows = query.rows()
    if after:
        rows = rows.filter(_further(order, after))
    found = list(rows.order_by(*(f"-{name}" for name in order)).values_list(*order)[: limit + 1])
    pks = [row[-1] for row in found[:limit]]
    uploads = Upload.objects.select_related("job__owner").defer("error_detail").in_bulk(pks)
    return [uploads[pk] for pk in pks if pk in uploads], _place(found[limit - 1]) if len(found) > limit else ""


# ---- what is typed -------------------------------------------------------------------------------------------------


def _odd(reason: str) -> PhotoError:
    return PhotoError("invalid_filter", reason=reason)


def _value(key: str, text: str, found: Collection[str]) -> Any:
    if key not in KEYS:
        raise _odd(f"{key or 'Nothing'}: is none of {', '.join(KEYS)}; quote words that have a colon")
    if key in found:
        raise _odd(f"{key}: can stand there once")
    value = KEYS[key](text)
    if value is None:
        raise _odd(f"{text or 'Nothing'} does not fit {key}:")
    return value


def _like(pattern: str) -> Callable[[str], str | None]:
    return lambda text: text if re.fullmatch(pattern, text) else None


def _job(text: str) -> int | None:
    number = int(text) if re.fullmatch(r"[0-9]{1,19}", text) else 0
    return number if 0 < number < 2**63 else None


def _age(text: str) -> timedelta | None:
    found = re.fullmatch(r"([0-9]{1,10})([smhd])", text.lower())
    seconds = int(found[1]) * UNITS[found[2]] if found else None
    return timedelta(seconds=seconds) if seconds is not None and seconds <= OLDEST.total_seconds() else None


KEYS: dict[str, Callable[[str], Any]] = {
    "state": lambda text: text.lower() if text.lower() in STATES else None,
    "error": _like(r"[a-z0-9_]{1,40}"),
    "owner": _like(r"[\w.@+-]{1,150}"),
    "job": lambda text: _job(text.removeprefix("#")),
    "model": _like(r"[\w.-]{1,60}"),
    "host": lambda text: _like(r"[a-z0-9._:\[\]-]{1,255}")(text.lower()),
    "older": _age,
    "newer": _age,
}


def _typed(value: object) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    seconds = int(value.total_seconds())
    unit = next(unit for unit in UNITS if (seconds and seconds % UNITS[unit] == 0) or unit == "s")
    return f"{seconds // UNITS[unit]}{unit}"


# ---- what is asked of the database ---------------------------------------------------------------------------------


def _one_of(statuses: Sequence[str]) -> Q:
    if len(statuses) == len(Status):
        return Q()
    return Q(status=statuses[0]) if len(statuses) == 1 else Q(status__in=statuses)


def _reached(statuses: Collection[str], **bound: datetime) -> Q:
    """Those of these statuses that have theirs since a moment within the bound: `lte` or `gte`."""
    [(lookup, at)] = bound.items()
    queued = Q(**{f"queued_at__{lookup}": at}) | Q(queued_at=None, **{f"created_at__{lookup}": at})
    moments = [
        (ENDED, Q(**{f"finished_at__{lookup}": at})),
        ((Status.PROCESSING,), Q(**{f"started_at__{lookup}": at})),
        ((Status.NEW, Status.QUEUED), queued),
    ]
    asked = [([status for status in some if status in statuses], moment) for some, moment in moments]
    parts = [(some, moment) for some, moment in asked if some]
    if len(parts) == 1:
        return parts[0][1]
    found = Q(pk__in=[])
    for some, moment in parts:
        found |= _one_of(some) & moment
    return found


def _place(row: Sequence[Any]) -> str:
    """The place of (finished_at, pk) or (pk,) in its order, as it stands in an address."""
    return "-".join(str((part - EPOCH) // TICK if isinstance(part, datetime) else part) for part in row)


def _further(order: Sequence[str], after: str) -> Q:
    """What comes after that place."""
    found = re.fullmatch("-".join([r"([0-9]{1,17})"] * (len(order) - 1) + [r"([0-9]{1,18})"]), after)
    if not found:
        raise _odd("There is no such page")
    *at, pk = map(int, found.groups())
    if not at:
        return Q(pk__lt=pk)
    moment = EPOCH + at[0] * TICK
    return Q(finished_at__lte=moment) & (Q(finished_at__lt=moment) | Q(pk__lt=pk))
