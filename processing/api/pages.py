"""Long lists, a page at a time. A cursor says where a page begins, so that what comes meanwhile moves nothing."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from processing.api.problems import Invalid, pointer

M = TypeVar("M", bound=Model)
T = TypeVar("T")

LIMIT, MOST = 50, 200


class Asked(Schema):
    """Which page; an operation's filters inherit from it."""

    cursor: str = Field("", description="Comes with `next` and `previous`.")
    limit: int = Field(LIMIT, ge=1, le=MOST)


class Page(Schema, Generic[T]):
    """One page of a list; `next` and `previous` are the addresses of those beside it."""

    results: list[T]
    next: str | None
    previous: str | None


def page(
    request: HttpRequest, asked: Asked, rows: "QuerySet[M]", order: str, shown: Callable[[list[M]], Sequence[Any]]
) -> dict[str, Any]:
    """The page of `rows` that is asked for, as `Page` has it.

    `order` is a column of whole numbers that no two of the rows share, with a minus for the largest first. Raises
    Invalid where the cursor is none of this list's.
    """
    column, signer = order.removeprefix("-"), Signer(salt=f"processing.api.pages {request.path}")
    is_back, start = _start(signer, asked.cursor)
    is_down = order.startswith("-") != is_back
    if start is not None:
        rows = rows.filter(**{f"{column}__{'lt' if is_down else 'gt'}": start})
    found = list(rows.order_by(f"{'-' * is_down}{column}")[: asked.limit + 1])
    is_more, found = len(found) > asked.limit, found[: asked.limit]
    if is_back:
        found.reverse()
    has_next, has_previous = (True, is_more) if is_back else (is_more, start is not None)

    def beside(row: M, is_back: bool) -> str:
        return _address(request, signer.sign_object([is_back, getattr(row, column)]))

    return {
        "results": shown(found),
        "next": beside(found[-1], False) if found and has_next else None,
        "previous": beside(found[0], True) if found and has_previous else None,
    }


def _address(request: HttpRequest, cursor: str) -> str:
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"{settings.URL}{request.path}?{query.urlencode()}"


def _start(signer: Signer, cursor: str) -> tuple[bool, int | None]:
    """Whether the page lies before the place that the cursor names, and that place."""
    if not cursor:
        return False, None
    try:
        is_back, start = signer.unsign_object(cursor)
    except (BadSignature, ValueError):
        detail = "This cursor is not one of this list: begin without one."
        raise Invalid([{"detail": detail, "pointer": pointer(["query", "cursor"])}]) from None
    return is_back, start
