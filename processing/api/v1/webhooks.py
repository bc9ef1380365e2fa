"""Webhooks: addresses that are told what happens, and the log of what they were told.

A narrow token sees none of it: 403, as a webhook tells of every job of its owner.
"""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from processing import access
from processing.api import auth, body, once, pages
from processing.api.shapes import webhook as shape
from processing.api.shapes.asked import Moment
from processing.hooks import endpoints
from processing.models import EventType

router = Router(tags=["webhooks"])


class NewWebhook(Schema):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{name: shape.SHOP[name] for name in ("url", "types")}]}
    )

    url: str = Field(min_length=1, max_length=2048)
    types: body.Many[EventType] = Field(
        list(EventType), min_length=1, max_length=len(EventType), description="All, where none are named."
    )


class WebhookChange(Schema):
    """What is not sent stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"types": ["upload.failed"]}]})

    url: str | None = Field(None, min_length=1, max_length=2048)
    types: body.Many[EventType] | None = Field(None, min_length=1, max_length=len(EventType))


class Since(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"since": "2026-03-01T00:00:00Z"}]})

    since: Moment = Field(description="Of what happened then or later.")


class Replayed(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"replayed": 12}]})

    replayed: int


class AskedDeliveries(pages.Asked):
    state: endpoints.Outcome | None = None


def _shown(request: HttpRequest, pk: int) -> dict[str, Any]:
    return shape.many([access.one_endpoint(endpoints.standing(access.endpoints(auth.who(request))), pk)])[0]


# ---- webhooks ------------------------------------------------------------------------------------------------------


@router.get(
    "webhooks", auth=auth.READ, url_name="v1-webhooks", operation_id="list_webhooks", summary="List webhooks",
    response=pages.Page[shape.Webhook],
)  # fmt: skip
def listed(request: HttpRequest, asked: Query[pages.Asked]) -> Any:
    """One's own, newest first, without their secrets."""
    return pages.page(request, asked, endpoints.standing(access.endpoints(auth.who(request))), "-pk", shape.many)


@router.post(
    "webhooks", auth=auth.WRITE, url_name="v1-webhooks", operation_id="create_webhook", summary="Add a webhook",
    response={201: shape.WebhookWithSecret}, openapi_extra=body.described(NewWebhook) | once.PARAMETER,
)  # fmt: skip
def add(request: HttpRequest) -> Any:
    """It is told of what happens from now on, of every job. Its secret is in this answer, and on its page."""
    access.endpoints(auth.who(request))
    asked, _ = body.read(request, NewWebhook)

    def work() -> dict[str, Any]:
        made = endpoints.add(auth.owner(request), asked.url, asked.types)
        return shape.WebhookWithSecret(**_with_secret(request, made.pk)).model_dump(mode="json")

    return Status(201, once.answer(request, asked, work))


@router.get(
    "webhooks/{int:webhook_id}", auth=auth.READ, url_name="v1-webhook", operation_id="get_webhook",
    summary="How a webhook stands", response=shape.Webhook,
)  # fmt: skip
def one(request: HttpRequest, webhook_id: int) -> Any:
    """What it is told, whether it is on, and what it last answered."""
    return _shown(request, webhook_id)


@router.patch(
    "webhooks/{int:webhook_id}", auth=auth.WRITE, url_name="v1-webhook", operation_id="change_webhook",
    summary="Change a webhook", response=shape.Webhook, openapi_extra=body.described(WebhookChange),
)  # fmt: skip
def change(request: HttpRequest, webhook_id: int) -> Any:
    """What waits already goes to the new address."""
    endpoint = access.endpoint(auth.who(request), webhook_id)
    asked, _ = body.read(request, WebhookChange)
    endpoints.change(endpoint, asked.url or endpoint.url, asked.types or endpoint.types)
    return _shown(request, webhook_id)


@router.delete(
    "webhooks/{int:webhook_id}", auth=auth.WRITE, url_name="v1-webhook", operation_id="remove_webhook",
    summary="Remove a webhook", response={204: None},
)  # fmt: skip
def remove(request: HttpRequest, webhook_id: int) -> Any:
    """Its log goes with it, and what still waits is not told."""
    endpoints.remove(access.endpoint(auth.who(request), webhook_id))
    return Status(204, None)


@router.post(
    "webhooks/{int:webhook_id}/rotate", auth=auth.WRITE, url_name="v1-webhook-rotate",
    operation_id="rotate_webhook_secret", summary="Change a webhook's secret", response=shape.WebhookWithSecret,
)  # fmt: skip
def rotate(request: HttpRequest, webhook_id: int) -> Any:
    """The new secret is in this answer. The old one signs too until `old_secret_until`; changed once more before that,
    it stops at once."""
    endpoints.rotate(access.endpoint(auth.who(request), webhook_id))
    return _with_secret(request, webhook_id)


def _with_secret(request: HttpRequest, pk: int) -> dict[str, Any]:
    return _shown(request, pk) | {"secret": access.endpoint(auth.who(request), pk).secret}


@router.post(
    "webhooks/{int:webhook_id}/test", auth=auth.WRITE, url_name="v1-webhook-test", operation_id="test_webhook",
    summary="Send a test", response={202: shape.Told},
)  # fmt: skip
def test(request: HttpRequest, webhook_id: int) -> Any:
    """An event that did not happen, whose data say `"test": true`. What came of it is found at `self`."""
    return Status(202, shape.told([endpoints.send_test(access.endpoint(auth.who(request), webhook_id))])[0])


@router.post(
    "webhooks/{int:webhook_id}/pause", auth=auth.WRITE, url_name="v1-webhook-pause", operation_id="pause_webhook",
    summary="Pause a webhook", response=shape.Webhook,
)  # fmt: skip
def pause(request: HttpRequest, webhook_id: int) -> Any:
    """What happens meanwhile is kept, and told when it is on again."""
    endpoints.pause(access.endpoint(auth.who(request), webhook_id))
    return _shown(request, webhook_id)


@router.post(
    "webhooks/{int:webhook_id}/resume", auth=auth.WRITE, url_name="v1-webhook-resume", operation_id="resume_webhook",
    summary="Switch a webhook on again", response=shape.Webhook,
)  # fmt: skip
def resume(request: HttpRequest, webhook_id: int) -> Any:
    """One that was paused, or that is gone. What waits is sent at once; what happened while it was gone is not told."""
    endpoints.resume(access.endpoint(auth.who(request), webhook_id))
    return _shown(request, webhook_id)


@router.post(
    "webhooks/{int:webhook_id}/replay", auth=auth.WRITE, url_name="v1-webhook-replay", operation_id="replay_failed",
    summary="Replay all that failed since", response={202: Replayed}, openapi_extra=body.described(Since),
)  # fmt: skip
def replay_failed(request: HttpRequest, webhook_id: int) -> Any:
    """Also what waits for another try. The same messages with the same ids, and all tries again. 409 where there is
    none, or the webhook is off."""
    endpoint = access.endpoint(auth.who(request), webhook_id)
    asked, _ = body.read(request, Since)
    return Status(202, {"replayed": endpoints.replay_failed(endpoint, asked.since)})


# ---- what they were told -------------------------------------------------------------------------------------------


@router.get(
    "webhooks/{int:webhook_id}/deliveries", auth=auth.READ, url_name="v1-webhook-deliveries",
    operation_id="list_deliveries", summary="What a webhook was told", response=pages.Page[shape.Told],
)  # fmt: skip
def deliveries(request: HttpRequest, webhook_id: int, asked: Query[AskedDeliveries]) -> Any:
    """Newest first. What ended is kept for 30 days, where staff did not set it otherwise."""
    endpoint = access.endpoint(auth.who(request), webhook_id)
    rows = access.deliveries(auth.who(request)).filter(endpoint=endpoint)
    return pages.page(request, asked, endpoints.deliveries(rows, asked.state or ""), "-pk", shape.told)


@router.get(
    "deliveries/{int:delivery_id}", auth=auth.READ, url_name="v1-delivery", operation_id="get_delivery",
    summary="One message, and each try to deliver it", response=shape.ToldWhole,
)  # fmt: skip
def delivery(request: HttpRequest, delivery_id: int) -> Any:
    """Also of a job's callback, whose `webhook_id` is null."""
    return shape.whole(access.delivery(auth.who(request), delivery_id))


@router.post(
    "deliveries/{int:delivery_id}/replay", auth=auth.WRITE, url_name="v1-delivery-replay",
    operation_id="replay_delivery", summary="Replay one message", response={202: shape.Told},
)  # fmt: skip
def replay(request: HttpRequest, delivery_id: int) -> Any:
    """The same message with the same id, and all tries again, also where it was delivered."""
    found = access.delivery(auth.who(request), delivery_id)
    endpoints.replay(found)
    return Status(202, shape.told([found])[0])
