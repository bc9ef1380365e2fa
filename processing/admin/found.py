"""The photos that a filter of the queue page finds, some at a time, and what there is to filter by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch
from django.contrib.auth.models import User

from processing import cards, query
from processing.cards import Card
from processing.catalogue import MODELS
from processing.errors import PhotoError
from processing.intake.names import line
from processing.models import Job, Upload
from processing.query import Query
from processing.watch import number

PER_PAGE = 50
LONGEST = 1000  # characters of a filter
MOST_OWNERS = 200
STATES = {
    "failed": "Failed", "waiting": "Waits for a breaker", "queued": "Queued", "processing": "Processing",
    "review": "To review", "completed": "Completed", "cancelled": "Cancelled",
}  # fmt: skip
AGES = {
    "newer:1h": "Of the last hour", "newer:1d": "Of the last day", "older:1h": "Older than an hour",
    "older:1d": "Older than a day", "older:7d": "Older than a week",
}  # fmt: skip
TYPED = ("state", "error", "model", "owner", "host")


@dataclass(frozen=True)
class Found:
    """What a filter finds: a page of photos, how many there are in all, and where the next page begins.

    `text` is the filter as it stands in the address, or as it was typed where there is a `problem` with it.
    """

    text: str
    problem: str = ""
    parts: list[tuple[str, str]] = field(default_factory=list)  # each with the filter that is left without it
    cards: list[Card] = field(default_factory=list)
    total: int = 0
    after: int | None = None
    is_first: bool = True


def asked(sent: Mapping[str, str]) -> Query:
    """The filter as typed in `q`, with what was picked beside it. Raises PhotoError `invalid_filter`."""
    found = query.read(sent.get("q", ""))
    picked: dict[str, Any] = {name: text for name in TYPED if (text := line(sent.get(name, ""), LONGEST))}
    if text := line(sent.get("job", ""), LONGEST):
        picked["job"] = number(text.removeprefix("#"))
        if picked["job"] is None:
            raise PhotoError("invalid_filter", reason=f"A job is a number, and not {text}")
    if sent.get("age", "") in AGES:
        age = query.read(sent["age"])
        picked |= {"older": age.older, "newer": age.newer}
    return query.read(str(replace(found, **picked)))


def of(wanted: Query, sent: Mapping[str, str]) -> Found:
    """The photos that it finds, those that came last first, from `after` on."""
    after = number(sent.get("after", ""))
    rows = wanted.rows()
    shown = rows.filter(pk__lt=after) if after else rows
    made = Prefetch("variants", to_attr="made")
    uploads = list(shown.select_related("job__owner").prefetch_related(made).order_by("-pk")[: PER_PAGE + 1])
    return Found(
        text=str(wanted),
        parts=list(_parts(wanted)),
        cards=[cards.one(upload) for upload in uploads[:PER_PAGE]],
        total=rows.count(),
        after=uploads[PER_PAGE - 1].pk if len(uploads) > PER_PAGE else None,
        is_first=not after,
    )


def _parts(wanted: Query) -> list[tuple[str, str]]:
    plain = Query()
    parts = [replace(plain, **{name: value}) for name, value in vars(wanted).items() if value != getattr(plain, name)]
    names = [name for name, value in vars(wanted).items() if value != getattr(plain, name)]
    left = [replace(wanted, **{name: getattr(plain, name)}) for name in names]
    return [(str(part), str(without)) for part, without in zip(parts, left, strict=True)]


def picks(codes: list[str]) -> dict[str, Any]:
    """What the lists beside the filter offer; `codes` are those of the errors that there are."""
    owners = User.objects.filter(Exists(Job.objects.filter(owner=OuterRef("pk")))).order_by("username")
    return {
        "states": STATES,
        "ages": AGES,
        "codes": codes,
        "models": sorted(MODELS),
        "owners": list(owners.values_list("username", flat=True)[:MOST_OWNERS]),
        "any_photo": Upload.objects.exists(),
    }
