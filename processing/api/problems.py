"""Every error of the API is an `application/problem+json` (RFC 9457) with a stable `code`."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import HttpError, Throttled
from ninja.errors import ValidationError as NinjaError
from pydantic import ValidationError

from processing import outage, trace
from processing.api import rates
from processing.errors import AGAIN, PhotoError
from processing.recipe import sentence

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
PLACES = ("/api/", "/v1.0/", "/upload/", "/status/", "/webhook/")  # where programs ask, and pages do not
Errors = Iterable[dict[str, str]]
UNREADABLE = (MultiPartParserError, BadRequest, SuspiciousOperation, UnreadablePostError)
MOST_TOLD = 100
LONGEST_NAME = 100


class Invalid(PhotoError):
    """A request whose values do not fit: `errors` are {"detail", "pointer"}, the pointer as in RFC 6901 from `#/`.
    The first hundred are told."""

    def __init__(self, errors: Errors) -> None:
        self.errors = list(islice(errors, MOST_TOLD))
        first = self.errors[0]["detail"].rstrip(".") if self.errors else "The request does not fit"
        super().__init__("invalid_request", reason=first)


def pointer(location: Iterable[object]) -> str:
    """Names that are longer than any of ours are cut: an answer stays small whatever came."""
    return "#/" + "/".join(str(part)[:LONGEST_NAME].replace("~", "~0").replace("/", "~1") for part in location)


def body(status: int, code: str, detail: str, errors: Errors = ()) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail,
    }  # fmt: skip
    return found | ({"errors": list(errors)} if errors else {})


def answer(status: int, code: str, detail: str, errors: Errors = (), more: Mapping[str, Any] = {}) -> HttpResponse:
    """The problem; `more` are fields besides its own."""
    return HttpResponse(json.dumps({**more} | body(status, code, detail, errors)), CONTENT_TYPE, status)


def of(error: PhotoError) -> HttpResponse:
    response = answer(error.status, error.code, error.detail, getattr(error, "errors", ()))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    if error.code == "request_in_progress":
        response["Retry-After"] = "1"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(AGAIN)
    return response


def of_mistake(request: HttpRequest, error: Exception) -> HttpResponse:
    """What we did not foresee: told with the number under which it stands in the log; and a database that is away."""
    if away := outage.told(error):
        return of(away)
    log.error("request_failed", exc_info=error)
    return answer(500, "internal_error", f"That is our mistake. Tell staff the number {trace.number()}.")


def outside(error: Exception) -> HttpResponse | None:
    """What is answered where Django never hears of the request; None for a mistake of ours."""
    if isinstance(error, UNREADABLE):
        return _of_body(error)
    known = error if isinstance(error, PhotoError) else outage.told(error)
    return of(known) if known else None


def handle(api: NinjaAPI) -> None:
    """Have this API answer errors so."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        PhotoError: lambda request, error: of(error),
        Http404: lambda request, error: answer(404, "not_found", str(error) or "Not found."),
        NinjaError: lambda request, error: of(invalid(error.errors)),
        ValidationError: lambda request, error: of(invalid(error.errors())),
        Throttled: lambda request, error: of(rates.refusal(request)),
        HttpError: lambda request, error: _of_http(error),
        **dict.fromkeys(UNREADABLE, lambda request, error: _of_body(error)),
        Exception: of_mistake,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def invalid(errors: Iterable[Any]) -> Invalid:
    return Invalid({"detail": sentence(one), "pointer": pointer(one["loc"])} for one in errors)


def _of_body(error: Exception) -> HttpResponse:
    """Django could not read the body, or would not."""
    if isinstance(error, RequestDataTooBig):
        return of(PhotoError("body_too_large", limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE // settings.MB))
    if isinstance(error, TooManyFilesSent):
        return of(PhotoError("too_many_files", limit=settings.MAX_FILES))
    return answer(400, "invalid_request", "The body is not what its Content-Type says, or has too many fields.")


def _of_http(error: HttpError) -> HttpResponse:
    code = "invalid_json" if error.status_code == HTTPStatus.BAD_REQUEST else "not_permitted"
    return answer(error.status_code, code, str(error))


CODES = {
    400: "invalid_request", 401: "not_authenticated", 403: "not_permitted", 404: "not_found",
    413: "body_too_large", 415: "unsupported_media_type", 429: "rate_limited",
}  # fmt: skip


class Problems:
    """What Django answers by itself where programs ask (no such address, no such method, a body that cannot be read),
    said as a problem too."""

    async_capable, sync_capable = False, True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_ours = "json" in response.get("Content-Type", "") or response.streaming
        if response.status_code < 400 or is_ours or not request.path.startswith(PLACES):
            return response
        made = _of_django(request, response)
        for name in ("Allow", "Retry-After", "X-Frame-Options"):
            if name in response:
                made[name] = response[name]
        return made


def _of_django(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    status = response.status_code
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return of(PhotoError("method_not_allowed", method=request.method, allowed=response["Allow"]))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return of(PhotoError("database_unavailable"))
    code = CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
    return answer(status, code, f"{HTTPStatus(status).phrase.capitalize()}.")
