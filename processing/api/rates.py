"""How often one may ask: counted in Redis, in windows that move. Without Redis nobody is limited.

Each answer says how many are left, as draft-ietf-httpapi-ratelimit-headers has it.
"""

import logging
import math
import time
from collections.abc import Callable
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from ninja.throttling import BaseThrottle
from redis.backoff import NoBackoff
from redis.retry import Retry

from processing.errors import PhotoError
from processing.models import Token

log = logging.getLogger(__name__)

PATIENCE = 0.2  # seconds that a request waits for Redis
Ask = Callable[..., bool]  # whether one more is allowed: counted, or only looked at
SECONDS = {"second": 1, "minute": 60, "hour": 3600}


class Rate(BaseThrottle):
    """Ninja asks it once `auth` has let a request in; those that are turned away there, `auth.Needs` counts."""

    def allow_request(self, request: HttpRequest) -> bool:
        return count(request)


def count(request: HttpRequest) -> bool:
    """False where this request is one too many: then answer with `refusal`."""
    return _told(request, MovingWindowRateLimiter.hit)


def has_room(request: HttpRequest) -> bool:
    """The same without counting it, as it will be."""
    return _told(request, MovingWindowRateLimiter.test)


def _told(request: HttpRequest, ask: Ask) -> bool:
    address = request.META.get("REMOTE_ADDR", "")
    allowed, request.rate_headers = counted(getattr(request, "auth", None), address, ask)  # type: ignore[attr-defined]
    return allowed


def counted(found: object, address: str, ask: Ask = MovingWindowRateLimiter.hit) -> tuple[bool, dict[str, str]]:
    """Is this still allowed to whom `auth` found, or to the address where it found nobody? And what an answer says."""
    who, rates = _who(found, address)
    items = {unit: RateLimitItemPerSecond(amount, SECONDS[unit]) for amount, unit in rates}
    counter = limiter(settings.REDIS_URL)
    try:
        allowed = all(ask(counter, item, who) for item in items.values())
        windows = {unit: counter.get_window_stats(item, who) for unit, item in items.items()}
    except redis.RedisError as error:
        log.warning("requests of %s are not counted: %s", who, error)
        return True, {}
    wait = {unit: max(1, math.ceil(window.reset_time - time.time())) for unit, window in windows.items()}
    headers = {
        "RateLimit-Policy": ", ".join(f'"{unit}";q={amount};w={SECONDS[unit]}' for amount, unit in rates),
        "RateLimit": ", ".join(f'"{unit}";r={window.remaining};t={wait[unit]}' for unit, window in windows.items()),
    }
    if not allowed:
        full = [wait[unit] for unit, window in windows.items() if not window.remaining]
        headers["Retry-After"] = str(max(full, default=1))
    return allowed, headers


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


def _who(found: object, address: str) -> tuple[str, list[tuple[int, str]]]:
    """Whose requests are counted together, and how many of them are too many. A person is one, however many tokens they
    have; those who visit their pages are another, so that they hold up no program."""
    if isinstance(found, Token):
        return f"{'visitors of' if found.is_narrow else 'person'} {found.owner_id}", settings.API_RATE
    if isinstance(found, User):
        return f"person {found.pk}", settings.API_RATE
    return f"address {_network(address)}", settings.STRANGER_RATE


def _network(address: str) -> str:
    """An IPv6 address stands for its /64: whoever has one has all of them."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket
        return address
    return str(ip_network((found, 64), strict=False) if isinstance(found, IPv6Address) else found)


@cache
def limiter(url: str) -> MovingWindowRateLimiter:
    once: Any = Retry(NoBackoff(), 0)
    quick = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": once}
    return MovingWindowRateLimiter(RedisStorage(url, key_prefix="photoproc:rate", **quick))
