"""A row of a product CSV as the page after Start shows it: its photos, and its state in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Prefetch, Q, Sum
from django.utils import timezone

from processing import cards, product_rows
from processing.cards import REVIEW, Card
from processing.models import Job, ProductRow, RowPhoto, Status, Upload, Variant

MOST_SHOWN = 6  # photos of a row
PICTURES = ("result", "thumbnail", "source-thumbnail")
CELLS = {"serial": "serial number", "name": "name", "urls": "address"}


@dataclass(frozen=True)
class RowCard:
    """A row: its first photos by their number, and how many more there are. `column` is the cell that may be mended."""

    row: Any  # ProductRow with what `with_state` adds
    status: str
    photos: list[tuple[int, Card]]
    more: int
    column: str

    @property
    def id(self) -> int:
        return int(self.row.pk)

    @property
    def state(self) -> str:
        return str(self.row.state)

    @property
    def can_retry(self) -> bool:
        ended = self.row.photos_failed or self.row.photos_cancelled
        return bool(ended) and self.state in (Status.FAILED, Status.CANCELLED)

    @property
    def cell(self) -> str:
        """What the cell is called that may be mended."""
        return CELLS[self.column]

    @property
    def text(self) -> str:
        """What stands in it."""
        return ", ".join(self.row.urls) if self.column == "urls" else str(getattr(self.row, self.column))


def of(job: Job, row_ids: Iterable[int]) -> list[RowCard]:
    """These rows of a job, in this order, in four queries."""
    ids = list(row_ids)
    rows = product_rows.with_state(job.rows.filter(pk__in=ids)).in_bulk() if ids else {}
    photos = {pk: list(links) for pk, links in groupby(_links(list(rows)), key=lambda link: link.row_id)}
    sizes = _sizes(rows.values())
    return [_card(rows[pk], photos.get(pk, []), sizes.get(pk, (0, 0))) for pk in ids if pk in rows]


def _links(row_ids: list[int]) -> "Iterable[RowPhoto]":
    """Their first photos, and those of which their words speak."""
    shown = Q(position__lt=MOST_SHOWN) | Q(upload__status=Status.FAILED)
    flagged = Q(upload__status=Status.COMPLETED, upload__needs_review=True)
    made = Variant.objects.filter(status=Variant.Status.COMPLETED, name__in=PICTURES)
    return (
        RowPhoto.objects.filter(shown | flagged | product_rows.is_at_work("upload__"), row__in=row_ids)
        .select_related("upload")
        .defer("upload__facts", "upload__error_detail", "upload__recipe")
        .prefetch_related(Prefetch("upload__variants", made, to_attr="made"))
        .order_by("row_id", "position")
    )


def _sizes(rows: Iterable[ProductRow]) -> dict[int, tuple[int, int]]:
    """Of completed rows: the bytes of their originals, and of their results."""
    done = [row.pk for row in rows if row.state == Status.COMPLETED]  # type: ignore[attr-defined]
    results = RowPhoto.objects.filter(row__in=done, upload__variants__name="result").order_by()
    sums = results.values_list("row_id").annotate(Sum("upload__source_bytes"), Sum("upload__variants__bytes"))
    return {pk: (before or 0, after or 0) for pk, before, after in sums}


def _card(row: Any, links: list[RowPhoto], sizes: tuple[int, int]) -> RowCard:
    photos = [(link.position + 1, cards.one(link.upload)) for link in links]
    shown = [(number, card) for number, card in photos if number <= MOST_SHOWN]
    return RowCard(row, _words(row, photos, sizes), shown, max(0, row.photos_total - MOST_SHOWN), _column(row, photos))


def _column(row: Any, photos: list[tuple[int, Card]]) -> str:
    """The cell in which a failed row has its mistake; empty where none would help."""
    if row.state != Status.FAILED:
        return ""
    never_came = any(card.state == Status.FAILED and not card.upload.source for _, card in photos)
    return row.problem_column if row.problem_code else "urls" if never_came else ""


# ---- words ----------------------------------------------------------------------------------------------------------


def _words(row: Any, photos: list[tuple[int, Card]], sizes: tuple[int, int]) -> str:
    if row.is_left_out:
        return "Left out"
    if row.carried is not None:
        return "Completed in an earlier run"
    if row.problem_code:
        return str(row.problem)
    match row.state:
        case Status.PROCESSING:
            return _at_work(row, photos)
        case Status.QUEUED:
            return _waits(photos[0][1].upload) if photos else "Queued"
        case Status.FAILED:
            return _failed(row, photos)
        case Status.CANCELLED if row.photos_cancelled < row.photos_total:
            return f"{row.photos_cancelled} of {row.photos_total} cancelled"
        case Status.CANCELLED:
            return "Cancelled"
    return ", ".join(_completed(row, photos, *sizes))


def _at_work(row: Any, photos: list[tuple[int, Card]]) -> str:
    """2 of 3 completed, 1 failed, fetching."""
    done = row.photos_total - row.photos_active - row.photos_failed - row.photos_cancelled
    words = [f"{done} of {row.photos_total} completed"] if row.photos_total > 1 else []
    words += [f"{row.photos_failed} failed"] if row.photos_failed else []
    words += [card.status for _, card in photos if card.is_at_work][:1]
    return ", ".join([words[0], *map(_lower, words[1:])]) if words else "Queued"


def _waits(upload: Upload) -> str:
    """Of a row of which no photo has begun. No seconds: nobody says when they pass."""
    if upload.waits_for:
        return f"{upload.error_message} {upload.error_remedy}"
    if upload.status == Status.QUEUED:
        return "Queued"
    if not upload.not_before or upload.not_before < timezone.now():
        return f"To be fetched from {upload.host}" if upload.host else "Queued"
    return (
        f"Try {upload.attempts + 1} soon. {upload.error_message}" if upload.error_code else f"Waits for {upload.host}"
    )


def _failed(row: Any, photos: list[tuple[int, Card]]) -> str:
    """Photo 2: the address answered 404, not found. 1 more failed."""
    failed = [(number, card) for number, card in photos if card.state == Status.FAILED]
    if not failed:  # retried since the rows were read
        return "Failed"
    number, first = failed[0]
    if row.photos_total == 1:
        return first.message
    others = f" {row.photos_failed - 1} more failed." if row.photos_failed > 1 else ""
    return f"Photo {number}: {_lower(first.message)}{others}"


def _completed(row: Any, photos: list[tuple[int, Card]], before: int, after: int) -> Iterator[str]:
    """3 photos, 84% smaller, 1 to review."""
    yield "1 photo" if row.photos_total == 1 else f"{row.photos_total} photos"
    if 0 < after < before:
        yield f"{100 - 100 * after // before}% smaller"
    if to_review := sum(card.state == REVIEW for _, card in photos):
        yield f"{to_review} to review"


def _lower(text: str) -> str:
    """Within a sentence: a name in capitals stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
