"""A number for each request, on every line that is logged because of it; and one line for each request itself."""

import logging
import re
import secrets
import sys
import time
from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_structlog.middlewares import RequestMiddleware

from processing import outage
from processing.errors import AGAIN
from processing.models import Token
from processing.trace import number

log = structlog.stdlib.get_logger(__name__)

HEADER = "X-Request-ID"
SANE = re.compile(r"[\w.:-]{1,40}", re.ASCII)  # of those that a proxy in front of us gave
OURS = {500: logging.ERROR, 503: logging.WARNING, 507: logging.WARNING}  # a mistake, and what was foreseen
QUIET = ("/health", "/ready", "/metrics", "/static/")


class Requests(RequestMiddleware):
    """django-structlog's, but it asks no database who comes, names no secret, and leaves streams as they are."""

    def prepare(self, request: HttpRequest) -> None:
        given = request.headers.get(HEADER, "")
        fresh = f"req-{secrets.token_hex(6)}"
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=given if SANE.fullmatch(given) else fresh,
            ip=request.META.get("REMOTE_ADDR", ""),  # the server has judged already whose X-Forwarded-For is believed
        )
        request.began = time.monotonic()  # type: ignore[attr-defined]

    def handle_response(self, request: HttpRequest, response: HttpResponseBase) -> None:
        self.bind_user_id(request)
        response[HEADER] = number()
        seconds = round(time.monotonic() - request.began, 4)  # type: ignore[attr-defined]
        code = response.status_code
        if code == HTTPStatus.SERVICE_UNAVAILABLE:
            response.setdefault("Retry-After", str(AGAIN))
        level = logging.DEBUG if request.path.startswith(QUIET) else OURS.get(code, logging.INFO)
        log.log(level, "request_finished", method=request.method, path=request.path, code=code, seconds=seconds)
        structlog.contextvars.clear_contextvars()

    def process_got_request_exception(self, sender: type[Any], request: HttpRequest, **kwargs: Any) -> None:
        if not outage.told(sys.exc_info()[1]):
            super().process_got_request_exception(sender, request, **kwargs)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Who was looked up anyway: a token's owner, or the person of the session."""
        auth, person = getattr(request, "auth", None), getattr(request, "_cached_user", None)
        user_id = auth.owner_id if isinstance(auth, Token) else getattr(person, "pk", None)
        structlog.contextvars.bind_contextvars(user_id=user_id)
