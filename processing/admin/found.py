"""The photos that a filter of the queue page finds, some at a time, and what there is to filter by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects

from processing import bulk, cards, query
from processing.cards import Card
from processing.catalogue import MODELS
from processing.errors import PhotoError
from processing.models import Job, Status, Upload
from processing.query import Query

PER_PAGE = 50
MOST_OWNERS = 200
STATES = {
    "failed": "Failed", "parked": "Parked", "queued": "Queued", "processing": "Processing",
    "review": "To review", "completed": "Completed", "cancelled": "Cancelled",
}  # fmt: skip
AGES = {
    "newer:1h": "Of the last hour", "newer:1d": "Of the last day", "older:1h": "Older than an hour",
    "older:1d": "Older than a day", "older:7d": "Older than a week",
}  # fmt: skip
AMONG = {verb: act.among for verb, act in bulk.VERBS.items()} | {"download": [Status.COMPLETED]}
PICKS = ("state", "error", "model", "owner", "job", "host", "age")


@dataclass(frozen=True)
class Found:
    """What a filter finds: a page of photos, how many there are in all, and the name of the page that follows.

    `text` is the filter as it stands in the address, or as it was typed where there is a `problem` with it. `parts` are
    what it is made of, each with the filter that is left without it; `offers` are the verbs that can touch any of it.
    """

    text: str
    problem: str = ""
    parts: list[tuple[str, str]] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    total: int = 0
    after: str = ""
    offers: frozenset[str] = frozenset()


def picked(sent: Mapping[str, str]) -> dict[str, str]:
    """What was picked beside the filter, by name."""
    return {name: text for name in PICKS if (text := sent.get(name, "").strip())}


def asked(sent: Mapping[str, str]) -> Query:
    """The filter as typed in `q`, with what was picked in place of what it said of that. Raises PhotoError
    `invalid_filter`."""
    found = query.read(sent.get("q", ""))
    for name, text in picked(sent).items():
        part = query.read(text if name == "age" else f"{name}:{text}")
        if part.words:
            raise PhotoError("invalid_filter", reason=f"{text} does not fit {name}:")
        names = ("older", "newer") if name == "age" else (name,)
        found = replace(found, **{name: getattr(part, name) for name in names})
    return query.read(str(found))


def of(wanted: Query, after: str) -> Found:
    """The page of photos that bears this name. Raises PhotoError `invalid_filter`."""
    uploads, more = query.page(wanted, after, PER_PAGE)
    prefetch_related_objects(uploads, Prefetch("variants", to_attr="made"))
    shown = [cards.one(upload) for upload in uploads]
    return Found(
        text=str(wanted), parts=list(_parts(wanted)), cards=shown, total=wanted.rows().count(), after=more,
        offers=frozenset(verb for verb, among in AMONG.items() if set(among) & set(wanted.statuses)),
    )  # fmt: skip


def _parts(wanted: Query) -> Iterator[tuple[str, str]]:
    empty = Query()
    for name, value in vars(wanted).items():
        nothing = getattr(empty, name)
        if value != nothing:
            yield str(replace(empty, **{name: value})), str(replace(wanted, **{name: nothing}))


def picks() -> dict[str, Any]:
    """What the lists beside the filter offer; the errors are those that the failures show."""
    owners = User.objects.filter(Exists(Job.objects.filter(owner=OuterRef("pk")))).order_by("username")
    return {
        "states": STATES,
        "ages": AGES,
        "models": sorted(MODELS),
        "owners": list(owners.values_list("username", flat=True)[:MOST_OWNERS]),
        "any_photo": Upload.objects.exists(),
    }
