"""A product CSV goes in at one address, its state is asked at another; and a place to try its callbacks against."""

import json
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import BaseModel, ConfigDict

from processing import access, progress, tokens, watch
from processing.api import auth, body, once
from processing.errors import PhotoError
from processing.hooks import received
from processing.intake import products
from processing.models import Callback, Job
from processing.progress import ENDED

router = Router(tags=["product_csv"])

FIELDS = ("file",)
MOST = settings.MB  # bytes of a callback
WORDS = {"processing": "Processing", "completed": "Completed", "failed": "Failed", "cancelled": "Failed"}


class Sent(BaseModel):
    """What comes beside `file`; the address that is told has either name."""

    model_config = ConfigDict(extra="forbid")

    callback_url: str = ""
    webhook_url: str = ""


class Request(Schema):
    request_id: int


class Detail(Schema):
    detail: str


class RequestState(Schema):
    request_id: int
    status: Literal["Pending", "Processing", "Completed", "Failed"]
    output_csv_path: str | None


class Webhook(Schema):
    status: Literal["Webhook received"] = "Webhook received"


class Arrived(Schema):
    webhook_id: str
    received_at: str
    body: str


# ---- the CSV -------------------------------------------------------------------------------------------------------


@router.post(
    "upload/", auth=auth.WRITE, url_name="product-csv-upload", operation_id="product_csv_upload",
    summary="Send a product CSV", response={200: Request, 400: Detail},
    openapi_extra=body.described(Sent, FIELDS) | once.PARAMETER,
)  # fmt: skip
def upload(request: HttpRequest) -> Any:
    """It is started at once. What cannot be read, or has no row that can run, is 400."""
    try:
        return {"request_id": _start(request).pk}
    except PhotoError as error:
        if error.status not in (400, 413, 422):
            raise
        return Status(400, {"detail": error.detail})


def _start(request: HttpRequest) -> Job:
    sent, files = body.read(request, Sent, FIELDS)
    file = body.one_file(files, FIELDS)
    return products.accept(
        auth.owner(request), file, None, callback_url=sent.callback_url or sent.webhook_url,
        shape=Callback.Shape.PRODUCT_CSV, token=auth.token(request), start=True,
        **once.keys(request, sent, files),
    )  # fmt: skip


@router.get(
    "status/{int:request_id}", auth=auth.READ, url_name="product-csv-status", operation_id="product_csv_status",
    summary="How far it is", response=RequestState,
)  # fmt: skip
def status(request: HttpRequest, request_id: int) -> Any:
    """`output_csv_path` is a path on this server, for the same token; null until the CSV has ended."""
    job = access.product_job(auth.who(request), request_id)
    state = progress.of(job).status
    path = f"/api/v1/jobs/{job.pk}/results.csv" if state in ENDED else None
    return {"request_id": job.pk, "status": WORDS.get(state, "Pending"), "output_csv_path": path}


# ---- a place to try callbacks against ------------------------------------------------------------------------------


@router.post(
    "webhook/", auth=None, url_name="product-csv-webhook", operation_id="product_csv_webhook",
    summary="Take a callback", response=Webhook,
)  # fmt: skip
def webhook(request: HttpRequest) -> Any:
    """Its signature says who sent it: that of the token's owner where it comes with one, else of the owner of the job
    that it tells of. `GET` shows what arrived."""
    content = request.read(MOST + 1)
    if len(content) > MOST:
        raise PhotoError("body_too_large", limit=MOST // settings.MB)
    person = received.check(_addressee(request, content), request.headers, content)
    received.keep(person, request.headers["webhook-id"], content)
    return Webhook()


def _addressee(request: HttpRequest, content: bytes) -> User | None:
    if secret := tokens.secret_in(request.headers):
        return auth.READ.of_token(tokens.find(secret)).owner
    return User.objects.filter(jobs=_job_id(content)).first()


def _job_id(content: bytes) -> int:
    """That of a body in either shape; 0 where there is none."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return 0
    data = told.get("data", told) if isinstance(told, dict) else {}
    named = (data.get("request_id") or data.get("job_id")) if isinstance(data, dict) else None
    return watch.number(str(named)) or 0


@router.get(
    "webhook/", auth=auth.READ, url_name="product-csv-webhook", operation_id="product_csv_arrived",
    summary="What arrived", response=list[Arrived],
)  # fmt: skip
def arrived(request: HttpRequest) -> Any:
    """The newest ten callbacks whose signature was right, for a day."""
    token = auth.token(request)
    if token and token.is_narrow:
        raise PhotoError("not_permitted", reason="A narrow token does not see them")
    return received.newest(auth.owner(request))
