"""How often one may ask the API (`processing/rates.py`), and what its answers say of that."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja.throttling import BaseThrottle

from processing import rates
from processing.errors import PhotoError


class Rate(BaseThrottle):
    """Ninja asks it once `auth` has let a request in; those that are turned away there, `auth.Needs` counts."""

    def allow_request(self, request: HttpRequest) -> bool:
        return count(request)


def count(request: HttpRequest, ask: rates.Ask = rates.HIT) -> bool:
    """False where this request is one too many: then answer with `refusal`."""
    address = request.META.get("REMOTE_ADDR", "")
    is_allowed, headers = rates.allowed(getattr(request, "auth", None), address, ask)
    request.rate_headers = headers  # type: ignore[attr-defined]
    return is_allowed


def refusal(request: HttpRequest) -> PhotoError:
    return PhotoError("rate_limited", seconds=request.rate_headers["Retry-After"])  # type: ignore[attr-defined]


class Told:
    """Puts what was counted on the answer."""

    async_capable, sync_capable = False, True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for name, value in getattr(request, "rate_headers", {}).items():
            response[name] = value
        return response
