"""Webhooks and what they were told, for tests: rows as the outbox and the workers leave them."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from processing.models import Attempt, Callback, Delivery, Endpoint, Event, Job
from tests import make

URL = "https://shop.example.com/hooks"
MINUTE = timedelta(minutes=1)


def endpoint(owner: User, **values: Any) -> Endpoint:
    """Of long ago."""
    return make.endpoint(owner, URL, **{"created_at": timezone.now() - timedelta(days=20), **values})


def delivery(
    to: Endpoint | Callback, *answers: int | None, ended: str = "", ago: timedelta = MINUTE, job: Job | None = None,
    body: str = '{"type": "job.completed", "data": {"job_id": 7}}',
) -> Delivery:  # fmt: skip
    """Of an event so long ago, with a try for each of these answers (None where nothing came back), a second apart."""
    is_endpoint, at = isinstance(to, Endpoint), timezone.now() - ago
    owner = to.owner if isinstance(to, Endpoint) else to.job.owner
    event = Event.objects.create(owner=owner, job=job, type="job.completed", body=body, created_at=at)
    said = {None: "It did not answer.", 200: "200 OK", 410: "410 Gone", 500: "500 Internal Server Error"}
    made = Delivery.objects.create(
        event=event, endpoint=to if is_endpoint else None, callback=None if is_endpoint else to,
        attempts=len(answers), answer=said[answers[-1]] if answers else "", not_before=at + timedelta(hours=1),
        delivered_at=at if ended == "delivered" else None, given_up_at=at if ended == "failed" else None,
    )  # fmt: skip
    for number, status in enumerate(answers, 1):
        Attempt.objects.create(
            delivery=made, number=number, at=at + timedelta(seconds=number), seconds=0.25, url=to.url, status=status,
            headers={"webhook-id": event.pk}, error="" if status else "It did not answer.",
            answer_headers={"server": "shop"} if status else {}, answer_body="<b>No room</b>" if status == 500 else "",
        )  # fmt: skip
    return made
