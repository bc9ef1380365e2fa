"""What operators do to all photos that a filter names, and how far that is."""

from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from processing import bulk, query, steering
from processing.api import auth, body
from processing.api.problems import Invalid, pointer
from processing.api.shapes.asked import Id, Moment
from processing.api.v1.queue import Name
from processing.errors import KINDS, PhotoError
from processing.models import BulkAct
from processing.query import Query

router = Router(tags=["queue"])

NOT_NAMING = {"q", "dry_run"}


class RetryFilter(Schema):
    """Which photos are queued again: by these fields, or by `q` alone, the filter of the queue page.
    With `dry_run` they are only counted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"status": "failed", "code": "timeout", "dry_run": True}]},
    )

    status: Literal["failed", "cancelled"] = "failed"
    code: Literal[tuple(KINDS)] | None = Field(None, description="Of the error.")  # type: ignore[valid-type]
    job_id: Id | None = None
    owner: Name | None = None
    since: Moment | None = Field(None, description="Those that ended then or later, to the second.")
    q: str | None = Field(
        None, max_length=query.LONGEST, examples=["error:fetch_timeout host:img.example.com older:1h"],
        description="Keys: state, error, owner, job, model, host, older, newer; else words of names.",
    )  # fmt: skip
    dry_run: bool = False

    @property
    def wanted(self) -> Query:
        """Raises PhotoError `invalid_filter`, and Invalid where it is said in two ways."""
        if self.q is None:
            return Query(self.status, self.code or "", self.owner or "", self.job_id, newer=_age(self.since))
        if besides := sorted(self.model_fields_set - NOT_NAMING):
            raise Invalid([{"detail": "Send either q or the other fields.", "pointer": pointer(besides[:1])}])
        return query.read(self.q)


def _age(since: datetime | None) -> timedelta | None:
    """In whole seconds."""
    return timedelta(seconds=max(0, ceil((timezone.now() - since).total_seconds()))) if since else None


class ActOut(Schema):
    """What is done in the background; `ended_at` is null while it goes on. What comes to match later is not touched."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [
            {"id": 7, "verb": "retry", "query": "state:failed", "matched": 4200, "done": 1500, "ended_at": None}
        ]},
    )  # fmt: skip

    id: int
    verb: Literal["retry", "cancel", "delete"]
    query: str
    matched: int
    done: int
    ended_at: datetime | None


class RetriedInQueue(Schema):
    """`retried` are those that were queued again now; `act` follows the rest, where they are more than 1,000."""

    model_config = {"json_schema_extra": {"examples": [{"matched": 3, "retried": 3, "act": None}]}}

    matched: int
    retried: int = Field(description="0 in a dry run, and where an act does it.")
    act: ActOut | None


@router.post(
    "queue/retry", auth=auth.QUEUE, url_name="v1-queue-retry", operation_id="retry_in_queue",
    summary="Queue photos again", response=RetriedInQueue, openapi_extra=body.described(RetryFilter),
)  # fmt: skip
def retry(request: HttpRequest) -> Any:
    """Those that failed, or were cancelled, and that the filter names: everybody's. Up to 1,000 at once, more in the
    background."""
    asked, _ = body.read(request, RetryFilter)
    steering.need(auth.owner(request), "retry")
    matched = bulk.preview("retry", asked.wanted.rows()).count
    if asked.dry_run or not matched:
        return RetriedInQueue(matched=matched, retried=0, act=None)
    count, act = bulk.soon(auth.owner(request), "retry", asked.wanted)
    return RetriedInQueue(matched=matched, retried=0 if act else count, act=ActOut.from_orm(act) if act else None)


@router.get(
    "queue/acts/{int:act_id}", auth=auth.QUEUE, url_name="v1-queue-act", operation_id="get_queue_act",
    summary="How far an act is", response=ActOut,
)  # fmt: skip
def one(request: HttpRequest, act_id: int) -> Any:
    """Of what was begun in the background, by whichever operator."""
    return _act(act_id)


@router.post(
    "queue/acts/{int:act_id}/stop", auth=auth.QUEUE, url_name="v1-queue-act-stop", operation_id="stop_queue_act",
    summary="Stop an act", response=ActOut,
)  # fmt: skip
def stop(request: HttpRequest, act_id: int) -> Any:
    """It goes no further; what is done is done. One that has ended is 409."""
    act = _act(act_id)
    if not bulk.stop(auth.owner(request), act):
        raise PhotoError("nothing_to_do", reason="It has ended already")
    return act


def _act(act_id: int) -> BulkAct:
    found = BulkAct.objects.filter(pk=act_id).first()
    if found is None:
        raise PhotoError("not_found", reason="There is no such act here")
    return found
