"""A webhook, and what it was told, as the API gives them."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from ninja import Schema
from pydantic import ConfigDict, Field

from processing.hooks import endpoints
from processing.hooks.endpoints import Outcome, State
from processing.models import Delivery, EventType

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105  # an example
SHOP: dict[str, Any] = {
    "id": 3, "url": "https://shop.example.com/hooks", "types": ["job.completed", "job.failed"], "state": "on",
    "created_at": "2026-03-01T09:00:00Z", "paused_at": None, "gone_at": None, "old_secret_until": None,
    "last_answer": "200 OK", "last_try_at": "2026-03-01T09:30:00Z", "failing_since": None,
    "urls": {
        "self": "https://photos.example.com/api/v1/webhooks/3", "page": "https://photos.example.com/webhooks/3/",
        "deliveries": "https://photos.example.com/api/v1/webhooks/3/deliveries",
    },
}  # fmt: skip
TOLD: dict[str, Any] = {
    "id": 71, "webhook_id": 3, "job_id": 12, "event_id": "msg_5f0c8a6e", "type": "job.completed", "state": "failed",
    "url": "https://shop.example.com/hooks", "attempts": 10, "answer": "500 Internal Server Error",
    "created_at": "2026-03-01T09:30:00Z", "next_try_at": None, "delivered_at": None,
    "given_up_at": "2026-03-04T13:00:00Z", "self": "https://photos.example.com/api/v1/deliveries/71",
}  # fmt: skip
TRY: dict[str, Any] = {
    "number": 1, "at": "2026-03-01T09:30:01Z", "seconds": 0.2, "url": "https://shop.example.com/hooks",
    "headers": {"content-type": "application/json", "webhook-id": "msg_5f0c8a6e"}, "status": 500,
    "answer_headers": {"content-type": "text/plain"}, "answer_body": "No room.", "error": "",
}  # fmt: skip


class DeliveryUrls(Schema):
    self: str
    page: str = Field(description="Where a person looks at it.")
    deliveries: str


class Webhook(Schema):
    """An address that is told of what happens to all of its owner's jobs. A paused one is told when it is on again;
    one that is gone answered 410, and is told nothing more."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOP]})

    id: int
    url: str
    types: list[EventType]
    state: State
    created_at: datetime
    paused_at: datetime | None
    gone_at: datetime | None
    old_secret_until: datetime | None = Field(description="Until then the secret before signs too.")
    last_answer: str = Field(description="Empty where it was told nothing yet.")
    last_try_at: datetime | None
    failing_since: datetime | None = Field(description="The first try since the last 2xx.")
    urls: DeliveryUrls


class WebhookWithSecret(Webhook):
    model_config = ConfigDict(json_schema_extra={"examples": [SHOP | {"secret": SECRET}]})

    secret: str = Field(description="With which messages are signed; also shown on the webhook's page.")


class Told(Schema):
    """One event on its way to one address."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOLD]})

    id: int
    webhook_id: int | None = Field(description="None where it is the callback of a job.")
    job_id: int | None
    event_id: str = Field(description="The message's webhook-id, the same at each try.")
    type: str
    state: Outcome
    url: str
    attempts: int
    answer: str = Field(description="What came of the last try.")
    created_at: datetime
    next_try_at: datetime | None
    delivered_at: datetime | None
    given_up_at: datetime | None
    self: str


class Try(Schema):
    number: int
    at: datetime
    seconds: float
    url: str
    headers: dict[str, str] = Field(description="Those that were sent.")
    status: int | None = Field(description="None where nothing came back.")
    answer_headers: dict[str, str]
    answer_body: str = Field(description="Its first 2,000 characters.")
    error: str = Field(description="Why nothing came back.")


class ToldWhole(Told):
    model_config = ConfigDict(json_schema_extra={"examples": [
        TOLD | {"body": {"type": "job.completed", "timestamp": "2026-03-01T09:30:00Z", "data": {}}, "tries": [TRY]}
    ]})  # fmt: skip

    body: dict[str, Any] = Field(description="What is sent, the same at each try.")
    tries: list[Try]


def many(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Of rows of `endpoints.standing`."""
    return [
        {
            "id": one.pk, "url": one.url, "types": one.types, "state": endpoints.state_of(one),
            "created_at": one.created_at, "paused_at": one.paused_at, "gone_at": one.gone_at,
            "old_secret_until": one.old_secret_until, "last_answer": one.last_answer or "",
            "last_try_at": one.last_at, "failing_since": one.failing_since,
            "urls": {
                "self": _at("api-1:v1-webhook", one.pk), "page": _at("webhook", one.pk),
                "deliveries": _at("api-1:v1-webhook-deliveries", one.pk),
            },
        }
        for one in rows
    ]  # fmt: skip


def told(rows: list[Delivery]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.pk, "webhook_id": one.endpoint_id, "job_id": one.event.job_id, "event_id": one.event_id,
            "type": one.event.type, "state": endpoints.outcome(one), "url": endpoints.address(one),
            "attempts": one.attempts, "answer": one.answer, "created_at": one.event.created_at,
            "next_try_at": one.not_before if endpoints.outcome(one) == Outcome.WAITING else None,
            "delivered_at": one.delivered_at, "given_up_at": one.given_up_at,
            "self": _at("api-1:v1-delivery", one.pk),
        }
        for one in rows
    ]  # fmt: skip


def _at(name: str, pk: int) -> str:
    return f"{settings.URL}{reverse(name, args=[pk])}"


def whole(delivery: Delivery) -> dict[str, Any]:
    """With its body, and each try."""
    tries = delivery.tries.values(*Try.model_fields)
    return told([delivery])[0] | {"body": json.loads(delivery.event.body), "tries": list(tries)}
